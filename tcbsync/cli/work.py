"""`run` and `sync`: the verbs that mirror."""

from __future__ import annotations

import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from tcbsync.cli import exits
from tcbsync.cli.common import Verbs, declare, load_config, named, takes_json, takes_mirror
from tcbsync.cli.lines import Span
from tcbsync.cli.log import sum_up
from tcbsync.cli.output import as_json, plural, say, seconds, signed, size, warn
from tcbsync.config.load import find_config, load
from tcbsync.core.words import stock
from tcbsync.daemon import once
from tcbsync.status import iso

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from tcbsync.cli.lines import Line, Tone
    from tcbsync.daemon.assemble import Assembly
    from tcbsync.daemon.once import Outcome


def add_verbs(verbs: Verbs) -> None:
    """Declare the verbs of this room."""
    run = declare(
        verbs,
        "run",
        _run,
        "Mirror, and go on mirroring, in the foreground. Stays up when a root is missing or the service is out of"
        " reach, says so and recovers by itself. SIGTERM or SIGINT ends it; a second one ends it at once.",
    )
    run.set_defaults(logs=True)
    sync = declare(
        verbs,
        "sync",
        _sync,
        "Mirror once, then exit. Uploads what is new or changed, deletes what is gone, and says what could not be"
        " done. Exit code 0 says that the cloud equals the disk; 3 that files failed, 4 that deletes are held, 75 that"
        " the service could not be reached, try later. A second run with nothing changed does not call the service.",
    )
    takes_mirror(sync)
    takes_json(sync)


async def _run(options: argparse.Namespace) -> int:
    from tcbsync.daemon.run import run  # noqa: PLC0415 - watching takes a while to load, and no other verb does it

    path = find_config(options.config).absolute()
    await run(load_config(options), partial(load, path))
    return exits.DONE


async def _sync(options: argparse.Namespace) -> int:
    config = load_config(options)
    names = [mirror.name for mirror in named(options, config)]
    started = time.monotonic()
    if sys.stderr.isatty() and not options.json:
        from tcbsync.cli.progress import Bars  # noqa: PLC0415 - rich takes a while to import

        with Bars() as bars:
            outcomes = await once.sync(config, names, bars.show)
    else:
        outcomes = await once.sync(config, names, _nothing)
    took = time.monotonic() - started
    sum_up()
    if options.json:
        as_json({"seconds": round(took, 3), "mirrors": [_described(outcome) for outcome in outcomes]})
    else:
        for outcome in outcomes:
            _summarise(outcome, took)
    return max(map(exit_code, outcomes), key=exits.URGENCY.index)


def exit_code(outcome: Outcome) -> int:
    """Give the exit code that one mirror's outcome stands for."""
    counts = outcome.counts
    told = (
        (outcome.is_wrong_credentials, exits.CONFIG),
        (outcome.service_state == "blocked", exits.FAILED),
        (outcome.service_state in ("offline", "paused"), exits.UNREACHABLE),
        (bool(outcome.root_problem or counts.held_deletes), exits.HELD),
        (bool(counts.failed or counts.pending_uploads or counts.pending_deletes or outcome.problems), exits.INCOMPLETE),
    )
    return next((code for is_true, code in told if is_true), exits.DONE)


def _described(outcome: Outcome) -> dict[str, Any]:
    done, counts = outcome.done, outcome.counts
    return {
        "name": outcome.name,
        "files": counts.files,
        "uploaded": done.uploads,
        "uploaded_bytes": done.upload_bytes,
        "touched": done.touches,
        "deleted": done.deletes,
        "pending_uploads": counts.pending_uploads,
        "pending_deletes": counts.pending_deletes,
        "failed": counts.failed,
        "held_deletes": counts.held_deletes,
        "problems": outcome.problems,
        "hold": outcome.root_problem or outcome.hold or None,
        "service": {"state": outcome.service_state, "last_error": outcome.service_error or None},
    }


def _summarise(outcome: Outcome, took: float) -> None:
    done, counts = outcome.done, outcome.counts
    if done.uploads or done.deletes or done.touches or exit_code(outcome) != exits.DONE:
        rate = f" at {done.uploads / took:,.0f} a second" if done.uploads > 100 else ""
        sized = f" ({size(done.upload_bytes)})" if done.uploads else ""
        parts = [f"{plural(done.uploads, 'file')} uploaded{sized}{rate}", f"{done.deletes:,} deleted"]
    else:
        parts = ["nothing to do"]
    stored = stock(counts.files, held=counts.held_deletes, kept=counts.kept)
    say(_signed(outcome, f": {', '.join([*parts, stored, seconds(took)])}"), hang=2)
    if outcome.paused_at is not None:
        lets = f"`tcbsync resume {outcome.name}` lets it go on"
        warn(f"{outcome.name}: paused by hand since {iso(outcome.paused_at)}: nothing was sent or deleted; {lets}")
    for trouble in _troubles(outcome):
        warn(f"{outcome.name}: {trouble}")


def _signed(outcome: Outcome, words: str) -> Line:
    tones: dict[int, Tone] = {exits.DONE: "well", exits.UNREACHABLE: "wait"}
    return signed(tones.get(exit_code(outcome), "act"), Span(outcome.name, "strong"), words)


STATES = {
    "offline": "the service could not be reached",
    "paused": "the service wants a pause",
    "blocked": "nothing can be done until a person mends this",
    "full": "the environment's storage is full",
}


def _troubles(outcome: Outcome) -> Iterator[str]:
    """Say what keeps the mirror from being equal, and what next: a sentence each."""
    counts = outcome.counts
    if outcome.root_problem:
        yield f"held: {outcome.root_problem}"
    if outcome.service_error:
        waiting = {"upload": counts.pending_uploads, "delete": counts.pending_deletes}
        left = " and ".join(plural(count, what) for what, count in waiting.items() if count)
        yield f"{STATES[outcome.service_state]}; left for the next sync: {left or 'nothing'}"
        yield outcome.service_error
    if counts.held_deletes:
        what = plural(counts.held_deletes, "delete")
        yield f"{what} held: {outcome.hold}; see `tcbsync held`, then `tcbsync approve {outcome.name}`"
    if counts.failed:
        yield f"{plural(counts.failed, 'file')} failed; `tcbsync failed` says which, and why"
    if outcome.problems and not outcome.root_problem:
        yield f"{plural(outcome.problems, 'path')} could not be looked at; `tcbsync failed` says which, and why"
    left_over = counts.pending_uploads + counts.pending_deletes
    if left_over and not (outcome.service_error or outcome.root_problem or counts.failed):
        yield f"{plural(left_over, 'file')} left for the next sync"


def _nothing(_assembly: Assembly) -> None:
    """Show nothing: this is no terminal."""
