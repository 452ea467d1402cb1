"""What happens to the sample tree, step by step. After each step the stage says when cloud and disk are equal."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tcbsync.core.words import plural
from tcbsync.demo import sample
from tcbsync.demo.stage import UPLOADS, StoryFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tcbsync.demo.stage import Stage
    from tcbsync.demo.voice import Voice

STORM = 160
BEFORE_KILL = 24
"""The daemon is killed when so many files of the storm have arrived."""
LATENCY_SECONDS = 0.1
HELD = 4
"""Exit code of `status`: deletes are held."""


def tell_sample(stage: Stage, voice: Voice) -> None:
    """Tell all of it. Raises StoryFailed, NoAnswer, Interrupted."""
    _mirror_all(stage, voice)
    for words, change in CHANGES:
        voice.step(words)
        change(stage.root)
        voice.equal(stage.until_equal())
    _kill_amid_a_storm(stage, voice)
    for words, move in LOSSES:
        _lose_the_files(stage, voice, words, move)


def _mirror_all(stage: Stage, voice: Voice) -> None:
    sample.make(stage.root)
    voice.step("start the daemon on a folder of images, sounds, JSON, pages and a binary")
    stage.start_daemon()
    proof = stage.until_equal()
    voice.equal(proof)
    voice.note(f"{plural(proof.tree.ignored, 'file')} ignored: .DS_Store, *.tmp and the like stay here")


def _edit(root: Path) -> None:
    (root / "images/icons/icon-03.png").write_bytes(sample.png(27, 27, shade=200))
    (root / "data/config.json").write_bytes(sample.document({"title": "Lantern Street", "levels": 25}))
    with (root / "文档/说明.txt").open("ab") as file:
        file.write("第二盏更亮。\n".encode())
    with (root / "models/street.bin").open("r+b") as file:
        file.seek(sample.MODEL_BYTES // 2)
        file.write(b"one lantern more")


def _save_as_editors_do(root: Path) -> None:
    # vim: a probe, the old file as a backup, a new one under the name, the backup away.
    page, backup, probe = (root / name for name in ("index.html", "index.html~", "4913"))
    probe.touch()
    probe.unlink()
    page.rename(backup)
    page.write_bytes(sample.page("Lantern Street, at night", ["images/scenes/scene-1.png"]))
    backup.unlink()
    # GNOME and many others: a temporary file, renamed into place.
    draft = root / ".goutputstream-LANTERN"
    draft.write_bytes(b"body { margin: 0; background: #123; }\n")
    draft.rename(root / "style.css")


def _rename(root: Path) -> None:
    (root / "models/street.bin").rename(root / "models/street-1.bin")
    (root / "images/icons").rename(root / "images/signs")


def _delete(root: Path) -> None:
    for number in (4, 5, 6):
        (root / f"sounds/notes/note-{number}.wav").unlink()
    shutil.rmtree(root / "deep")


def _drop_in(root: Path) -> None:
    outside = root.parent / "season-2"
    sample.put(outside, sample.season(), age_seconds=sample.AGE_SECONDS)
    outside.rename(root / "season-2")


CHANGES: tuple[tuple[str, Callable[[Path], None]], ...] = (
    ("edit 4 files in place: an image, a JSON, a text, 16 bytes amid a binary", _edit),
    ("save 2 files as editors do: backup and new file; temporary file and rename", _save_as_editors_do),
    ("rename a file of 4 MiB, and a directory of 24 images", _rename),
    ("delete 3 files, and a nested directory", _delete),
    ("move a whole directory in from outside", _drop_in),
)


def _kill_amid_a_storm(stage: Stage, voice: Voice) -> None:
    voice.step(f"{STORM} new files over a slow line, and `kill -9` amid them")
    storm = stage.root / "storm"
    stage.inspection.set_latency(LATENCY_SECONDS)
    sample.put(storm, sample.storm(0, STORM // 2))
    stage.until(lambda: len(_arrived(stage)) >= BEFORE_KILL, "the files of the storm do not arrive")
    sample.put(storm, sample.storm(STORM // 2, STORM))
    stage.kill_daemon()
    voice.note(f"killed when {len(_arrived(stage))} of {STORM} had arrived")
    _change_unseen(stage.root)
    voice.note("while it is down: an edit, a delete, a rename of a directory, a new file")
    stage.inspection.set_latency(0)
    stage.start_daemon()
    voice.equal(stage.until_equal())
    again = stage.inspection.sent_again("storm/")
    voice.note(f"{plural(again, 'file')} sent twice; at most the {UPLOADS} that were in flight may be")
    if again > UPLOADS:
        raise StoryFailed(f"{again} files were sent twice, though only {UPLOADS} can have been in flight")


def _arrived(stage: Stage) -> list[str]:
    return [key for key in stage.inspection.objects() if key.startswith("storm/")]


def _change_unseen(root: Path) -> None:
    (root / "data/config.json").write_bytes(sample.document({"title": "Lantern Street", "levels": 26}))
    (root / "sounds/notes/note-7.wav").unlink()
    (root / "images/marks").rename(root / "images/stars")
    (root / "new while down.txt").write_bytes(b"nobody saw this come\n")


def _lose_the_files(stage: Stage, voice: Voice, words: str, move: Callable[[Path, Path], None]) -> None:
    """Move the files out of sight, see that the deletes are held, and move them back."""
    voice.step(words)
    before, counted = stage.inspection.objects(), stage.counted()
    aside = stage.place / "aside"
    move(stage.root, aside)
    stage.until(lambda: stage.status()[0] == HELD, "`tcbsync status` does not say that deletes are held")
    kept = stage.inspection.objects()
    if kept != before or stage.counted().deletes != counted.deletes:
        raise StoryFailed(f"of {len(before)} objects {len(kept)} are left: something was deleted")
    voice.note(f"held: nothing was deleted, the cloud has all {len(kept)} objects; status exits with {HELD}")
    voice.step("put everything back")
    move(aside, stage.root)
    stage.until(lambda: _is_well(stage), "`tcbsync status` does not say that all is well again")
    voice.equal(stage.until_equal())
    if stage.counted() != counted:
        raise StoryFailed("everything came back unchanged, and yet something was sent or deleted")
    voice.note("nothing was sent, and nothing deleted; status exits with 0")


def _is_well(stage: Stage) -> bool:
    code, mirror = stage.status()
    return code == 0 and mirror.get("state") == "in_sync"


def _move_itself(source: Path, target: Path) -> None:
    source.rename(target)


def _move_what_it_holds(source: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    for entry in list(source.iterdir()):
        entry.rename(target / entry.name)


LOSSES: tuple[tuple[str, Callable[[Path, Path], None]], ...] = (
    ("move the folder itself away, as an unmount does", _move_itself),
    ("empty the folder, as a build that failed does", _move_what_it_holds),
)
