"""Goes on after the story: says what to try, and prints a line for whatever is mirrored, until it is told to end."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING

from tcbsync.core.words import plural, printable
from tcbsync.demo.stage import SECRET, SECRET_VARIABLE
from tcbsync.demo.voice import SHOWN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tcbsync.demo.inspection import Stored
    from tcbsync.demo.stage import Stage
    from tcbsync.demo.voice import Voice

LOOK_SECONDS = 0.2


def stay(stage: Stage, voice: Voice) -> None:
    """Follow what arrives in the cloud. Ends by Interrupted only, or by StoryFailed, NoAnswer."""
    invite(stage, voice)
    counted, objects, is_told = stage.counted(), stage.inspection.objects(), True
    while True:
        stage.pause(LOOK_SECONDS)
        before = objects
        if counted != (counted := stage.counted()):
            objects = stage.inspection.objects()
        if lines := changes(before, objects):
            _note(voice, *lines)
            is_told = False
        elif not is_told:
            tree, found, _ = stage.compare()
            if is_told := not found:
                _note(voice, f"equal    {plural(len(tree.files), 'file')}, {tree.size:,} bytes")


def _note(voice: Voice, *lines: str) -> None:
    at = time.strftime("%H:%M:%S")
    voice.say(*(f"  {at}  {line}" for line in lines))


def invite(stage: Stage, voice: Voice) -> None:
    """Say where everything is, and what to try."""
    config = shlex.quote(str(stage.config))
    voice.say("")
    voice.title("It goes on: change something in the folder. Ctrl-C ends it and removes what it has made.")
    voice.facts(folder=stage.root, page=stage.page, objects=stage.objects, config=stage.config)
    voice.say(
        "  try, in another terminal:",
        f"    tcbsync status -c {config}",
        f"    tcbsync plan -c {config}",
        f"    {SECRET_VARIABLE}={SECRET} tcbsync verify -c {config}",
        f"    diff -r {shlex.quote(str(stage.root))} {shlex.quote(str(stage.objects))}",
        "",
    )


def changes(before: Mapping[str, Stored], now: Mapping[str, Stored]) -> list[str]:
    """Say what has come and gone: a line for each object, or one for each kind where there are many."""
    sent = [key for key, stored in now.items() if before.get(key) != stored]
    gone = [key for key in before if key not in now]
    lines = [f"sent     {printable(key)}  {now[key].size:,} bytes" for key in sent]
    if len(sent) > SHOWN:
        lines = [f"sent     {plural(len(sent), 'file')}, {sum(now[key].size for key in sent):,} bytes"]
    if len(gone) > SHOWN:
        return [*lines, f"deleted  {plural(len(gone), 'object')}"]
    return lines + [f"deleted  {printable(key)}" for key in gone]
