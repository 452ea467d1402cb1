"""What is different between two configurations, in words and by key. Pure.

No value is shown that may be a secret: of the credentials, of the proxy, and of webhooks, only the keys.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tcbsync.config.schema import Config


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is different. `what`: a mirror's name, `state_dir`, or a section such as `service`."""

    what: str
    kind: str
    """added, removed or changed."""
    keys: tuple[str, ...] = ()
    words: str = ""

    def __str__(self) -> str:
        return f"{self.what}: {self.kind}{f' ({self.words})' if self.words else ''}"


def changes(old: Config, new: Config) -> list[Change]:
    """Give what is different in `new`: mirrors that go, come and change, in this order, then all else."""
    before = {mirror.name: mirror for mirror in old.mirrors}
    after = {mirror.name: mirror for mirror in new.mirrors}
    found = [Change(f"mirror {name}", "removed", words=_left(name)) for name in before if name not in after]
    found += [
        Change(f"mirror {name}", "added", words=f"{mirror.root} to {mirror.env}/{mirror.prefix}")
        for name, mirror in after.items()
        if name not in before
    ]
    for name, mirror in after.items():
        if name in before and before[name] != mirror:
            change = _changed(f"mirror {name}", before[name], mirror)
            is_moved = (before[name].env, before[name].prefix) != (mirror.env, mirror.prefix)
            words = f"{change.words}; at the old place {_left(name)}" if is_moved else change.words
            found.append(dataclasses.replace(change, words=words))
    for section in ("service", "credentials", "notify"):
        if getattr(old, section) != getattr(new, section):
            found.append(_changed(section, getattr(old, section), getattr(new, section)))
    if old.web != new.web:
        found.append(Change("web", "changed", ("web",), "the page is served so after the next start"))
    if old.state_dir != new.state_dir:
        found.append(Change("state_dir", "changed", ("state_dir",), f"{old.state_dir} → {new.state_dir}"))
    return found


def _left(name: str) -> str:
    return f"its objects stay in the cloud: `tcbsync forget {name}` gives them up"


def _changed(what: str, old: Any, new: Any) -> Change:
    fields = [field for field in dataclasses.fields(old) if getattr(old, field.name) != getattr(new, field.name)]
    words = [
        f"{field.name} {_short(getattr(old, field.name))} → {_short(getattr(new, field.name))}"
        if field.repr and what != "credentials"
        else field.name
        for field in fields
    ]
    return Change(what, "changed", tuple(field.name for field in fields), ", ".join(words))


def _short(value: Any) -> str:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _short(dataclasses.asdict(value))
    if isinstance(value, Mapping):
        inner = ", ".join(f"{name}: {_short(each)}" for name, each in value.items())
        return f"{{{inner}}}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return "null" if value is None else str(value)
