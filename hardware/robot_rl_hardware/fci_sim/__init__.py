"""A simulated Franka behind the real wire: clients of libfranka drive it as they drive the robot."""
