"""What a person can have a running daemon do; explain and events tell.

Each answers over the control socket, as the documented JSON of the verb of the same name.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from tcbsync.core.errors import ConfigError, StateError
from tcbsync.core.events import Approved, Paused, Resumed, Retried
from tcbsync.core.keys import normal
from tcbsync.daemon.flushing import Flushing
from tcbsync.daemon.forget import forget
from tcbsync.store import pauses, rows
from tcbsync.store.forgetting import Living

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from tcbsync.daemon.assemble import Assembly
    from tcbsync.daemon.events import Events
    from tcbsync.daemon.reload import Reload
    from tcbsync.engine.mirror import Mirror
    from tcbsync.store.report import Report

T = TypeVar("T")


class Verbs:
    """The verbs of one daemon. `report_of` gives the rows of a mirror, to be read."""

    def __init__(
        self, assembly: Assembly, events: Events, report_of: Callable[[Mirror], Report], reload: Reload | None
    ) -> None:
        self._assembly = assembly
        self._reload = reload
        self._events = events
        self._report_of = report_of
        self._pausing = asyncio.Lock()
        """Whoever reads and writes which mirrors are paused."""

    def handlers(self) -> dict[str, Any]:
        """Give what the control socket answers, by verb."""
        return {
            "retry": self._retry,
            "approve": self._approve,
            "distrust": self._distrust,
            "pause": self._pause,
            "resume": self._resume,
            "rescan": self._rescan,
            "flush": self._flush,
            "explain": self._explain,
            "events": self._follow,
            **({"reload": self._on_reload, "forget": self._forget} if self._reload else {}),
        }

    def _named(self, values: Mapping[str, Any]) -> list[Mirror]:
        """Give the mirror that was named, or all. Raises ConfigError."""
        name = values.get("mirror", "")
        mirrors = [mirror for mirror in self._assembly.mirrors if name in ("", mirror.name)]
        if not mirrors:
            raise ConfigError(
                f"the running daemon has no mirror {name}", hint="`tcbsync reload` makes it read the configuration"
            )
        return mirrors

    async def _on_reload(self, values: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
        assert self._reload is not None, "else there is no such verb"
        yield await self._reload.reload(dry_run=bool(values.get("dry_run")))

    async def _pause(self, values: Mapping[str, Any]) -> dict[str, Any]:
        names, now = [each.name for each in self._named(values)], self._assembly.pace.host.now()
        async with self._pausing:
            await asyncio.to_thread(pauses.pause, self._assembly.state_dir, names, now)
            return self._braked(values, now)

    async def _resume(self, values: Mapping[str, Any]) -> dict[str, Any]:
        names = [each.name for each in self._named(values)]
        async with self._pausing:
            await asyncio.to_thread(pauses.resume, self._assembly.state_dir, names)
            return self._braked(values, None)

    def _braked(self, values: Mapping[str, Any], since: float | None) -> dict[str, Any]:
        """Let the brakes do what is durable by now, and say of which mirrors it was not so before."""
        told = {}
        for mirror in self._named(values):  # anew: a reload may have put another in the place of one
            brake = mirror.parts.brake
            is_news = (brake.paused_at is None) != (since is None)
            if is_news:
                brake.pause(since)
                self._assembly.tell(Resumed() if since is None else Paused(), mirror.name)
            mirror.nudge()
            told[mirror.name] = {"was": is_news, "in_flight": len(mirror.parts.busy)}
        return told

    async def _retry(self, values: Mapping[str, Any]) -> dict[str, int]:
        return await self._let_go(rows.retry, Retried, values)

    async def _approve(self, values: Mapping[str, Any]) -> dict[str, int]:
        return await self._let_go(rows.approve, Approved, values, listing=str(values.get("listing", "")))

    async def _let_go(
        self, command: Callable[..., int], event: type[Approved | Retried], values: Mapping[str, Any], **arguments: str
    ) -> dict[str, int]:
        """Carry out a command that lets rows go on, look at everything again, and tell. Gives the rows by mirror."""
        counts = {}
        for mirror in self._named(values):
            counts[mirror.name] = count = await mirror.parts.manifest.write(command, **arguments)
            mirror.hint([("", True)])
            mirror.nudge()
            if count:
                self._events.tell(event(count), mirror.name)
        return counts

    async def _distrust(self, values: Mapping[str, Any]) -> dict[str, int]:
        (mirror,) = self._named(values)
        count = await mirror.parts.manifest.write(rows.distrust, values["paths"])
        mirror.nudge()
        return {mirror.name: count}

    async def _rescan(self, values: Mapping[str, Any]) -> dict[str, Any]:
        for mirror, scope in self._scopes(values):
            mirror.hint([(scope, True)])
        return {mirror.name: {"path": scope} for mirror, scope in self._scopes(values)}

    def _scopes(self, values: Mapping[str, Any]) -> list[tuple[Mirror, str]]:
        """Give the scopes that were named, each with its mirror. Raises ConfigError."""
        return [(self._named({"mirror": name})[0], scope) for name, scope in values["scopes"]]

    async def _flush(self, values: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
        seconds = float(values["seconds"]) if values.get("waits") else None
        works = [Flushing(mirror, self._report_of(mirror), scope) for mirror, scope in self._scopes(values)]
        try:
            async for told in Flushing.together(works, seconds):
                yield told
        finally:
            for work in works:
                work.close()

    async def _explain(self, values: Mapping[str, Any]) -> dict[str, Any]:
        (mirror,) = self._named(values)
        path, now = values["path"], asyncio.get_running_loop().time()
        gate = self._assembly.pace.closed(mirror.parts.target.env)
        return {
            "settles_for": mirror.settle.due_in(path, now),
            "is_busy": normal(path) in mirror.parts.busy,
            "is_looking": mirror.looks.is_looking,
            "has_scanned": mirror.looks.has_scanned,
            "root_problem": mirror.looks.root_problem,
            "paused_at": mirror.parts.brake.paused_at,
            "service": gate.state if gate else "ok",
            "service_error": gate.reason if gate else None,
        }

    async def _follow(self, values: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
        last = int(values.get("last", 0))
        if values.get("follow"):
            async for told in self._events.follow(last):
                yield told
        else:
            for told in self._events.newest(last):
                yield told

    def _forget(self, values: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
        assert self._reload is not None, "else there is no such verb"
        if self._reload.turn.locked():
            raise StateError("a reload, or another forget, is under way", hint="say it again in a moment")
        return newest(self._forgetting(values, self._reload))

    async def _forgetting(self, values: Mapping[str, Any], reload: Reload) -> AsyncIterator[dict[str, Any]]:
        former = Living(str(values["mirror"]), str(values["env"]), str(values["prefix"]))
        async with reload.turn:
            async for told in forget(self._assembly, reload.config, former, deletes=bool(values["deletes"])):
                yield told


async def newest(values: AsyncIterator[T]) -> AsyncIterator[T]:
    """Give what comes, to its end. Who reads slowly misses what is not the newest: nothing waits for him.

    When he hangs up, that which gives is cancelled.
    """
    kept: list[T] = []
    news = asyncio.Event()

    async def take() -> None:
        try:
            async for value in values:
                kept[:] = [value]
                news.set()
        finally:
            news.set()

    taking = asyncio.create_task(take())
    try:
        while kept or not taking.done():
            await news.wait()
            news.clear()
            if kept:
                yield kept.pop()
        await taking
    finally:
        taking.cancel()
        await asyncio.wait([taking])
