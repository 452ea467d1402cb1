"""What people and machines do to the folder, the host and the daemon in a day; most of it is harmless, some is not."""

from __future__ import annotations

import re
import resource
import shutil
import time
from typing import TYPE_CHECKING

from tcbsync.demo import sample
from tcbsync.demo.stage import UPLOADS, StoryFailed

if TYPE_CHECKING:
    from pathlib import Path

    from tcbsync.demo.desk import Desk

SLOW_SECONDS = 1.0
BURST = 160
BEFORE_KILL = 24
"""The daemon is killed when so many files of the burst have arrived."""
ROOM_BYTES = 16 * 1024
"""What a disk without room still takes of a file: enough for the log, and not for the manifest."""
DAMAGE = 4096
LIMIT = 100_000
LONG_BYTES = 2_500_000
DAY_SECONDS = 24 * 3600


def begin(desk: Desk) -> None:
    """Start the service on a folder that has been there for a while."""
    desk.scene("09:00", "the service is started, on the folder of a small game")
    sample.make(desk.stage.root)
    desk.keep_secret()
    desk.configure()
    desk.start()
    desk.over(log="started: site")


def dropped(desk: Desk) -> None:
    """Drop files: the most usual thing of all."""
    desk.scene("09:10", "a designer drops 40 images; the line is slow")
    desk.stage.inspection.set_latency(SLOW_SECONDS)
    sample.put(desk.stage.root / "images/autumn", {f"{n:02}.png": sample.png(60, 60, shade=3 * n) for n in range(40)})
    desk.sees("Uploading ")
    desk.stage.inspection.set_latency(0)
    desk.over()


def swapped(desk: Desk) -> None:
    """Put a new directory in the old one's place: most names are the same, the bytes are others."""
    root = desk.stage.root
    desk.scene("09:40", "a build job swaps a directory of 24 levels by rename: 21 are new, 3 are gone, 3 have come")
    built = desk.stage.place / "levels.new"
    sample.put(built, {f"level-{number:02}.json": sample.level(500 + number) for number in range(3, 27)})
    (root / "data/levels").rename(desk.stage.place / "levels.old")
    built.rename(root / "data/levels")
    shutil.rmtree(desk.stage.place / "levels.old")
    desk.over()


def vanished(desk: Desk) -> None:
    """Move the whole folder away, as an unmount does, and back. Nothing is deleted."""
    desk.scene("10:40", "and the folder vanishes: its disk is unmounted")
    before, counted = desk.stage.inspection.objects(), desk.stage.counted()
    away = desk.stage.place / "away"
    desk.stage.root.rename(away)
    desk.sees(
        "The folder of site cannot be seen.", code=4, log="is missing", unit="site: held, ", told="cannot be seen."
    )
    if desk.stage.inspection.objects() != before or desk.stage.counted() != counted:
        raise StoryFailed("the folder cannot be seen, and yet something was sent or deleted")
    away.rename(desk.stage.root)
    desk.does("it is there again")
    desk.sees("The service asked for a pause.", log="is back", unit="site: paused, ", told="can be seen again.")


def twins(desk: Desk) -> None:
    """Save a name a second time in another spelling of Unicode, as some systems do: to the cloud they are one name."""
    odd = desk.stage.root / "odd names"
    twin = odd / "cre\u0300me bru\u0302le\u0301e (e\u0301).txt"
    desk.scene(
        "10:41", "a Mac leaves a second `crème brûlée (é).txt`, spelt otherwise: two files, and one name for both"
    )
    twin.write_bytes("é, in two code points\n".encode())
    desk.sees("1 path cannot be looked at.", code=3, told="crème brûlée")
    desk.says("failed", code=3, words="normalis")
    twin.unlink()
    desk.does("the second one is removed")


