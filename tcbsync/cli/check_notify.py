"""The points of `check` about who is notified: whether their addresses can be had and reached, and take a message."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from tcbsync.cli.points import Point, wrong
from tcbsync.core.errors import CloudError, ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tcbsync.config.schema import Config
    from tcbsync.notify.post import Hook, Send

GONE = "errcode 93000"
HELP = "look at its address in the configuration, and at service.proxy; it is tried from this host, as this user"
UNREAD = "nobody is notified there until it can be had and a running daemon has read it, at `tcbsync reload`"
NEW_ROBOT = "add a robot to the group anew, and put its address into the configuration"


async def points(config: Config, *, is_offline: bool, sends: bool) -> AsyncIterator[Point]:
    """Check each webhook and the heartbeat. `sends`: a test message to each, and a beat; else nothing of the kind."""
    if not config.notify.webhooks and config.notify.heartbeat is None:
        if sends:
            yield wrong("notifications", "nobody is notified", "put webhooks into the configuration (notify.webhooks)")
        return
    from tcbsync.daemon.notifying import places  # noqa: PLC0415 - loads what most checks do not need
    from tcbsync.notify.post import origin, way_out  # noqa: PLC0415

    found = places(config)
    for problem in found.problems:
        yield wrong("notifications", problem, UNREAD)
    ca_file = None if config.service.ca_file is None else str(config.service.ca_file)
    try:
        way = way_out(config.service.proxy, ca_file, 1)
    except ConfigError:
        return  # the credentials' point tells of it
    try:
        for number, hook in enumerate(found.hooks, 1):
            what, place = f"webhook {number}", hook.origin
            if is_offline:
                yield _untried(what, place)
            else:
                yield await (_try(what, hook, way.open().send) if sends else _reach(what, place, way.open().send))
        if found.heartbeat is not None:
            url = found.heartbeat[0]
            if is_offline:
                yield _untried("heartbeat", origin(url))
            else:
                yield await (
                    _beat(url, way.open().send) if sends else _reach("heartbeat", origin(url), way.open().send)
                )
    finally:
        await way.close()


def _untried(what: str, place: str) -> Point:
    return Point(what, is_right=True, found=f"{place}; not tried (--offline)")


async def _reach(what: str, place: str, send: Send) -> Point:
    """See whether anything answers there, without its path, which is a key."""
    try:
        await send(what, "HEAD", f"{place}/")
    except CloudError as error:
        return wrong(what, error.args[0].removeprefix(f"{what}: "), HELP)
    return Point(what, is_right=True, found=f"{place} answers; --notify tries it")


async def _try(what: str, hook: Hook, send: Send) -> Point:
    from tcbsync.notify.post import post  # noqa: PLC0415 - see above
    from tcbsync.notify.transitions import Notice  # noqa: PLC0415

    now = time.time()
    if (failure := await post(send, hook, Notice("test", "test", "", now, now), socket.gethostname())) is None:
        return Point(what, is_right=True, found=f"{hook.origin} took a test message")
    advice = NEW_ROBOT if failure.reason.startswith(GONE) else HELP
    return wrong(what, f"{hook.origin} did not take a test message: {failure.reason}", advice)


async def _beat(url: str, send: Send) -> Point:
    from tcbsync.notify.post import attempt, origin  # noqa: PLC0415 - see above

    if (failure := await attempt(send, url, None)) is None:
        return Point("heartbeat", is_right=True, found=f"{origin(url)} has heard a beat")
    return wrong("heartbeat", f"{origin(url)} did not hear a beat: {failure.reason}", HELP)
