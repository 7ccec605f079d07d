"""Stand-in for Forge's own modules."""
