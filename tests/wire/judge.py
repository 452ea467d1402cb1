"""Plays one case after the other on a line, and says what of the promises did not hold.

Rule: a case is judged twice, directly after the pass in which the fault struck, before anything can heal, and after a
healthy pass. Refusal: a case whose fault never struck is no case, and fails.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tcbsync.core.errors import CloudError
from tests.wire.beyond import BEYOND
from tests.wire.cases import WHOLE_FAULTS
from tests.wire.line import IMPATIENT, MOST_REQUESTS, laid, listening
from tests.wire.proxy import DELAY, FIN, RST, Strike

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tests.wire.cases import Case
    from tests.wire.line import Line

IN_NO_HURRY = (FIN, RST, DELAY, *WHOLE_FAULTS)
"""Faults that nobody waits for: a pass on a busy machine must not run into its limits instead."""
MOST_PASSES = 5
CHECKS = ("batchdownloadfile", "head")


@dataclass(slots=True)
class Verdict:
    """What came of one case. No complaints: everything held."""

    case: Case
    complaints: list[str] = field(default_factory=list)
    seconds: float = 0.0
    requests: int = 0
    hits: int = 0
    is_beyond: bool = False
    """The service took it, and nothing that came back could tell: see `beyond`."""

    def __str__(self) -> str:
        return f"{self.case}: {'; '.join(self.complaints) or 'held'}"


async def judge(cases: Iterable[Case], folder: Path) -> list[Verdict]:
    """Play all `cases`. One that complains gets the next one a new line."""
    verdicts: list[Verdict] = []
    waiting = list(reversed(list(cases)))
    lines = 0
    with listening() as texts:
        while waiting:
            lines += 1
            async with laid(folder / f"line {lines}") as line:
                while waiting:
                    verdict = Verdict(waiting.pop())
                    verdicts.append(verdict)
                    await _play(line, verdict, texts)
                    texts.clear()
                    if verdict.complaints:
                        break
    return verdicts


async def _play(line: Line, verdict: Verdict, texts: list[str]) -> None:
    case, complaints = verdict.case, verdict.complaints
    strike = Strike(case.call, case.where, case.fault, case.times)
    started = time.monotonic()
    is_check = case.call in CHECKS
    try:
        line.change(case.call)
        if is_check:
            await line.damage()
        line.proxy.arm(strike)
        limits = {} if case.fault in IN_NO_HURRY else IMPATIENT
        for _ in range(MOST_PASSES):
            await (_check(line, complaints, limits) if is_check else line.sync(**limits))
            line.close_books()
            if strike.hits:  # or else the machine was too slow for the limits, and nothing came so far
                break
        verdict.requests, verdict.hits = line.proxy.calls.total(), strike.hits
        await line.proxy.hang_up()
        await line.proxy.deliver_late()
        if not is_check:  # which has damaged objects on purpose
            complaints += line.complaints()
        if case.times == 1:  # what is refused each time is parked; what was damaged once is not
            complaints += [f"failed for good: {each}" for each in line.parked()]
        await _heal(line, verdict, is_check=is_check)
    except TimeoutError:
        complaints.append("it hangs")
    complaints += _later_complaints(line, verdict, texts)
    verdict.seconds = time.monotonic() - started


async def _check(line: Line, complaints: list[str], limits: Mapping[str, Any]) -> None:
    """Ask about every file, two of which are not as they should be: no fault may make them look well."""
    try:
        findings = await line.verify(**limits)
    except CloudError:
        return  # nobody was asked, and the exit code says so
    complaints += line.told([reason for _, reason in findings.wrong + findings.unsure])
    right = len(line.rows()) - len(line.damaged)
    if findings.good > right:
        complaints.append(f"verify calls {findings.good} files good, and only {right} are")
    if findings.good + len(findings.wrong) + len(findings.unsure) != right + len(line.damaged):
        complaints.append("verify has lost files")


async def _heal(line: Line, verdict: Verdict, *, is_check: bool) -> None:
    if line.parked():
        await line.retry()
    await (line.repair() if is_check else line.sync())
    if unknown := line.unknown():
        verdict.is_beyond = True
        if verdict.case[:3] not in BEYOND:
            verdict.complaints.append(f"the API does not know {', '.join(unknown)}")
        await line.repair()
    verdict.complaints += line.complaints()
    verdict.complaints += line.differences()
    if line.unknown():
        verdict.complaints.append("verify --repair does not mend it")


def _later_complaints(line: Line, verdict: Verdict, texts: list[str]) -> Iterable[str]:
    if not verdict.hits:
        yield "the fault never struck"
    if verdict.requests > MOST_REQUESTS:
        yield f"{verdict.requests} requests in one pass"
    yield from line.told(texts)
    shown = "\n".join(texts)
    if "defect of this program" in shown:
        yield f"a defect: {shown[shown.index('defect of this program') :][:2000]}"
