"""Arm, Gripper, Camera and Teleop: protocols, fakes, and the robot composed of them."""
