"""What `robot-rl bench` measures of drivers and of the simulated controller."""
