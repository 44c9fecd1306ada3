"""What a machine has and lacks for a robot: `robot-rl doctor`."""
