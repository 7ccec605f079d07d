"""Stand-in for the part of A1111's web UI that Forge shares."""
