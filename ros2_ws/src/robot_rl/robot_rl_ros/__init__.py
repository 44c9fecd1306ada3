"""ROS 2 nodes of robot_rl: they declare, convert and delegate; the arithmetic is in `robot_rl`."""
