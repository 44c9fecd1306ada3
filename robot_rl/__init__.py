"""robot_rl: sample-efficient reinforcement learning on a Franka arm, with a person in the loop."""
