"""Measurements of the graph."""
