"""`check`: is everything as it must be, and if not, what is the next step? Changes nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tcbsync.cli import exits
from tcbsync.cli.common import Verbs, declare, load_config, takes_json
from tcbsync.cli.output import as_json, plural, say
from tcbsync.core.errors import CloudError
from tcbsync.daemon.assemble import connect
from tcbsync.engine.compare import read_rules
from tcbsync.local.scan import ROOT, Disk
from tcbsync.store.database import FILE_NAME
from tcbsync.store.lock import holder
from tcbsync.store.reader import open_reader
from tcbsync.store.report import leftovers

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from tcbsync.config.schema import Config, MirrorConfig

WATCHES = Path("/proc/sys/fs/inotify/max_user_watches")


class Point(NamedTuple):
    """One thing that was checked. `advice` is the next step where it is not right."""

    what: str
    is_right: bool
    found: str
    advice: str = ""
    code: int = exits.FAILED


def add_verbs(verbs: Verbs) -> None:
    """Declare the verb of this room."""
    check = declare(
        verbs,
        "check",
        _check,
        "Say whether everything is as it must be. Configuration, folders, watch limit, state directory, credentials;"
        " makes one real token call unless --offline. Each failed point comes with the next step.",
    )
    check.add_argument("--offline", action="store_true", help="do not call the service")
    takes_json(check)


async def _check(options: argparse.Namespace) -> int:
    config = load_config(options)
    points = [Point("configuration", True, plural(len(config.mirrors), "mirror"))]
    directories = 0
    for mirror in config.mirrors:
        point, count = _folder(mirror)
        points.append(point)
        directories += count
    points += [_watches(directories), *_state(config)]
    points.append(await _credentials(config, is_offline=options.offline))
    if options.json:
        as_json([point._asdict() for point in points])
    else:
        for point in points:
            say(f"{'ok   ' if point.is_right else 'WRONG'} {point.what}: {point.found}")
            if point.advice:
                say(f"      {point.advice}")
    return max((point.code for point in points if not point.is_right), default=exits.DONE)


def _folder(mirror: MirrorConfig) -> tuple[Point, int]:
    what = f"mirror {mirror.name}"
    try:
        disk = Disk(mirror.root, mirror.prefix, read_rules(mirror.root, mirror.ignore))
        disk.identity()
    except OSError as error:
        advice = "is the volume mounted, and may this user read it? `run` starts all the same, and waits for it"
        return Point(what, False, f"root {mirror.root}: {error.strerror}", advice), 0
    files, problems, waiting, seen = 0, 0, [ROOT], 0
    while waiting:
        snapshot, below = disk.snapshot(waiting.pop())
        files += len(snapshot.files)
        problems += len(snapshot.problems)
        waiting += below
        seen += 1
    found = f"root {mirror.root}: {plural(files, 'file')} in {seen:,} director{'y' if seen == 1 else 'ies'}"
    if problems:
        return Point(what, False, f"{found}, {plural(problems, 'problem')}", "`tcbsync plan` lists them"), seen
    return Point(what, True, found), seen


def _watches(directories: int) -> Point:
    if not WATCHES.exists():
        return Point("watch limit", True, "no inotify here; watchdog's own emitter serves")
    limit = int(WATCHES.read_text())
    found = f"{limit:,} for {directories:,} directories"
    if limit < 2 * directories:
        advice = f"put fs.inotify.max_user_watches = {max(524_288, 4 * directories)} into /etc/sysctl.d/50-tcbsync.conf"
        return Point("watch limit", False, found, f"{advice}, then run sysctl --system")
    return Point("watch limit", True, found)


def _state(config: Config) -> Iterator[Point]:
    state_dir = config.state_dir
    what = "state directory"
    above = next(path for path in (state_dir, *state_dir.parents) if path.exists())
    if not os.access(above, os.W_OK | os.X_OK):
        yield Point(what, False, f"{state_dir} is not writable", "give it to the user that tcbsync runs as")
        return
    yield Point(what, True, f"{state_dir}, in use by {holder(state_dir)}" if holder(state_dir) else str(state_dir))
    if (state_dir / FILE_NAME).exists():
        known = {(mirror.name, mirror.env, mirror.prefix) for mirror in config.mirrors}
        for left in leftovers(open_reader(state_dir / FILE_NAME), known):
            yield Point(
                f"former mirror {left.name}",
                False,
                f"{plural(left.objects, 'object')} of env {left.env}, prefix '{left.prefix}', are still in the cloud",
                "nothing is deleted or updated there; put the mirror back into the configuration to look after them",
            )


async def _credentials(config: Config, *, is_offline: bool) -> Point:
    what = "credentials"
    cloud = connect(config)
    try:
        if is_offline:
            return Point(what, True, "there; not tried (--offline)")
        await cloud.sign_in()
    except CloudError as error:
        return Point(what, False, str(error), "", exits.code_of(error))
    finally:
        await cloud.close()
    return Point(what, True, f"{config.service.api_base} gave an access token")
