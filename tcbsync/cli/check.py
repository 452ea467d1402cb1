"""`check`: is everything as it must be, and if not, what is the next step? Changes nothing."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tcbsync import status
from tcbsync.cli import check_notify, exits, steps
from tcbsync.cli.common import Verbs, declare, load_config, reported, takes_json
from tcbsync.cli.lines import Span
from tcbsync.cli.output import as_json, paper, plural, say, seconds, sign, signed
from tcbsync.cli.points import Point, wrong
from tcbsync.core.errors import CloudError, ConfigError, StateError
from tcbsync.core.ignore import Rules
from tcbsync.daemon.assemble import connect
from tcbsync.engine.compare import read_rules
from tcbsync.local.inotify import Inotify, watch_limit
from tcbsync.local.scan import ROOT, Disk
from tcbsync.status import iso
from tcbsync.store.lock import holder
from tcbsync.store.reader import open_reader
from tcbsync.store.report import leftovers

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from tcbsync.config.schema import Config, MirrorConfig

ROOMY_WATCHES = 524_288
CLOCK_SECONDS = 60.0
"""The clock may have been set back by so much without a word."""


class Seen(NamedTuple):
    """What lies below a root. `problems` are paths with their reasons, `unread` files that this user may not read."""

    files: int
    directories: int
    problems: list[str]
    unread: list[str]


def add_verbs(verbs: Verbs) -> None:
    """Declare the verb of this room."""
    check = declare(
        verbs,
        "check",
        _check,
        "Say whether everything is as it must be. Configuration, folders, watch limit, state directory, clock,"
        " credentials; makes one real token call unless --offline. Each failed point comes with the next step. Do it as"
        " the user that tcbsync runs as: what one may read, another may not.",
    )
    check.add_argument("--offline", action="store_true", help="do not call the service")
    check.add_argument("--notify", action="store_true", help="send a test message to each webhook, and a heartbeat")
    takes_json(check)


async def _check(options: argparse.Namespace) -> int:
    try:
        config = load_config(options)
    except ConfigError as error:
        if not error.mistakes:
            raise
        points = [wrong("configuration", each, steps.about_mistake(each), exits.CONFIG) for each in error.mistakes]
    else:
        points = [*_local(options, config), await _credentials(config, is_offline=options.offline)]
        told = check_notify.points(config, is_offline=options.offline, sends=options.notify)
        points += [point async for point in told]
    if options.json:
        as_json([point._asdict() for point in points])
    else:
        _print(points)
    return max((point.code for point in points), key=exits.URGENCY.index)


def _print(points: list[Point]) -> None:
    for point in points:
        plain = "ok    " if point.is_right else "WRONG "
        told = Span(point.what, "" if point.is_right else "strong"), f": {point.found}"
        say(signed("well" if point.is_right else "act", *told, plain=plain), hang=2)
        if point.advice:
            on = paper()
            begin = "      " if on.width is None else f"  {sign('next')} "
            say([Span(begin, "quiet"), point.advice], hang=4)
    if bad := sum(not point.is_right for point in points):
        say(f"{bad} of {plural(len(points), 'point')} {'needs' if bad == 1 else 'need'} you")
    else:
        say("all is as it must be")


def _local(options: argparse.Namespace, config: Config) -> Iterator[Point]:
    """Check what needs no network."""
    yield Point("configuration", is_right=True, found=plural(len(config.mirrors), "mirror"))
    known, moments = _known(options, config)
    directories = 0
    for mirror in config.mirrors:
        point, count = _folder(mirror, known.get(mirror.name, 0))
        directories += count
        yield point
    yield _watches(directories)
    yield from _state(config)
    yield clock(time.time(), Path(__file__).stat().st_mtime, moments)


def _known(options: argparse.Namespace, config: Config) -> tuple[dict[str, int], list[float]]:
    """Give how many objects each mirror has in the cloud, and the times that were noted, as far as is known."""
    known: dict[str, int] = {}
    moments: list[float] = []
    try:
        for mirror, report in reported(options, config):
            if report:
                counts = report.counts()
                known[mirror.name] = counts.files + counts.held_deletes
                moments += [moment for moment in report.times() if moment is not None]
    except StateError:
        pass  # `_state` tells of it
    return known, moments


def _folder(mirror: MirrorConfig, objects: int) -> tuple[Point, int]:
    """Check one root, which has so many `objects` in the cloud. Gives its directories too."""
    what, where = f"mirror {mirror.name}", f"root {mirror.root}"
    try:
        Disk(mirror.root, mirror.prefix, Rules()).identity()
    except OSError as error:
        return wrong(what, f"{where}: {error.strerror}", steps.about_root(mirror.root), exits.HELD), 0
    try:
        rules = read_rules(mirror.root, mirror.ignore)
    except OSError as error:
        way = steps.opening(mirror.root)
        advice = "nothing is mirrored until it can be read" + (f": {way}" if way else "")
        return wrong(what, f"{error.filename}: {error.strerror}", advice), 0
    seen = _look(Disk(mirror.root, mirror.prefix, rules))
    found = f"{where}: {plural(seen.files, 'file')} in {plural(seen.directories, 'directory')}"
    if objects and not seen.files:
        advice = f"is the volume mounted? Deletes are held until `tcbsync approve {mirror.name}`"
        return wrong(what, f"{where} is empty; the cloud has {plural(objects, 'file')} of it", advice, exits.HELD), 0
    for paths, trouble in ((seen.problems, "cannot be looked at"), (seen.unread, "cannot be read")):
        if paths:
            text = f"{found}; {plural(len(paths), 'path')} {trouble}, such as {', '.join(paths[:3])}"
            advice = steps.about_paths(mirror.root, paths[0].partition(" (")[0] if paths is seen.problems else paths[0])
            return wrong(what, text, advice, exits.INCOMPLETE), seen.directories
    if rules.mistakes:
        advice = "a line that is no rule means nothing: correct it, or take it out"
        return wrong(what, f"{where}: in .tcbignore, {'; '.join(rules.mistakes)}", advice), seen.directories
    return Point(what, is_right=True, found=found), seen.directories


def _look(disk: Disk) -> Seen:
    files, directories, waiting, root = 0, 0, [ROOT], os.fspath(disk.root)
    problems: list[str] = []
    unread: list[str] = []
    while waiting:
        snapshot, below = disk.snapshot(waiting.pop())
        found = [snapshot.found(name) for name in snapshot.files]
        unread += [each.path for each in found if not os.access(f"{root}/{each.local}", os.R_OK)]
        problems += [f"{problem.path} ({problem.reason})" for problem in snapshot.problems]
        files += len(found)
        directories += 1
        waiting += below
    return Seen(files, directories, problems, unread)


def _watches(directories: int) -> Point:
    what, limit = "watch limit", watch_limit()
    if limit is None:
        return Point(what, is_right=True, found="no inotify here; watchdog's own emitter serves")
    name, value = limit
    try:
        Inotify().close()
    except OSError as error:
        return wrong(what, f"inotify cannot be used: {error.strerror}", steps.about_instances())
    found = f"{name} is {value:,}, for {plural(directories, 'directory')}"
    if value < 2 * directories:
        line = f"{name} = {max(ROOMY_WATCHES, 4 * directories)}"
        advice = f"put `{line}` into /etc/sysctl.d/60-tcbsync.conf, then run `sysctl --system`"
        return wrong(what, found, advice)
    return Point(what, is_right=True, found=found)


def _state(config: Config) -> Iterator[Point]:
    what, state_dir = "state directory", config.state_dir
    above = next(path for path in (state_dir, *state_dir.parents) if os.path.exists(path))  # noqa: PTH110 - no raise
    try:
        manifest = status.manifest_file(state_dir)
    except StateError as error:
        yield wrong(what, error.args[0], error.hint)
        return
    if not above.is_dir():
        yield wrong(what, f"{above} is not a directory", "state_dir must be a directory that tcbsync may write")
        return
    if not os.access(above, os.W_OK | os.X_OK):
        yield wrong(what, f"{above} is not writable for {steps.user()}", steps.about_state(above, state_dir))
    else:
        process = holder(state_dir)
        yield Point(what, is_right=True, found=f"{state_dir}, in use by {process}" if process else str(state_dir))
    if manifest is None:
        return
    try:
        known = {(mirror.name, mirror.env, mirror.prefix) for mirror in config.mirrors}
        for left in leftovers(open_reader(manifest), known):
            yield wrong(
                f"former mirror {left.name}",
                f"{plural(left.objects, 'object')} of env {left.env}, prefix '{left.prefix}', in the cloud",
                "nothing is deleted or updated there; put the mirror back into the configuration to look after them, or"
                f" give them up: tcbsync forget {left.name} --delete-remote",
            )
    except StateError as error:
        yield wrong("manifest", error.args[0], error.hint)


def clock(now: float, installed_at: float, moments: list[float]) -> Point:
    """Check the clock by what cannot lie ahead: this program's own files, and the `moments` that the manifest notes."""
    what, latest = "clock", max([installed_at, *moments])
    if latest - now > CLOCK_SECONDS:
        found = f"{iso(now)}, and something happened here {seconds(latest - now)} later than that"
        return wrong(what, found, "set it (`timedatectl set-ntp true`): TLS refuses to work with a wrong clock")
    return Point(what, is_right=True, found=str(iso(now)))


async def _credentials(config: Config, *, is_offline: bool) -> Point:
    what = "credentials"
    try:
        cloud = connect(config)
    except ConfigError as error:
        return wrong(what, error.args[0], error.hint, exits.CONFIG)
    try:
        if is_offline:
            return Point(what, is_right=True, found="there; not tried (--offline)")
        await cloud.sign_in()
    except CloudError as error:
        return wrong(what, error.args[0], steps.about_service(error, config), exits.code_of(error))
    finally:
        await cloud.close()
    return Point(what, is_right=True, found=f"{config.service.api_base} gave an access token")