def killed(desk: Desk) -> None:
    """Kill it amid uploads: it sends at most what was in flight once more."""
    desk.scene("15:40", f"{BURST} new frames; amid their uploads the kernel runs out of memory and kills the daemon")
    desk.sums.scrape()
    desk.stage.inspection.set_latency(SLOW_SECONDS / 10)
    sample.put(desk.stage.root / "frames", sample.storm(0, BURST))
    desk.stage.until(lambda: len(_frames(desk)) >= BEFORE_KILL, "the frames do not arrive")
    desk.stage.kill_daemon()
    arrived = len(_frames(desk))
    desk.sees("No daemon runs.")
    desk.stage.inspection.set_latency(0)
    desk.start()
    desk.does(f"{arrived} of {BURST} had arrived; it is started again, as systemd does")
    desk.over(log="started: site")
    if (again := desk.stage.inspection.sent_again("frames/")) > UPLOADS:
        raise StoryFailed(f"{again} files were sent twice, though only {UPLOADS} can have been in flight")


def _frames(desk: Desk) -> list[str]:
    return [key for key in desk.stage.inspection.objects() if key.startswith("frames/")]


def deleted(desk: Desk) -> None:
    """Delete more than the guard allows. It is meant: a person says so, of exactly these."""
    desk.scene("17:00", "a clean-up deletes more than half of the folder")
    before = desk.stage.inspection.objects()
    for name in ("frames", "images"):
        shutil.rmtree(desk.stage.root / name)
    desk.sees(
        "deletes of site wait for you.",
        code=4,
        log="deletes are held: ",
        unit="site: held, ",
        told="deletes of site wait for you.",
    )
    if before.keys() != desk.stage.inspection.objects().keys():
        raise StoryFailed("deletes are held, and yet something was deleted")
    told = desk.says("held", code=4, words="tcbsync approve site --list ")
    listing = re.findall(r"approve site --list (\w+)", told)[-1]
    desk.says(f"approve site --list {listing}", words="deletes approved")
    desk.over()


def full(desk: Desk) -> None:
    """Leave no room for the manifest: nothing leaves without its row."""
    desk.scene("17:40", "the disk of the state directory takes no more: a backup has filled it")
    pid = desk.stage.daemon.pid
    try:
        # What a full disk does, without one, and without being root: writes beyond a size fail.
        _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (desk.stage.daemon_log.stat().st_size + ROOM_BYTES, most))
    except OSError as error:
        desk.does(f"left out: no limit can be set here ({error.strerror})")
        return
    sample.put(desk.stage.root / "winter", {f"{n:02}.png": sample.png(40, 40, shade=5 * n) for n in range(20)})
    desk.sees("The state directory takes no more.", "make room", log="make room on that disk", told="takes no more.")
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))
    desk.does("there is room again")
    desk.over(log="service ok again, after blocked")


def damaged(desk: Desk) -> None:
    """Damage the manifest: it is restored from its copy, and what is in doubt is proved anew."""
    desk.scene("16:10", "the service is stopped for an upgrade; meanwhile a bad disk damages the manifest")
    desk.sums.scrape()
    desk.stage.stop_daemon()
    _damage(desk.stage.place / "state/manifest.db")
    desk.start()
    desk.over(log="nothing is in doubt any more")


def _damage(manifest: Path) -> None:
    with manifest.open("r+b") as file:
        file.seek(DAMAGE)
        file.write(bytes(manifest.stat().st_size - 2 * DAMAGE))


def slow(desk: Desk) -> None:
    """Spare the office's line until seven in the evening."""
    desk.scene("18:59", "a long sound is saved; until 19:00 the office's line is spared by a limit")
    desk.sums.scrape()
    desk.stage.stop_daemon()
    desk.configure(f'bandwidth: {{"08:00": {LIMIT}, "19:00": null}}')
    desk.start(TZ=_zone(18 * 3600 + 59 * 60 + 51))
    sample.put(desk.stage.root / "sounds", {"evening.wav": bytes(LONG_BYTES)})
    desk.sees("Uploading 1 file.", "bandwidth 100 KB/s until 19:00")
    desk.scene("19:00", "the limit is over")
    desk.over("bandwidth not limited until 08:00")


def _zone(second: int) -> str:
    """Give a time zone, as POSIX writes it, in which it is now that second of the day."""
    east = second - time.time() % DAY_SECONDS
    sign, distance = ("-", east) if east > 0 else ("+", -east)
    return f"DAY{sign}{time.strftime('%H:%M:%S', time.gmtime(distance))}"
