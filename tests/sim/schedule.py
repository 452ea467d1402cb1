"""Schedules: what happens, when, as a list of values made from a seed. Any part of one is a schedule too.

Trees overlap on purpose: a dozen names, a handful of sizes, so that files replace, follow and resemble one another.
"""

from __future__ import annotations

import errno
import stat
from random import Random
from typing import Any, NamedTuple

from tests.sim.disk import COARSE, FINE, TICK

PATHS = ("1", "2", "3", "a/1", "a/2", "a/c/1", "b/1", "b/2", "b/c/2", "k", "k/1", "p.psd", "caf\u00e9", "a/\u00e9")
ODD = ("cafe\u0301", "a/e\u0301", "d\u00e9/1", "de\u0301/1", "bad\\name", "bad\x19", "bad\udcff", "a/x.tmp")
TREES = ("a", "b", "k", "n", "a/c", "b/c")
RULES = ("", "*.psd", "a/", "/b/1", "k\n*.psd", "c/", "2")
SIZES = (0, 1, 7, 7, 7, 40, 150)


FILE_VERBS = {
    "write": 20, "slow": 4, "save": 5, "replace": 4, "rewrite": 4, "scribble": 3, "truncate": 2, "touch": 2,
    "torn": 6, "shunned": 2, "delete": 14, "rename": 10, "exchange": 3, "link": 2, "make": 5, "plant": 4, "tree": 6,
    "rules": 2, "empty": 1,
}  # fmt: skip
"""What happens to files, and how often."""


class Step(NamedTuple):
    """One thing that happens: so many seconds after the phase began."""

    at: float
    verb: str
    values: tuple[Any, ...]
    amid: int = 0
    """For the disk: not at that moment, but just before the so many-th system call of the program after it."""


class Settings(NamedTuple):
    """What holds for a whole schedule."""

    tick_ns: int = FINE
    renames_stamp: bool = True
    max_deletes: int | None = 5
    max_percent: float | None = 50.0
    grace: float = 3.0
    rescan: float = 120.0
    blind_rescan: float = 60.0
    deletes: bool = True
    blind: tuple[str, ...] = ()
    shortest_read: int = 0


class Schedule(NamedTuple):
    """Phases of trouble; after each one everything calms down, and what should be is checked."""

    seed: int
    settings: Settings
    phases: tuple[tuple[Step, ...], ...]

    @property
    def size(self) -> int:
        """How many steps there are."""
        return sum(map(len, self.phases))

    def __str__(self) -> str:
        plain = Settings()._asdict()
        unusual = {name: value for name, value in self.settings._asdict().items() if value != plain[name]}
        lines = [f"seed {self.seed}, {', '.join(f'{name}={value}' for name, value in unusual.items()) or 'plain'}"]
        for number, phase in enumerate(self.phases, 1):
            lines.append(f"  phase {number}")
            for step in phase:
                values = ", ".join(_short(value) for value in step.values)
                amid = f"   (before system call {step.amid})" if step.amid else ""
                lines.append(f"    {step.at:9.3f} s  {step.verb}({values}){amid}")
        return "\n".join(lines)


def generate(seed: int) -> Schedule:
    """Make the schedule of a seed."""
    return _Maker(seed).schedule()


def burst(seed: int, files: int) -> Schedule:
    """Make a schedule of many files at once, with a kill in between."""
    plain = generate(seed).settings._replace(max_deletes=None, max_percent=None, rescan=600.0, blind=())
    steps = (
        Step(0.1, "plant", ("big", {f"{number:05}": b"%d" % number for number in range(files)})),
        Step(20.0, "crash", ("any", 40, 1.0)),
        Step(30.0, "delete", ("big/00007",)),
        Step(31.0, "rename", ("big", "n")),
    )
    return Schedule(seed, plain, (steps,))


