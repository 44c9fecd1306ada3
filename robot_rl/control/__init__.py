"""The 1 kHz impedance law, the action map and the safety filter."""
