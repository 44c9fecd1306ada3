"""Learning algorithms: one file an algorithm, reading like its paper."""
