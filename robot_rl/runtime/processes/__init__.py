"""Runs as processes: which there are, who starts and ends them, and what they say."""
