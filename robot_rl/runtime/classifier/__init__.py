"""Training, measuring and keeping the success classifier."""
