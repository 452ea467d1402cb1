"""Many faults at once: each message that passes may be struck, anywhere, by anything, in several passes in a row.

Rule: what is struck is decided by the seed; the order in which messages pass is the machine's, so a seed says where to
look and not what happens. Left out: what only TLS excludes (see `beyond`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.wire.beyond import BEYOND
from tests.wire.cases import faults_at
from tests.wire.line import IMPATIENT, laid, listening
from tests.wire.messages import BEHIND
from tests.wire.proxy import FLIP, TWICE, TWICE_ANSWERED, WHOLE, Strike

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from tests.wire.line import Line
    from tests.wire.messages import Message

SHARE = 0.15
"""So many of the messages are struck."""
WHOLE_SHARE = 0.1
FILE_WEIGHT = 10
"""Bytes of the file are flipped so much more often: only the comparison of digests stands between them and a proof."""
PASSES = 4


@dataclass(slots=True)
class Storm:
    """Strikes by chance."""

    dice: random.Random
    struck: list[str] = field(default_factory=list)

    def choose(self, message: Message, call: str) -> Strike | None:
        """Say what is to be done to this message, if anything."""
        if self.dice.random() >= SHARE:
            return None
        if message.span(BEHIND) and self.dice.random() < WHOLE_SHARE:
            strike = Strike(call, WHOLE, self.dice.choice((TWICE, TWICE_ANSWERED)))
        else:
            names = [span.name for span in message.spans]
            names += FILE_WEIGHT * [name for name in names if name.startswith("file: ")]
            where = self.dice.choice(names)
            faults = (FLIP,) if where.startswith("file: ") else faults_at(where)
            strike = Strike(call, where, self.dice.choice(faults))
        if (strike.call, strike.where, strike.fault) in BEYOND:
            return None
        self.struck.append(f"{strike.call} · {strike.where} · {strike.fault}")
        return strike


async def weather(dice: random.Random, folder: Path) -> tuple[list[str], list[str]]:
    """Pass through a storm some times, then once in the calm. Gives what did not hold, and what was struck."""
    storm = Storm(dice)
    with listening() as texts:
        async with laid(folder) as line:
            complaints = [each for _ in range(PASSES) for each in await _pass(line, storm)]
            complaints += await _calm(line)
            complaints += line.told(texts)
    complaints += [text for text in texts if "defect of this program" in text]
    return sorted(set(complaints)), storm.struck


async def _pass(line: Line, storm: Storm) -> list[str]:
    line.change(storm.dice.choice(("", "upload large", "upload empty")))
    line.proxy.arm(storm)
    try:
        await line.sync(**IMPATIENT)
    except TimeoutError:
        return ["it hangs"]
    line.close_books()
    await line.proxy.hang_up()
    return list(line.complaints())


async def _calm(line: Line) -> list[str]:
    """Let everything be tried again, twice: what waits for an upload is deleted after it."""
    if line.parked():
        await line.retry()
    for _ in range(2):
        await line.sync()
        line.close_books()
    return [f"in the calm: {each}" for each in (*line.complaints(), *line.differences())]
