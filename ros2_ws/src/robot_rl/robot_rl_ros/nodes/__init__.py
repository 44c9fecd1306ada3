"""The nodes of the graph. Each declares, converts and delegates; arithmetic lives in robot_rl."""
