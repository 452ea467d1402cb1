"""What only TLS excludes: corruption that the service takes, and of which no answer can tell."""

from __future__ import annotations

BEYOND: frozenset[tuple[str, str, str]] = frozenset()
