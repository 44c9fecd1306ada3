"""A Franka in MuJoCo: scene, devices, tasks, the scripted expert and the scripted human."""

from robot_rl.sim.gl import choose_backend

choose_backend()
