"""What happens, as a list that scripts, logs and notifications may depend on: each event's name, fields and meaning.

An event is told when it is over and durable: `uploaded` comes after the proof is written, not before. The name is the
class in lower case, a field keeps its name and kind for ever; new events and new fields may come, and who reads them
passes over what he does not know. When it happened, and to which mirror, is the teller's business.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, get_args


@dataclass(frozen=True, slots=True)
class Started:
    """The daemon watches; the first look at the whole tree begins."""

    mirrors: list[str]


@dataclass(frozen=True, slots=True)
class Stopping:
    """The daemon ends; what is in flight gets a few seconds."""


@dataclass(frozen=True, slots=True)
class StateChanged:
    """A mirror's state, in the words of `status`, is another than `before`. `reason`: what stands in the way, if so."""

    state: str
    before: str
    reason: str


@dataclass(frozen=True, slots=True)
class ServiceChanged:
    """The service's state, in the words of `status`, is another than `before`. No mirror: it concerns all."""

    state: str
    before: str
    reason: str


@dataclass(frozen=True, slots=True)
class Uploaded:
    """The cloud has proved that it holds these bytes. `size` in bytes, `md5` in hex."""

    path: str
    size: int
    md5: str


@dataclass(frozen=True, slots=True)
class Deleted:
    """The cloud has confirmed that there is no object of this path any more."""

    path: str


@dataclass(frozen=True, slots=True)
class Failed:
    """One file's upload or delete (`action`) did not succeed. `is_parked`: it is not tried again until someone acts."""

    path: str
    action: str
    code: str
    reason: str
    is_parked: bool


@dataclass(frozen=True, slots=True)
class Held:
    """Deletes wait: for a person, or for a root or a volume to come back."""

    reason: str


@dataclass(frozen=True, slots=True)
class Released:
    """What deletes waited for is over: the root or the volume is back, or nothing is left to hold."""

    reason: str


@dataclass(frozen=True, slots=True)
class Approved:
    """A person has let held deletes go."""

    deletes: int


@dataclass(frozen=True, slots=True)
class Retried:
    """A person has had failed files tried again."""

    files: int


@dataclass(frozen=True, slots=True)
class Paused:
    """A person has stopped uploads and deletes of a mirror, until they are resumed."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """Uploads and deletes of a mirror go on."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The configuration was read again and applied. `changes`: sentences; none where nothing was different."""

    changes: list[str]


@dataclass(frozen=True, slots=True)
class ReloadRefused:
    """The configuration was read again and is wrong: the daemon goes on with the one before it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Rows of a mirror that is not in the configuration any more were given up, with (`deleted`) or without objects."""

    env: str
    prefix: str
    rows: int
    deleted: int


@dataclass(frozen=True, slots=True)
class Dropped:
    """So many events were not told to this reader, who was too slow."""

    events: int


Event = (
    Started
    | Stopping
    | StateChanged
    | ServiceChanged
    | Uploaded
    | Deleted
    | Failed
    | Held
    | Released
    | Approved
    | Retried
    | Paused
    | Resumed
    | Reloaded
    | ReloadRefused
    | Forgotten
    | Dropped
)
KINDS: tuple[type, ...] = get_args(Event)


def name_of(kind: type) -> str:
    """Say how an event is called where it is read."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


def described(event: Event, mirror: str = "") -> dict[str, Any]:
    """Give an event as JSON has it: `event`, `mirror` (null: none, or all of them), then its own fields."""
    return {"event": name_of(type(event)), "mirror": mirror or None, **asdict(event)}


def silent(_event: Event) -> None:
    """Tell nobody."""
