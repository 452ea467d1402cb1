"""Churn: the real daemon over a real folder in which seeded work goes on, while the service fails and kills come.

`python -m tests.churn --seeds 1-10 --seconds 20 --jobs 2` runs it; a failure prints its seed and keeps its folder.

Rule: the same seed does the same work in the same order. How much of it fits into the time, and what the daemon does
meanwhile, is real.
Rule: odd seeds rescan nothing, so every change must be seen by its event; even seeds rescan each second, and do also
what makes no event (see `work.SILENT`).
Refusal: nothing of the program is imported to judge it, and nothing is tried again until it passes.
"""
