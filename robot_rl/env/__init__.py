"""The environment: the one place where an intervention is decided."""
