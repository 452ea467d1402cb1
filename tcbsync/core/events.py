"""What happens, as a list that scripts, logs and notifications may depend on: each event's name, fields and meaning.

An event is told when it is over and durable: `uploaded` comes after the proof is written, not before. The name is the
class in lower case, a field keeps its name and kind for ever; new events and new fields may come, and who reads them
passes over what he does not know. When, and to which mirror, is for the teller; the log's words: `core.sentences`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, ClassVar, NamedTuple, get_args


class Level(IntEnum):
    """How much an event, or a line of the log, matters. The numbers are those of Python's `logging`.

    ERROR: it waits for a person. WARNING: it is expected to heal by itself, and wants a look if it does not. NOTICE: a
    person has done something, trouble is over, the daemon starts or ends. INFO: how things stand. DEBUG: each file.
    """

    DEBUG = 10
    INFO = 20
    NOTICE = 25
    WARNING = 30
    ERROR = 40


@dataclass(frozen=True, slots=True)
class Started:
    """The daemon watches; the first look at the whole tree begins."""

    level: ClassVar[Level] = Level.NOTICE
    mirrors: list[str]


@dataclass(frozen=True, slots=True)
class Stopping:
    """The daemon ends; what is in flight gets a few seconds."""

    level: ClassVar[Level] = Level.NOTICE


@dataclass(frozen=True, slots=True)
class StateChanged:
    """A mirror's state, in the words of `status`, is another than `before`. `reason`: what stands in the way, if so."""

    level: ClassVar[Level] = Level.DEBUG
    state: str
    before: str
    reason: str


@dataclass(frozen=True, slots=True)
class ServiceChanged:
    """The service, or what `env` names of it, is in another state (`part`), or blocked for another `reason`.

    `state` and `before` are those of the service as a whole, in the words of `status`. No mirror: it concerns several.
    """

    level: ClassVar[Level] = Level.WARNING
    state: str
    before: str
    reason: str
    env: str
    part: str
    part_before: str


@dataclass(frozen=True, slots=True)
class Uploaded:
    """The cloud has proved that it holds these bytes. `size` in bytes, `md5` in hex."""

    level: ClassVar[Level] = Level.DEBUG
    path: str
    size: int
    md5: str


@dataclass(frozen=True, slots=True)
class Deleted:
    """The cloud has confirmed that there is no object of this path any more."""

    level: ClassVar[Level] = Level.DEBUG
    path: str


@dataclass(frozen=True, slots=True)
class Failed:
    """One file's upload or delete (`action`) did not succeed. `is_parked`: it is not tried again until someone acts.

    The log has a line when a file begins to fail and one (ERROR) when it is parked; `tcbsync failed` has every one.
    """

    level: ClassVar[Level] = Level.WARNING
    path: str
    action: str
    code: str
    reason: str
    is_parked: bool


@dataclass(frozen=True, slots=True)
class Recovered:
    """A file that had failed (see `failed`) is in the cloud now, or gone from it (`action`): that trouble is over."""

    level: ClassVar[Level] = Level.NOTICE
    path: str
    action: str


@dataclass(frozen=True, slots=True)
class Rested:
    """A mirror has nothing more to do now; what it did since this was last told, in so many seconds.

    `state`: in the words of `status`. `failed`: so many files are in trouble still. Told at most every five minutes,
    after trouble, and when the daemon ends: it stands for all that was done until then.
    """

    level: ClassVar[Level] = Level.INFO
    state: str
    uploads: int
    bytes: int
    deletes: int
    failed: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Held:
    """Deletes wait: for a person, or for a root or a volume to come back. `is_approvable`: a person may let them go."""

    level: ClassVar[Level] = Level.ERROR
    reason: str
    is_approvable: bool = True


@dataclass(frozen=True, slots=True)
class Released:
    """What deletes waited for is over: the root or the volume is back, or nothing is left to hold."""

    level: ClassVar[Level] = Level.NOTICE
    reason: str


@dataclass(frozen=True, slots=True)
class Approved:
    """A person has let held deletes go."""

    level: ClassVar[Level] = Level.NOTICE
    deletes: int


@dataclass(frozen=True, slots=True)
class Retried:
    """A person has had failed files tried again."""

    level: ClassVar[Level] = Level.NOTICE
    files: int


@dataclass(frozen=True, slots=True)
class Paused:
    """A person has stopped uploads and deletes of a mirror, until they are resumed."""

    level: ClassVar[Level] = Level.NOTICE


@dataclass(frozen=True, slots=True)
class Resumed:
    """Uploads and deletes of a mirror go on."""

    level: ClassVar[Level] = Level.NOTICE


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The configuration was read again and applied. `changes`: sentences; none where nothing was different."""

    level: ClassVar[Level] = Level.NOTICE
    changes: list[str]


@dataclass(frozen=True, slots=True)
class ReloadRefused:
    """The configuration was read again and is wrong: the daemon goes on with the one before it."""

    level: ClassVar[Level] = Level.ERROR
    reason: str


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Rows of a mirror that is not in the configuration any more were given up, with (`deleted`) or without objects."""

    level: ClassVar[Level] = Level.NOTICE
    env: str
    prefix: str
    rows: int
    deleted: int


@dataclass(frozen=True, slots=True)
class WatchingChanged:
    """How a mirror's folder is watched, in the words of `watch_mode`, is another. `reason`: why not all by events."""

    level: ClassVar[Level] = Level.WARNING
    mode: str
    reason: str


@dataclass(frozen=True, slots=True)
class Drifted:
    """A rescan has found so many changes that nobody had told of; they are mirrored like all others."""

    level: ClassVar[Level] = Level.WARNING
    changes: int


@dataclass(frozen=True, slots=True)
class LeftOut:
    """In the log alone: so many lines of one kind were left out in the last seconds. `last`: how the newest one read.

    `kind`: the name of an event, or `log`. It has the level of what it stands for.
    """

    level: ClassVar[Level] = Level.WARNING
    kind: str
    lines: int
    seconds: int
    last: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """So many events were not told to this reader, who was too slow."""

    level: ClassVar[Level] = Level.DEBUG
    events: int


Event = (
    Started
    | Stopping
    | StateChanged
    | ServiceChanged
    | Uploaded
    | Deleted
    | Failed
    | Recovered
    | Rested
    | Held
    | Released
    | Approved
    | Retried
    | Paused
    | Resumed
    | Reloaded
    | ReloadRefused
    | Forgotten
    | WatchingChanged
    | Drifted
    | LeftOut
    | Dropped
)
KINDS: tuple[type[Event], ...] = get_args(Event)


class Documented(NamedTuple):
    """What is promised of an event: its name, its usual level, its own fields with their types, what it means."""

    name: str
    level: str
    fields: dict[str, str]
    meaning: str


def name_of(kind: type) -> str:
    """Say how an event is called where it is read."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


def documented(kind: type[Event]) -> Documented:
    """Document an event, from nothing but its class."""
    own = {field.name: str(field.type) for field in fields(kind)}
    return Documented(name_of(kind), kind.level.name.lower(), own, " ".join((kind.__doc__ or "").split()))


_NAMES = {kind: (name_of(kind), tuple(field.name for field in fields(kind))) for kind in KINDS}


def described(event: Event, mirror: str = "") -> dict[str, Any]:
    """Give an event as JSON has it: `event`, `mirror` (null: none, or all of them), then its own fields."""
    name, own = _NAMES[type(event)]
    return {"event": name, "mirror": mirror or None, **{field: getattr(event, field) for field in own}}


def silent(_event: Event) -> None:
    """Tell nobody."""
