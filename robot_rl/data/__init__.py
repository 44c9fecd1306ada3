"""Experience: time steps in memory and on disk, and the windows that a learner draws from them."""
