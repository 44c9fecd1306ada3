"""Drivers of real devices. Each implements a protocol of `robot_rl.robot.protocols`; none is imported but by name."""
