"""The making of base policies from recordings."""
