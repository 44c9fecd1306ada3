"""Composition of the parts: environments, evaluation, recordings."""
