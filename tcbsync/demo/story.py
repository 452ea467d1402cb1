"""Tells the whole story: sets the stage, goes through the steps, and leaves nothing behind."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tcbsync.core.errors import TcbsyncError
from tcbsync.core.words import plural
from tcbsync.demo.day import tell_day
from tcbsync.demo.interrupt import Interrupted, Interruption
from tcbsync.demo.own_story import tell_own
from tcbsync.demo.sample_story import tell_sample
from tcbsync.demo.stage import Stage, StoryFailed, stage
from tcbsync.demo.stay import stay
from tcbsync.demo.voice import Voice

if TYPE_CHECKING:
    from collections.abc import Callable

DONE, FAILED, USAGE = 0, 1, 2


def tell(root: Path | None, *, is_day: bool = False, stays: bool) -> int:
    """Run the demonstration on the sample tree, or on `root`, which is only read. Gives the exit code.

    `is_day`: tell a day of troubles instead. `stays`: go on afterwards until SIGINT or SIGTERM, which is then the
    proper end (0).
    """
    voice = Voice(sys.stdout)
    root = root and Path(os.path.abspath(root))  # noqa: PTH100 - links stay links
    if trouble := obstacle(root):
        sys.stderr.write(f"tcbsync: {trouble}\n")
        return USAGE
    act = tell_own if root else tell_day if is_day else tell_sample
    with Interruption() as interruption:
        try:
            with stage(root, interruption) as built:
                return play(built, voice, act, stays=stays)
        except Interrupted as interrupted:
            voice.say("", f"Ended by {interrupted}: both processes were stopped, and what they made was removed.")
            return 128 + interrupted.number


def obstacle(root: Path | None) -> str:
    """Say why a folder, or the sample tree, cannot be mirrored by the demonstration, or ""."""
    if (encoding := sys.getfilesystemencoding()) != "utf-8":
        return f"file names are {encoding} in this locale; PYTHONUTF8=1 or LC_ALL=C.UTF-8 makes them UTF-8"
    return _refusal(root) if root else ""


def _refusal(root: Path) -> str:
    if any("\ud800" <= character <= "\udfff" for character in str(root)):
        return f"{root}: the path is not UTF-8, and no configuration can name it"
    if not root.is_dir():
        return f"{root} is not a directory"
    if not os.access(root, os.R_OK | os.X_OK):
        return f"{root} may not be read"
    place = Path(tempfile.gettempdir()).resolve()
    if place.is_relative_to(root.resolve()):
        return f"{root} holds {place}, where the demonstration keeps its own files; TMPDIR names another place"
    return ""


def play(built: Stage, voice: Voice, act: Callable[[Stage, Voice], None], *, stays: bool) -> int:
    """Play one act on the stage, and say how it went. Gives the exit code; raises Interrupted amid the act."""
    started = time.monotonic()
    try:
        built.open()
        voice.title("tcbsync demo: the real daemon, and a stand-in for the cloud over real HTTP")
        voice.facts(folder=built.root, objects=built.objects, config=built.config, service=built.inspection.url)
        voice.say("", "After each step every object's bytes are read back and compared with the file.")
        act(built, voice)
        voice.say("", f"All equal, in {time.monotonic() - started:.1f} s.")
        if not stays:
            built.stop_daemon()
            return DONE
    except (StoryFailed, TcbsyncError) as error:
        return _fail(built, voice, error)
    try:
        stay(built, voice)
    except (StoryFailed, TcbsyncError) as error:
        return _fail(built, voice, error)
    except Interrupted:
        voice.say("", "That is the end: both processes stop, and what they made is removed.")
    return DONE


def _fail(built: Stage, voice: Voice, error: Exception) -> int:
    voice.trouble(str(error))
    if isinstance(error, StoryFailed):
        voice.listing(error.entries)
    voice.note(f"the last {plural(len(built.last_lines()), 'line')} of the processes' logs:")
    voice.say(*(f"      {line}" for line in built.last_lines()))
    return FAILED
