"""Properties are judged by what they find, not by how fast the machine is, and by the same examples each time.

Many more, and others each time: `python -m pytest tests/core --hypothesis-profile=many --timeout=0`.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

settings.register_profile("same", PATIENT, derandomize=True, database=None)
settings.register_profile("many", PATIENT, max_examples=2000, stateful_step_count=100)
if settings.get_current_profile_name() != "many":
    settings.load_profile("same")
