"""A day in fast forward: what the operator has to see is seen, and a story in which it is not seen fails."""

from __future__ import annotations

import contextlib
import io
import re
import tempfile
from typing import TYPE_CHECKING

import pytest

from tcbsync.cli import exits
from tcbsync.cli.main import main
from tcbsync.demo.day import SCENES
from tcbsync.demo.desk import Desk, Unit
from tcbsync.demo.inbox import Inbox
from tcbsync.demo.interrupt import Interruption
from tcbsync.demo.stage import StoryFailed, stage
from tcbsync.demo.voice import Voice

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.demo.conftest import Start

DAY_SECONDS = 400.0
"""The day takes two minutes, one of which is a pause that the service asks for; beside other work it takes longer."""

SEEN = {
    "09:00": ("status In sync.", "systemd site: in_sync, 82 in the cloud", "started: site"),
    "09:10": ("status Uploading ", "equal 122 files"),
    "09:40": ("24 sent, 3 gone",),
    "10:05": (
        "status 1 file was refused for good.",
        "exit 3",
        "webhook 1 file of site could not",
        "typed tcbsync failed",
        "equal 124 files",
    ),
    "10:40": (
        "status The service asked for a pause.",
        "systemd The service asked for a pause. site: paused, 124 in the cloud, 12 to upload",
        "webhook The service asked for a pause.",
        "did you mean uploads?",
        "The daemon goes on with what it read before:",
        "exit 78",
        "the one before stays in force",
        "status The folder of site cannot be seen.",
        "exit 4",
        "systemd The folder of site cannot be seen. The service asked for a pause. site: held",
        "is back",
    ),
    "10:41": ("1 path cannot be looked at.", "rename one", "service ok again, after paused", "12 sent, 0 gone"),
    "12:30": ("status The service cannot be reached.", "service offline: ", "webhook The service cannot be reached."),
    "12:50": ("service ok again, after offline", "16 sent, 0 gone"),
    "14:20": ("status The service lets nothing through.", "[40125]", "the secret was read anew", "1 sent, 0 gone"),
    "15:00": ("Another service seems to renew the token", "status In sync."),
    "15:40": ("status No daemon runs.", "equal 315 files"),
    "16:10": ("is damaged", "it is restored from what is in", "nothing is in doubt any more", "equal 315 files"),
    "17:00": (
        "status 240 deletes of site wait for you.",
        "webhook 240 deletes of site wait for you.",
        "typed tcbsync held",
        "240 deletes approved",
        "0 sent, 240 gone",
    ),
    "17:40": ("status The state directory takes no more.", "make room on that disk", "service ok again, after blocked"),
    "18:59": ("status Uploading 1 file.", "bandwidth 100 KB/s until 19:00"),
    "19:00": ("bandwidth not limited until 08:00", "equal 96 files"),
    "21:30": ("96 files as they should be", "sums /metrics: ", "lost no object, at no time"),
}
"""What the operator reads in each scene of that hour, however the lines are folded."""


@pytest.mark.slow
@pytest.mark.timeout(DAY_SECONDS + 30)
def test_whole_day(start: Start) -> None:
    """It ends with 0; in each scene the operator reads what he must, bytes are compared, and nothing is left behind."""
    demo = start("--day")

    code, output = demo.end(DAY_SECONDS)

    hours: dict[str, str] = {}
    for hour, told in re.findall(r"^(\d\d:\d\d)  (.*?)(?=^\d\d:\d\d  |\Z)", output, re.DOTALL | re.MULTILINE):
        hours[hour] = " ".join([hours.get(hour, ""), *told.split()])
    unseen = [(hour, word) for hour, words in SEEN.items() for word in words if word not in hours.get(hour, "")]
    assert (code, demo.leftovers()) == (0, []), output
    assert list(hours) == list(SEEN)
    assert unseen == []
    assert len(re.findall(r"^       equal     [0-9,]+ files, [0-9,]+ bytes; ", output, re.MULTILINE)) == 14
    assert "\x1b" not in output


def test_a_day_has_a_folder_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--day` changes files, and `--root` is only read: both together are a mistake in usage."""
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--day", "--root", str(tmp_path)])

    assert ended.value.code == exits.USAGE
    assert "not allowed with argument" in capsys.readouterr().err


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """Set a stage on which the daemon runs and all is well; nothing is waited for longer than a moment."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    voice = Voice(io.StringIO())
    with (
        contextlib.closing(Unit()) as unit,
        contextlib.closing(Inbox()) as inbox,
        Interruption() as interruption,
        stage(None, interruption) as built,
    ):
        built.open()
        one = Desk(built, voice, unit, inbox)
        SCENES[0](one)
        built.patience_seconds = 1.0
        yield one


@pytest.mark.slow
def test_words_that_are_not_seen_fail_the_story(desk: Desk) -> None:
    """Whichever place does not say them: the story ends with what was waited for, and what is to be read instead."""
    desk.scene("12:00", "nothing happens")

    with pytest.raises(
        StoryFailed, match=r"at 12:00 the operator waits for status to say .'2 files were refused"
    ) as said:
        desk.sees("2 files were refused for good.")
    with pytest.raises(StoryFailed, match="and to end with 3"):
        desk.sees("In sync.", code=3)
    with pytest.raises(StoryFailed, match="the log to say 'service offline"):
        desk.sees("In sync.", log="service offline")
    with pytest.raises(StoryFailed, match="systemd to show 'site: held"):
        desk.sees("In sync.", unit="site: held")
    with pytest.raises(StoryFailed, match="a message that says 'deletes"):
        desk.sees("In sync.", told="deletes")
    with pytest.raises(StoryFailed, match="`tcbsync held` should end with 4"):
        desk.says("held", code=4)

    assert ("status", "  The cloud holds what the disk holds: 82 files (4.8 MiB).") in said.value.entries
    assert ("systemd", "site: in_sync, 82 in the cloud") in said.value.entries
