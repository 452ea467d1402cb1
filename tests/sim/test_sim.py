"""The simulator on itself, and a few of its schedules: `python -m tests.sim` runs thousands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2]


def simulate(*words: str, hash_seed: str = "0") -> subprocess.CompletedProcess[str]:
    """Run the command, as a person does."""
    return subprocess.run(
        [sys.executable, "-m", "tests.sim", *words],
        cwd=HOUSE,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_few_schedules() -> None:
    """Whatever they do to disk, cloud and program, the cloud ends as the disk, and the totals say what was done."""
    ran = simulate("--schedules", "30", "--seed", "1", "--jobs", "1")

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "30 schedules" in ran.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_many_schedules_and_ten_thousand_files() -> None:
    """More of the same, and the one schedule in which thousands of files appear at once and are moved."""
    ran = simulate("--schedules", "200", "--seed", "0", "--jobs", "2")

    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.slow
@pytest.mark.parametrize("seed", ["7", "21", "33"])
def test_the_same_seed_is_the_same_run(seed: str) -> None:
    """Every event at the same virtual time, in another process and whatever the environment says of hashes."""
    first = simulate("--repeat", seed)
    second = simulate("--repeat", seed, hash_seed="12345")

    assert first.stdout.count("\n") > 20
    assert first.stdout == second.stdout
