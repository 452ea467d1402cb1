"""Composition: what a configuration describes is put together here, run, and taken apart again."""
