"""A Franka in MuJoCo: scene, devices, tasks, the scripted expert and the scripted human."""
