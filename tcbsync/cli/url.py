"""`url`: download links of mirrored files, as the service gives them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from tcbsync.cli import exits
from tcbsync.cli.common import Reported, Verbs, declare, load_config, reported, takes_json, takes_mirror
from tcbsync.cli.output import as_json, printable, warn, write
from tcbsync.cli.paths import beneath
from tcbsync.cloud.api import BATCH
from tcbsync.core.batch import batches
from tcbsync.core.keys import normal
from tcbsync.daemon.assemble import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tcbsync.config.schema import Config, MirrorConfig


def add_verbs(verbs: Verbs) -> None:
    """Declare the verb of this room."""
    url = declare(
        verbs,
        "url",
        _url,
        "Print download links of mirrored files. A path is one on this disk, one in a mirror, or one in the cloud (with"
        " the mirror's prefix); exit code 3 where one of them is not in the cloud.",
    )
    url.add_argument("paths", nargs="+", metavar="PATH")
    url.add_argument(
        "--max-age",
        type=_at_least_one,
        default=7200,
        metavar="SECONDS",
        help="how long a link to a private file holds (7200)",
    )
    takes_json(url)
    takes_mirror(url)


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return int(text)


async def _url(options: argparse.Namespace) -> int:
    config = load_config(options)
    mirrors = reported(options, config)
    places = {given: _place(mirrors, given) for given in options.paths}
    links = await _links(config, [place for place in places.values() if place], options.max_age)
    answer = {given: links.get(place[1]) if place else None for given, place in places.items()}
    if options.json:
        as_json(answer)
    else:
        write(printable(link) for link in answer.values() if link)  # whole, to be copied
    for given in (given for given, link in answer.items() if link is None):
        warn(f"{given}: not in the cloud, as far as is known; `tcbsync plan` and `tcbsync failed` say why")
    return exits.DONE if all(answer.values()) else exits.INCOMPLETE


def _place(mirrors: list[Reported], given: str) -> tuple[str, str] | None:
    """Find (env, file_id) of what somebody calls `given`."""
    for mirror, report in mirrors:
        for path in _readings(mirror, given):
            if report and (file_id := report.file_id(normal(path))):
                return mirror.env, file_id
    return None


def _readings(mirror: MirrorConfig, given: str) -> Iterator[str]:
    """Give the paths in a mirror that `given` may mean, the likeliest first."""
    yield from beneath(mirror, given)
    yield given
    if mirror.prefix and given.startswith(mirror.prefix):
        yield given.removeprefix(mirror.prefix)


async def _links(config: Config, places: list[tuple[str, str]], max_age: int) -> dict[str, str]:
    """Ask for links by file_id; what the service does not have is left out. Raises CloudError."""
    links: dict[str, str] = {}
    if not places:
        return links
    cloud = connect(config)
    try:
        for env in sorted({env for env, _ in places}):
            ids = sorted({file_id for where, file_id in places if where == env})
            for batch in batches(ids, BATCH):
                downloads = await cloud.downloads(env, batch, max_age)
                links.update((download.file_id, download.url) for download in downloads if download.url)
    finally:
        await cloud.close()
    return links
