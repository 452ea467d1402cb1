"""What holds for every test.

Properties are judged by what they find, not by how fast the machine is, and by the same examples each time. Many more
of them, and others each time: `python -m pytest tests/core --hypothesis-profile=many --timeout=0`.
"""

from __future__ import annotations

import signal

import pytest
from hypothesis import HealthCheck, settings

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", PATIENT, derandomize=True, database=None)
settings.register_profile("many", PATIENT, max_examples=2000, stateful_step_count=100)
settings.load_profile("same")


@pytest.fixture(autouse=True, scope="session")
def signals() -> None:
    """Let signals mean what they mean by default, here and in children: under nohup, say, some are ignored."""
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, handler)
