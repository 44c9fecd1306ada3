"""The commands of `robot-rl`: each composes what it needs and delegates."""
