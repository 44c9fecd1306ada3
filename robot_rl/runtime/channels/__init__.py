"""Between actors and a learner: records up, weights down, within a process or between machines."""
