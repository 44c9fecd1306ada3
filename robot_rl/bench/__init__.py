"""Benchmarks behind `robot-rl bench NAME`; each prints a table and one JSON object."""
