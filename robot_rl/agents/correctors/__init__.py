"""Correctors: what acts on top of a frozen base policy, and learns where the base is wrong."""
