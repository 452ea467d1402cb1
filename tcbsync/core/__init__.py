"""Decides. Knows no disk, no clock, no network and no database: everything comes in as an argument."""
