"""How the log says an event: in which sentence, at which level, and which of them it need not say again. Pure.

The rule: one line per state change, none per retry. A file that fails is told of when it begins to fail, when it is
parked, and when that is over; whatever lies between is for `tcbsync failed`. Work is summed up when a mirror rests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tcbsync.core.events import (
    Approved,
    Deleted,
    Drifted,
    Dropped,
    Failed,
    Forgotten,
    Held,
    LeftOut,
    Level,
    Paused,
    Recovered,
    Released,
    Reloaded,
    ReloadRefused,
    Rested,
    Resumed,
    Retried,
    ServiceChanged,
    Started,
    StateChanged,
    Stopping,
    Uploaded,
    WatchingChanged,
)
from tcbsync.core.words import plural, size, span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tcbsync.core.events import Event

TROUBLES = 10_000
"""So many failing files are remembered. What fails beyond that is a line each time, and the log cuts those short."""
BEGINNINGS = ("stopped", "starting", "scanning")
"""States in which a mirror is before it was looked at as a whole."""


def level_of(event: Event) -> Level:
    """Say how much an event matters, by the rule of `Level`."""
    match event:
        case Failed(is_parked=True) | ServiceChanged(state="blocked" | "full"):
            return Level.ERROR
        case ServiceChanged(state="ok"):
            return Level.NOTICE
        case StateChanged(state="held" | "paused", before=before) if before in BEGINNINGS:
            return Level.NOTICE  # it was so before the start, and no other event tells of it
        case WatchingChanged(mode="waiting"):
            return Level.DEBUG  # the folder is not there: `held` says so
        case WatchingChanged(reason=""):
            return Level.INFO
    return event.level


def sentence(event: Event, mirror: str = "") -> str:
    """Say an event in a sentence for people, which begins with the name of its mirror."""
    words = _WORDS[type(event)](event)
    return f"{mirror}: {words}" if mirror else words


class Troubles:
    """Which files are failing, so that the log tells of each once. Forgotten at the end of the process."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str, str], bool] = {}
        """By mirror, action and path: whether there is a line for it; a person's `retry` wants another."""

    def __len__(self) -> int:
        return len(self._told)

    def __repr__(self) -> str:
        return f"<Troubles {len(self)} files fail>"

    def judge(self, event: Event, mirror: str) -> Iterator[tuple[Event, Level]]:
        """Give an event with its level, lower where a line was written already, and behind it what it brings about."""
        level = level_of(event)
        match event:
            case Failed(path, action):
                level = self._again(mirror, action, path, level)
            case Retried():
                self._told = {key: key[0] != mirror and was_told for key, was_told in self._told.items()}
            case Rested(failed=0):
                self._told = {key: was_told for key, was_told in self._told.items() if key[0] != mirror}
        yield event, level
        if self._told and isinstance(event, Uploaded | Deleted):
            action = "upload" if isinstance(event, Uploaded) else "delete"
            if self._told.pop((mirror, action, event.path), False):
                recovered = Recovered(event.path, action)
                yield recovered, level_of(recovered)

    def _again(self, mirror: str, action: str, path: str, level: Level) -> Level:
        key = (mirror, action, path)
        was_told = self._told.get(key, False)
        if key in self._told or len(self._told) < TROUBLES:
            self._told[key] = True
        return Level.DEBUG if was_told and level < Level.ERROR else level


def _service(event: ServiceChanged) -> str:
    if event.state == "ok":
        return f"service ok again, after {event.before}"
    return f"service {event.state}: {event.reason}"


def _failed(event: Failed) -> str:
    words = event.reason if event.action == "upload" else f"could not be deleted: {event.reason}"
    waits = f"{words.removesuffix('.')}; it waits for `tcbsync retry`"
    return f"{event.path}: {waits if event.is_parked else words}"


def _rested(event: Rested) -> str:
    done = []
    if event.uploads:
        done.append(f"{event.uploads:,} uploaded ({size(event.bytes)})")
    if event.deletes:
        done.append(f"{event.deletes:,} deleted")
    what = f"{', '.join(done)} in {span(max(1.0, event.seconds))}" if done else "nothing was to be done"
    left = f"; {plural(event.failed, 'file')} failed: `tcbsync failed` says why" if event.failed else ""
    return f"{event.state.replace('_', ' ')}: {what}{left}"


def _held(event: Held) -> str:
    if not event.is_approvable:
        return f"held: {event.reason}"
    return f"deletes are held: {event.reason}; `tcbsync held` lists them, `tcbsync approve` lets them go"


def _left_out(event: LeftOut) -> str:
    time = "minute" if 55 <= event.seconds <= 65 else span(event.seconds)
    where = "; `tcbsync failed` lists the files" if event.kind == "failed" else ""
    return f"\u2026 and {event.lines:,} more of this kind in the last {time}, the last of them: {event.last}{where}"


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""


def _forgotten(event: Forgotten) -> str:
    objects = f"{plural(event.deleted, 'object')} deleted" if event.deleted else "no object deleted"
    return f"forgotten: {plural(event.rows, 'row')} of {event.env}/{event.prefix}, {objects}"


_WORDS: dict[type, Callable[[Any], str]] = {
    Started: lambda event: f"started: {', '.join(event.mirrors)}",
    Stopping: lambda _: "stopping: what is in flight gets a few seconds",
    StateChanged: lambda event: f"{event.state}, was {event.before}{_because(event.reason)}",
    ServiceChanged: _service,
    Uploaded: lambda event: f"{event.path}: uploaded, {size(event.size)}",
    Deleted: lambda event: f"{event.path}: deleted",
    Failed: _failed,
    Recovered: lambda event: f"{event.path}: {'uploaded' if event.action == 'upload' else 'deleted'} after all",
    Rested: _rested,
    Held: _held,
    Released: lambda event: f"deletes are held no longer: {event.reason}",
    Approved: lambda event: f"{plural(event.deletes, 'held delete')} approved by hand",
    Retried: lambda event: f"{plural(event.files, 'failed file')} tried again by hand",
    Paused: lambda _: "paused by hand; `tcbsync resume` lets it go on",
    Resumed: lambda _: "goes on, resumed by hand",
    Reloaded: lambda event: f"the configuration was reloaded: {'; '.join(event.changes) or 'nothing is different'}",
    ReloadRefused: lambda event: f"the configuration is not reloaded, the one before stays in force: {event.reason}",
    Forgotten: _forgotten,
    WatchingChanged: lambda event: f"watching ({event.mode}){_because(event.reason)}",
    Drifted: lambda event: f"the rescan found {plural(event.changes, 'change')} that no event had told of",
    LeftOut: _left_out,
    Dropped: lambda event: f"{plural(event.events, 'event')} not told: the reader was too slow",
}
