"""What holds of settling whatever happens, and in whatever order: hints, looks, pauses, floods."""

from __future__ import annotations

from math import inf

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tcbsync.core.model import covers
from tcbsync.core.settle import Delays, Settle

DELAYS = Delays(blink_seconds=0.01, calm_seconds=0.25, quiet_seconds=2.0, patience_seconds=7.0)
MAX_PATHS = 4
PATHS = st.sampled_from(["", "a", "a/b", "a/b/c", "ab", "d", "d/e"])
PAUSES = st.sampled_from([0.001, 0.01, 0.1, 0.2, 0.25, 1.0, 2.0, 5.0])
ROUNDING = 1e-6


class Settling(RuleBasedStateMachine):
    """Hints come in, and somebody looks now and then, or exactly when he is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.settle = Settle(DELAYS, max_paths=MAX_PATHS)
        self.now = 1000.0
        self.unanswered: dict[str, float] = {}
        """Path → when it was hinted at first, and not looked at since."""
        self.closed: dict[str, float] = {}
        """Path → when its writer was done at first, where that is the last that is known of it."""
        self.looked_at: dict[str, float] = {}
        self.ever = {""}

    @rule(path=PATHS, is_quiet=st.booleans())
    def hint(self, path: str, is_quiet: bool) -> None:
        """Something happens."""
        self.settle.hint(path, self.now, is_quiet=is_quiet)
        self._note(path)
        if len(self.settle) == 1 and len(self.unanswered) > 1:
            self.closed.clear()  # a flood: the root may have to wait longer
        elif is_quiet:
            self.closed.setdefault(path, self.now)
        else:
            self.closed.pop(path, None)

    @rule(is_quiet=st.booleans())
    def flood(self, is_quiet: bool) -> None:
        """More happens at once than can be remembered."""
        for path in ("x", "y", "z", "x/y", "x/z"):
            self.hint(path, is_quiet)

    @rule(path=PATHS)
    def defer(self, path: str) -> None:
        """Put off what a look found too young."""
        before = self.settle.next_at()
        self.settle.defer(path, self.now)
        self._note(path)
        if len(self.settle) == 1:
            self.closed.clear()
        else:
            assert before is None or self.settle.next_at() == min(before, self.now + DELAYS.quiet_seconds)

    @rule(seconds=PAUSES)
    def wait(self, seconds: float) -> None:
        """Time goes by, and nobody looks."""
        self.now += seconds

    @rule()
    def look(self) -> None:
        """Somebody looks, be it too early or too late."""
        expects_nothing = (self.settle.next_at() or inf) > self.now
        scopes = self.settle.due(self.now)

        assert expects_nothing == (not scopes)
        self._check(scopes)

    @rule()
    def look_in_time(self) -> None:
        """Somebody looks when the next path is due."""
        next_at = self.settle.next_at()
        if next_at is not None:
            self.now = max(self.now, next_at)
            self.look()

    @invariant()
    def memory_is_bounded(self) -> None:
        """No more paths wait than may."""
        assert len(self.settle) <= MAX_PATHS

    @invariant()
    def patience_ends(self) -> None:
        """Be due before anybody's patience ends."""
        if self.unanswered:
            next_at = self.settle.next_at()
            assert next_at is not None
            assert next_at <= min(self.unanswered.values()) + DELAYS.patience_seconds + ROUNDING

    def _note(self, path: str) -> None:
        self.ever.add(path)
        self.unanswered.setdefault(path, self.now)

    def _check(self, scopes: list[str]) -> None:
        assert not [(a, b) for a in scopes for b in scopes if a != b and covers(a, b)]
        assert self.ever.issuperset(scopes)
        for scope in scopes:
            waited = self.now - self.looked_at.get(scope, -inf)
            assert waited >= DELAYS.calm_seconds - ROUNDING, f"{scope!r} was looked at {waited} s ago"
            self.looked_at[scope] = self.now
        late = {path for path, at in self.unanswered.items() if at + DELAYS.patience_seconds <= self.now}
        late |= {path for path, at in self.closed.items() if at + DELAYS.calm_seconds + ROUNDING <= self.now}
        for known in (self.unanswered, self.closed):
            for path in [path for path in known if any(covers(scope, path) for scope in scopes)]:
                del known[path]
        assert not late & self.unanswered.keys()

    def teardown(self) -> None:
        """In the end every hint has been answered."""
        while self.settle.next_at() is not None:
            self.look_in_time()
        assert not self.unanswered


TestSettling = Settling.TestCase
