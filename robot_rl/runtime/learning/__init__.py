"""The learner's side of a run: memory, batches, updates, checkpoints."""
