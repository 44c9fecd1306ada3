"""Push-T: a disc pushes a T to a marked pose. A benchmark of imitation learning, as plain arithmetic."""
