"""The stage: its configuration is one that the daemon takes, and what goes wrong on it is said and swept away."""

from __future__ import annotations

import io
import os
import tempfile
from typing import TYPE_CHECKING

import pytest
import yaml

from tcbsync.config.load import load
from tcbsync.demo import story
from tcbsync.demo.interrupt import Interruption
from tcbsync.demo.stage import Stage, StoryFailed, quoted, stage
from tcbsync.demo.voice import Voice

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tcbsync.demo.processes import Child

ODD = ["plain", "/srv/空 dir", "a\"b'c\\d", "new\nline\ttab", "\u2028\x85\xa0\ufeff", "😀", "{url}: #x", ""]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have temporary files in a folder of the test's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("text", ODD)
def test_quoted(text: str) -> None:
    """Whatever a path holds, YAML reads back the very same text."""
    document = f"root: {quoted(text)}\n"

    assert yaml.safe_load(document) == {"root": text}


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in ODD if name and "/" not in name])
def test_configuration(place: Path, name: str) -> None:
    """The configuration that is written loads, and its root is the folder, however that is called."""
    root = place / name
    root.mkdir()

    with Interruption() as interruption, stage(root, interruption) as built:
        built.open()
        config = load(built.config)

    assert os.fsencode(config.mirrors[0].root) == os.fsencode(root)
    assert [entry.name for entry in place.iterdir()] == [name]


def _never_equal(built: Stage, _voice: Voice) -> None:
    (built.root / "lonely.txt").write_bytes(b"nobody mirrors this")
    built.patience_seconds = 1
    built.until_equal()


def _never_comes(built: Stage, _voice: Voice) -> None:
    built.patience_seconds = 1
    built.until(lambda: None, "it never comes")


def _dies(built: Stage, _voice: Voice) -> None:
    built.config.write_text("nonsense: true\n")
    built.start_daemon()
    while True:
        built.pause()


def _ends_badly(built: Stage, _voice: Voice) -> None:
    built.config.write_text("nonsense: true\n")
    built.start_daemon()
    assert built._daemon is not None
    built._daemon._process.wait()
    built.stop_daemon()


def _loses_the_cloud(built: Stage, _voice: Voice) -> None:
    assert built._emulator is not None
    built._emulator.kill()
    built.compare()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("act", "words"),
    [
        pytest.param(_never_equal, ["not equal", "lonely.txt", "only on disk"], id="not equal"),
        pytest.param(_never_comes, ["it never comes, after"], id="something does not happen"),
        pytest.param(_dies, ["the daemon ended by itself, with exit code 78", "unknown key"], id="the daemon dies"),
        pytest.param(_ends_badly, ["exit code 78 instead of 0"], id="the daemon does not end well"),
        pytest.param(_loses_the_cloud, ["does not answer"], id="the emulator dies"),
    ],
)
def test_failure_is_told(place: Path, act: Callable[[Stage, Voice], None], words: list[str]) -> None:
    """A step that goes wrong ends the story with exit code 1, says what is wrong, and leaves nothing behind."""
    told = io.StringIO()

    with Interruption() as interruption, stage(None, interruption) as built:
        code = story.play(built, Voice(told), act, stays=False)

    assert code == 1
    assert [word for word in words if word not in told.getvalue()] == []
    assert "All equal" not in told.getvalue()
    assert list(place.iterdir()) == []


def test_exit_of_a_block_ends_the_processes(place: Path) -> None:
    """Whatever is raised on the stage, its processes end and its folder goes."""
    children: list[Child | None] = []

    def raise_amid_it() -> None:
        with Interruption() as interruption, stage(None, interruption) as built:
            built.open()
            children.append(built._emulator)
            raise StoryFailed("enough")

    with pytest.raises(StoryFailed):
        raise_amid_it()

    assert [child.exit_code for child in children if child] == [0]
    assert list(place.iterdir()) == []
