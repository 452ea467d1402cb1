"""Tells people, elsewhere, what needs them. Whatever becomes of it, nothing else waits for it."""
