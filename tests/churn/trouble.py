"""What goes wrong meanwhile: faults of the service, outages, kills, stops. Seeded too, by a stream of its own.

Rule: each trouble begins with a step of the work and ends a fixed number of steps later.
Refusal: nothing that makes the daemon wait for minutes by design (quotas, a wrong secret): then nothing happens.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

from tests.churn import ground as places
from tests.local.watching import overflow

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from tests.churn.ground import Ground
    from tests.churn.processes import Processes

JSON_CALLS = ("token", "uploadfile", "batchdeletefile")
FAULTS: tuple[dict[str, Any], ...] = (
    *({"call": call, "kind": kind} for call in JSON_CALLS for kind in ("cut_before", "cut_amid", "cut_after")),
    *({"call": call, "kind": "cut_json"} for call in JSON_CALLS),
    *({"call": call, "kind": "errcode", "errcode": code} for call in JSON_CALLS for code in (-1, -501001)),
    *({"call": call, "kind": "errcode", "errcode": -501004} for call in JSON_CALLS[1:]),
    *({"call": call, "kind": "stale_token"} for call in JSON_CALLS[1:]),
    *({"call": call, "kind": "http", "status": 503, "body": "html"} for call in JSON_CALLS),
    *({"call": call, "kind": "trickle", "seconds": 0.3} for call in JSON_CALLS),
    *({"call": call, "kind": "stall", "seconds": 0.4} for call in (*JSON_CALLS, "cos")),
    *({"call": "cos", "kind": kind} for kind in ("cut_before", "cut_amid", "cut_after", "stored_reply_lost")),
    *({"call": "cos", "kind": kind} for kind in ("wrong_etag", "no_etag")),
    {"call": "cos", "kind": "http", "status": 503, "code": "SlowDown"},
    {"call": "cos", "kind": "http", "status": 403, "code": "AccessDenied"},
    {"call": "cos", "kind": "http", "status": 502, "body": "html"},
    {"call": "cos", "kind": "slow_read", "seconds": 0.5},
    {"call": "batchdeletefile", "kind": "stored_reply_lost"},
    {"call": "batchdeletefile", "kind": "missing_item", "key": "*.bin"},
    {"call": "batchdeletefile", "kind": "item_error", "key": "*.png", "errcode": -501001, "errmsg": "system error"},
)


class Trouble:
    """Makes trouble between the steps of the work."""

    def __init__(self, chance: random.Random, processes: Processes, ground: Ground) -> None:
        self._chance = chance
        self._processes = processes
        self._ground = ground
        self._later: dict[int, list[Callable[[], None]]] = {}
        self._step = 0
        self._is_frozen = False

    def step(self) -> str | None:
        """End what is due to end, and now and then begin something. Says what."""
        self._step += 1
        ending = self._later.pop(self._step, [])
        for end in ending:
            end()
        if self._chance.random() >= 0.12:
            return None
        begin = self._chance.choice(TROUBLES)
        steps = self._chance.randint(1, 8)
        if not begin(self, steps):
            return None
        self._processes.events[begin.__name__] += 1
        return f"{begin.__name__} for {steps} steps"

    def end(self) -> None:
        """End everything that was begun."""
        for _, ending in sorted(self._later.items()):
            for end in ending:
                end()
        self._later.clear()

    def _after(self, steps: int, end: Callable[[], None]) -> None:
        self._later.setdefault(self._step + steps, []).append(end)

    def _may_end_the_daemon(self) -> bool:
        """Not while the service holds requests that it has not read yet: they would outlive who sent them."""
        return self._processes.daemon is not None and not self._is_frozen

    def faults(self, _steps: int) -> bool:
        """Arm some faults in place of those before."""
        if (cloud := self._processes.cloud) is None:
            return False
        chosen = self._chance.sample(FAULTS, self._chance.choice((0, 4, 8, 12)))
        cloud.tell("faults", [{**fault, "probability": self._chance.choice((0.05, 0.1, 0.25))} for fault in chosen])
        return True

    def latency(self, _steps: int) -> bool:
        """Let every call wait, or none."""
        if (cloud := self._processes.cloud) is None:
            return False
        cloud.tell("latency", {"seconds": self._chance.choice((0, 0.01, 0.1))})
        return True

    def revoke_token(self, _steps: int) -> bool:
        """Let every token be worthless."""
        if (cloud := self._processes.cloud) is None:
            return False
        cloud.tell("revoke-token")
        return True

    def outage(self, steps: int) -> bool:
        """Let there be no service for a while."""
        if self._processes.cloud is None:
            return False
        self._processes.stop_cloud()
        self._after(steps, self._processes.start_cloud)
        return True

    def frozen_service(self, steps: int) -> bool:
        """Let the service take connections and say nothing."""
        if (cloud := self._processes.cloud) is None or self._processes.daemon is None:
            return False
        cloud.process.send_signal(signal.SIGSTOP)
        self._is_frozen = True
        self._processes.cloud = None  # nobody can ask it anything

        def thaw() -> None:
            cloud.process.send_signal(signal.SIGCONT)
            self._processes.cloud, self._is_frozen = cloud, False

        self._after(steps, thaw)
        return True

    def kill(self, steps: int) -> bool:
        """Kill the daemon; the work goes on without it for a while."""
        if not self._may_end_the_daemon():
            return False
        self._processes.kill_daemon()
        self._after(steps, self._processes.start_daemon)
        return True

    def quick_kill(self, _steps: int) -> bool:
        """Kill the daemon, and start the next at once."""
        if not self._may_end_the_daemon():
            return False
        self._processes.kill_daemon()
        self._processes.start_daemon()
        return True

    def stop(self, steps: int) -> bool:
        """Stop the daemon as systemd does."""
        if not self._may_end_the_daemon():
            return False
        self._processes.stop_daemon()
        self._after(steps, self._processes.start_daemon)
        return True

    def overflow_the_queue(self, _steps: int) -> bool:
        """Stop the daemon's world, and make more events than the kernel keeps for it."""
        if (daemon := self._processes.daemon) is None:
            return False
        daemon.send_signal(signal.SIGSTOP)
        noise = self._ground.root / "noise"
        noise.mkdir(exist_ok=True)
        overflow(noise)
        places.remove(noise)
        self._after(2, lambda: daemon.send_signal(signal.SIGCONT))
        return True


TROUBLES: tuple[Callable[[Trouble, int], bool], ...] = (
    *(Trouble.faults, Trouble.faults, Trouble.faults, Trouble.latency, Trouble.revoke_token, Trouble.outage),
    *(Trouble.frozen_service, Trouble.kill, Trouble.quick_kill, Trouble.stop, Trouble.overflow_the_queue),
)
