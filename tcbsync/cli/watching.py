"""`status --watch`: the status in place, every two seconds; a line for each change where there is no terminal."""

from __future__ import annotations

import asyncio
import sys
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tcbsync.cli.lines import Paper, laid
from tcbsync.cli.output import is_steerable, paper, say
from tcbsync.cli.telling import headline, status_lines, verdict_lines
from tcbsync.core.errors import StateError
from tcbsync.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

EACH_SECONDS = 2.0


async def watch(ask: Callable[[], Awaitable[dict[str, Any]]]) -> None:
    """Show what `ask` answers until Ctrl-C. A daemon that does not answer now may do so soon: that is shown too."""
    try:
        if is_steerable(sys.stdout):
            await _in_place(ask)
        else:
            await _by_lines(ask)
    except asyncio.CancelledError:
        return  # Ctrl-C is how one stops to watch


async def _in_place(ask: Callable[[], Awaitable[dict[str, Any]]]) -> None:
    from rich.console import Console  # noqa: PLC0415 - rich takes a while to import
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    with Live(console=Console(), auto_refresh=False, screen=False) as live:
        while True:
            text = "\n".join(await _seen(ask, paper()))
            live.update(Text.from_ansi(text), refresh=True)
            await asyncio.sleep(EACH_SECONDS)


async def _seen(ask: Callable[[], Awaitable[dict[str, Any]]], on: Paper) -> list[str]:
    try:
        return status_lines(await ask(), time.time(), on)
    except StateError as error:
        return verdict_lines(Verdict("wait", str(error.args[0]), error.hint), on)


async def _by_lines(ask: Callable[[], Awaitable[dict[str, Any]]]) -> None:
    said: list[str] = []
    while True:
        try:
            lines = [line for mirror in (await ask())["mirrors"] for line in laid(headline(mirror), Paper())]
        except StateError as error:
            lines = [str(error)]
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        say(*(f"{now} {line}" for line in lines if line not in said))
        sys.stdout.flush()
        said = lines
        await asyncio.sleep(EACH_SECONDS)