class _Maker:
    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._dice = Random(seed)
        self._number = 0

    def schedule(self) -> Schedule:
        settings = self._settings()
        phases = [self._phase() for _ in range(self._dice.choice((1, 1, 1, 2, 2, 3)))]
        if self._dice.random() < 0.8:
            phases.insert(
                0,
                tuple(
                    Step(0.0, "write", (path, self._content()))
                    for path in PATHS
                    if path != "k" and self._dice.random() < 0.7
                ),
            )
        return Schedule(self._seed, settings, tuple(phases))

    def _settings(self) -> Settings:
        choice = self._dice.choice
        return Settings(
            tick_ns=choice((FINE, FINE, TICK, TICK, COARSE)),
            renames_stamp=choice((True, True, False)),
            max_deletes=choice((None, 2, 5, 1000)),
            max_percent=choice((None, 50.0, 50.0)),
            grace=choice((0.0, 3.0, 3.0)),
            rescan=choice((60.0, 120.0, 120.0, 300.0, 3600.0)),
            deletes=self._dice.random() < 0.93,
            blind=choice(((), (), (), (), (), ("b",))),
            shortest_read=choice((0, 0, 0, 3, 64)),
        )

    def _phase(self) -> tuple[Step, ...]:
        dice = self._dice
        span = dice.choice((1.0, 5.0, 20.0, 60.0))
        moments = [dice.uniform(0.0, span) for _ in range(dice.randint(1, 4))]
        steps: list[Step] = []
        for _ in range(dice.randint(2, 12)):
            at = max(0.0, dice.choice(moments) + dice.choice((0.0, 0.01, 0.3, 3.0)) * dice.random())
            steps += self._file_steps(at) if dice.random() < 0.75 else self._trouble(at)
        for _ in range(dice.choice((0, 0, 1, 1, 2))):
            steps += self._end(dice.choice(moments) + dice.uniform(0.0, 5.0))
        for _ in range(dice.choice((0, 0, 1, 3))):
            steps += self._trouble(dice.uniform(0.0, span))
        for _ in range(dice.choice((0, 1, 1, 3))):
            at = dice.choice(moments) + dice.choice((0.0, 0.02, 0.2, 3.0)) * dice.random()
            steps.append(Step(at, "flush", (dice.choice(("", "", "a", "b", *PATHS)),)))
        return tuple(sorted(steps, key=lambda step: step.at))

    def _path(self) -> str:
        return self._dice.choice(PATHS) if self._dice.random() < 0.93 else self._dice.choice(ODD)

    def _content(self) -> bytes:
        self._number += 1
        size = self._dice.choice(SIZES)
        number = self._number if self._dice.random() < 0.8 else self._dice.randint(1, 3)
        return (b"%d." % number * size)[:size]

    def _file_steps(self, at: float) -> list[Step]:
        dice = self._dice
        amid = dice.randint(1, 12) if dice.random() < 0.12 else 0
        (verb,) = dice.choices(list(FILE_VERBS), list(FILE_VERBS.values()))
        special = getattr(self, f"_{verb}", None)
        if special is not None:
            steps: list[Step] = special(at, amid)
            return steps
        return [Step(at, verb, self._values(verb), amid)]

    def _replace(self, at: float, _: int) -> list[Step]:
        path = self._path()
        gap = self._dice.choice((0.0, 0.005, 1.0, 4.0))
        return [Step(at, "delete", (path,)), Step(at + gap, "write", (path, self._content()))]

    def _torn(self, at: float, _: int) -> list[Step]:
        """Change a file again just when it is read, or just after, within the same tick of a coarse clock."""
        dice, path = self._dice, self._path()
        again = at + dice.choice((0.01, 0.02, 0.1, 0.4, 1.2, 2.02))
        verb = dice.choice(("rewrite", "scribble", "scribble"))
        amid = dice.randint(1, 25) if dice.random() < 0.7 else 0
        return [Step(at, "write", (path, self._content())), Step(again, verb, (path, dice.randint(1, 250)), amid)]

    def _shunned(self, at: float, _: int) -> list[Step]:
        """Ignore a file just when it is sent."""
        again = at + self._dice.choice((0.01, 0.03, 0.1, 0.3, 2.0)) * self._dice.random()
        return [Step(at, "write", ("p.psd", self._content())), Step(again, "write", (".tcbignore", b"*.psd"))]

    def _tree(self, at: float, amid: int) -> list[Step]:
        old, new = self._dice.sample(TREES, 2)
        return [Step(at, self._dice.choice(("rename", "rename", "exchange")), (old, new), amid)]

    def _delete(self, at: float, amid: int) -> list[Step]:
        path = self._dice.choice(TREES) if self._dice.random() < 0.2 else self._path()
        return [Step(at, "delete", (path,), amid)]

    def _make(self, at: float, amid: int) -> list[Step]:
        kind = self._dice.choice((stat.S_IFDIR, stat.S_IFLNK, stat.S_IFLNK, stat.S_IFIFO))
        target = self._dice.choice((b"/srv/assets/a", b"/srv/other/1", b"/srv/assets/1"))
        path = self._dice.choice((*TREES, self._path()))
        return [Step(at, "delete", (path,), amid), Step(at + 0.001, "make", (path, kind, target), amid)]

    def _plant(self, at: float, amid: int) -> list[Step]:
        files = {str(number): self._content() for number in range(self._dice.randint(1, 4))}
        return [Step(at, "plant", (self._dice.choice(TREES), files), amid)]

    def _rules(self, at: float, _: int) -> list[Step]:
        return [Step(at, "write", (".tcbignore", self._dice.choice(RULES).encode()))]

    def _empty(self, at: float, _: int) -> list[Step]:
        return [Step(at, "empty", ())]

    def _slow(self, at: float, _: int) -> list[Step]:
        path, content = self._path(), self._content() + b"-"
        cuts = sorted(self._dice.randint(0, len(content)) for _ in range(self._dice.randint(0, 3)))
        pieces = [content[start:end] for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True)]
        steps = [Step(at, "begin", (path, pieces[0]))]
        for piece in pieces[1:]:
            at += self._dice.choice((0.001, 0.05, 1.0, 2.5))
            steps.append(Step(at, "append", (path, piece)))
        return [*steps, Step(at + 0.001, "close", (path,))]

    def _values(self, verb: str) -> tuple[Any, ...]:
        match verb:
            case "write" | "save":
                return (self._path(), self._content())
            case "rewrite" | "scribble":
                return (self._path(), self._dice.randint(1, 250))
            case "truncate":
                return (self._path(), self._dice.choice((0, 1, 3)))
            case "touch":
                return (self._path(),)
        return (self._path(), self._path())

    def _trouble(self, at: float) -> list[Step]:
        dice = self._dice
        kind = dice.choice(("cloud", "cloud", "cloud", "cloud", "disk", "mount", "watch", "wide", "person", "clock"))
        if kind in ("cloud", "wide"):
            return [self._cloud_trouble(at) if kind == "cloud" else self._wide_trouble(at)]
        if kind == "disk":
            path = dice.choice((*PATHS, *TREES, "", ".tcbignore"))
            calls = dice.choice(("stat", "list", "open", "read", "open search", "search stat open list"))
            number = dice.choice((errno.EIO, errno.EACCES))
            return [Step(at, "trouble", (path, calls, number, dice.choice((0.5, 5.0, 70.0))))]
        if kind == "mount":
            what = dice.choice(("bare", "missing", "foreign"))
            return [Step(at, "mount", (what,)), Step(at + dice.choice((0.1, 2.0, 9.0, 100.0)), "mount", ("home",))]
        if kind == "watch":
            return [Step(at, dice.choice(("lose", "lag")), (dice.choice((0.5, 3.0, 20.0)),))]
        if kind == "person":
            verb = dice.choice(("approve", "retry", "pause"))
            return [Step(at, verb, (dice.choice((0.3, 5.0, 40.0)),) if verb == "pause" else ())]
        return [Step(at, "jump", (dice.uniform(-1, 1) * dice.choice((0.05, 3.0, 900.0)),))]

    def _cloud_trouble(self, at: float) -> Step:
        operation = self._dice.choice(("link", "send", "send", "delete", "delete", "any"))
        names = ["busy", "system", "token", "lost", "reply lost", "unknown"]
        if operation == "send":
            names += ["cut", "wrong ETag", "no MD5", "env", "refused"]
        elif operation == "delete":
            names += ["partly", "left out"] * 2
        else:
            names += ["minute", "full", "env", "refused", "day"]
        return Step(at, "fault", (self._dice.choice(names), operation, self._dice.choice((1, 1, 2, 5, 12))))

    def _wide_trouble(self, at: float) -> Step:
        dice = self._dice
        verb = dice.choice(("outage", "outage", "stall", "slowness"))
        seconds = dice.choice((3.0, 30.0, 100.0))
        is_long = verb == "outage" and dice.random() < 0.06
        return Step(at, verb, (4 * 3600.0 if is_long else seconds,))

    def _end(self, at: float) -> list[Step]:
        dice = self._dice
        down = dice.choice((0.0, 0.0, 0.5, 30.0))
        if dice.random() < 0.2:
            return [Step(at, "stop", (down, dice.random() < 0.2))]
        points = ("any", "commit", "committed", "call", "amid", "done", "answered", "work", "waited")
        return [Step(at, "crash", (dice.choice(points), dice.randint(0, 6), down))]


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 60 else f"{text[:50]}… {len(text)}"
