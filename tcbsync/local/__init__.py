"""The disk: what is there (scan), what it contains (digest), where to look next (watch)."""
