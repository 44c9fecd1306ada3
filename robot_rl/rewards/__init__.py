"""Rewards from what a robot sees: images to calibrated probabilities of success, and these to a payment."""
