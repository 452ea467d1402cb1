"""`verify`: asks the cloud whether it holds every proved file, with its size and MD5. The manifest is not believed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tcbsync.cli import exits
from tcbsync.cli.common import Verbs, ask_daemon, at_work, declare, load_config, reported, takes_json, takes_mirror
from tcbsync.cli.lines import Span
from tcbsync.cli.output import as_json, plural, say, signed, warn
from tcbsync.cli.work import exit_code
from tcbsync.cloud.api import BATCH
from tcbsync.cloud.retry import Retry, RetryingCloud
from tcbsync.core.batch import batches
from tcbsync.core.errors import CloudError
from tcbsync.daemon import once
from tcbsync.daemon.assemble import connect
from tcbsync.store import rows
from tcbsync.store.store import Store

if TYPE_CHECKING:
    import argparse

    from tcbsync.cli.common import Reported
    from tcbsync.cli.lines import Tone
    from tcbsync.cloud.api import Cloud, Download
    from tcbsync.config.schema import Config
    from tcbsync.store.answers import Proved

HEADS = 16
"""So many objects are asked for at once."""
TOLD = 500
"""So many paths go to the daemon in one request: its socket takes a mebibyte."""


@dataclass(slots=True)
class Findings:
    """What the cloud said. `wrong` are (path, reason) that `--repair` uploads again; `unsure` could not be told.

    `pending` files are not uploaded yet, and were not asked for.
    """

    good: int = 0
    pending: int = 0
    wrong: list[tuple[str, str]] = field(default_factory=list)
    unsure: list[tuple[str, str]] = field(default_factory=list)


def add_verbs(verbs: Verbs) -> None:
    """Declare the verb of this room."""
    verify = declare(
        verbs,
        "verify",
        _verify,
        "Ask the cloud whether every mirrored file is there. With its size and MD5; --repair uploads again what is"
        " not. Exit code 3 where something is not as it should be, or could not be asked. A CDN may be stale for a"
        " while after an overwrite, and is then reported too.",
    )
    verify.add_argument("--repair", action="store_true", help="upload again what is missing or different")
    takes_mirror(verify)
    takes_json(verify)


async def _verify(options: argparse.Namespace) -> int:
    config = load_config(options)
    found: dict[str, Findings] = {}
    cloud = RetryingCloud(connect(config), Retry(config.service.attempts))
    try:
        for mirror in reported(options, config):
            found[mirror.config.name] = await _compare(cloud, mirror)
    finally:
        await cloud.close()
    if options.json:
        as_json([_described(name, findings) for name, findings in found.items()])
    else:
        for name, findings in found.items():
            _print(name, findings)
        if not options.repair and any(findings.wrong for findings in found.values()):
            say("`tcbsync verify --repair` uploads again what is not as it should be")
    wrong = {name: [path for path, _ in findings.wrong] for name, findings in found.items() if findings.wrong}
    is_unsure = any(findings.unsure for findings in found.values())
    if not options.repair or not wrong:
        return exits.INCOMPLETE if wrong or is_unsure else exits.DONE
    code = await _repair(config, wrong)
    return max(code, exits.INCOMPLETE if is_unsure else exits.DONE, key=exits.URGENCY.index)


def _print(name: str, findings: Findings) -> None:
    told: list[tuple[str, Tone, str]]
    told = [(path, "act", reason) for path, reason in findings.wrong]
    told += [(path, "wait", reason) for path, reason in findings.unsure]
    for path, tone, reason in sorted(told):
        say([Span(path, tone), f": {reason}"], hang=2)
    good, wrong, unsure = findings.good, len(findings.wrong), len(findings.unsure)
    parts = [f"{plural(good, 'file')} as {'it' if good == 1 else 'they'} should be"]
    parts += [f"{wrong:,} not"] if wrong else []
    parts += [f"{unsure:,} could not be asked"] if unsure else []
    parts += [f"{findings.pending:,} not uploaded yet"] if findings.pending else []
    say(signed("act" if wrong else "wait" if unsure else "well", Span(name, "strong"), f": {', '.join(parts)}"), hang=2)


def _described(name: str, findings: Findings) -> dict[str, object]:
    return {
        "mirror": name,
        "good": findings.good,
        "pending": findings.pending,
        "wrong": [{"path": path, "reason": reason} for path, reason in findings.wrong],
        "unsure": [{"path": path, "reason": reason} for path, reason in findings.unsure],
    }


async def _compare(cloud: Cloud, mirror: Reported) -> Findings:
    findings = Findings(pending=mirror.report.counts().pending_uploads if mirror.report else 0)
    slots = asyncio.Semaphore(HEADS)
    after = ""
    while mirror.report and (proved := mirror.report.proved(after, BATCH)):
        after = proved[-1].path
        downloads = await cloud.downloads(mirror.config.env, [each.file_id for each in proved])

        async def one(file: Proved, download: Download) -> None:
            async with slots:
                await _compare_one(cloud, file, download, findings)

        await asyncio.gather(*(one(*pair) for pair in zip(proved, downloads, strict=True)))
    return findings


async def _compare_one(cloud: Cloud, file: Proved, download: Download, findings: Findings) -> None:
    if download.is_absent:
        findings.wrong.append((file.path, "the cloud does not have it"))
        return
    if download.error:
        findings.unsure.append((file.path, download.error))
        return
    try:
        head = await cloud.head(download.url)
    except CloudError as error:
        findings.unsure.append((file.path, str(error)))
        return
    if head is None:
        findings.wrong.append((file.path, "the download host does not have it"))
    elif head.size is not None and head.size != file.size:
        findings.wrong.append((file.path, f"the cloud has {head.size} bytes, the file has {file.size}"))
    elif head.md5 is None:  # a size alone, or nothing at all, proves nothing
        findings.unsure.append((file.path, "the download host gives no MD5 of it"))
    elif head.md5 != file.digest.hex():
        findings.wrong.append((file.path, "the cloud has other bytes"))
    else:
        findings.good += 1


async def _repair(config: Config, wrong: dict[str, list[str]]) -> int:
    """Have these paths of each mirror uploaded again. What is said goes to standard error: the report is out."""
    _, is_daemon = at_work(config.state_dir)
    if is_daemon:
        for name, paths in wrong.items():
            for some in batches(paths, TOLD):
                await ask_daemon(config.state_dir, "distrust", mirror=name, paths=some)
            warn(f"{name}: {plural(len(paths), 'file')} will be uploaded again by the daemon, now")
        return exits.DONE
    await _distrust(config, wrong)
    outcomes = await once.sync(config, list(wrong), lambda _assembly: None)
    for outcome in outcomes:
        warn(f"{outcome.name}: {plural(outcome.done.uploads, 'file')} uploaded again")
    return max(map(exit_code, outcomes), key=exits.URGENCY.index)


async def _distrust(config: Config, wrong: dict[str, list[str]]) -> None:
    store = Store(config.state_dir, "verify")
    try:
        for mirror in config.mirrors:
            if mirror.name in wrong:
                manifest = await store.manifest(mirror.name, mirror.env, mirror.prefix)
                await manifest.write(rows.distrust, wrong[mirror.name])
    finally:
        await store.close()
