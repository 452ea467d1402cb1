"""`url`: whatever somebody calls a mirrored file, its download link."""

from __future__ import annotations

import os
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tcbsync.cli import exits
from tcbsync.emulator.server import Fault
from tests.cli.stage import ENV

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.stage import Stage

NAMES: dict[str, Callable[[Path], str]] = {
    "in the mirror": lambda _root: "sub/b.txt",
    "in the cloud": lambda _root: "site/sub/b.txt",
    "absolute": lambda root: str(root / "sub" / "b.txt"),
    "with dots": lambda root: str(root / "sub" / ".." / "." / "sub" / "b.txt"),
    "relative": lambda root: os.path.relpath(root / "sub" / "b.txt"),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_found_by_each_of_its_names(stage: Stage, name: str) -> None:
    """A path on the disk, one in the mirror, and one in the cloud, with the prefix, give the same working link."""
    stage.write(sub__b="the bytes")
    stage.run("sync")

    result = stage.run("url", NAMES[name](stage.root))

    assert result.code == exits.DONE
    with urllib.request.urlopen(result.out.strip()) as response:
        assert response.read() == b"the bytes"


def test_names_count_from_where_one_stands(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder of the mirror, also when it was entered through a link, a plain name is the file that lies there."""
    stage.write(a="outer", sub__a="inner")
    real = stage.root.with_name("real")
    stage.root.rename(real)
    stage.root.symlink_to(real)
    stage.run("sync")
    monkeypatch.chdir(real / "sub")

    result = stage.run("url", "a.txt")

    assert result.out.strip().endswith("/site/sub/a.txt")


def test_what_is_not_there_is_named(stage: Stage) -> None:
    """Exit 3 and a sentence for each path without a link; the links of the others come all the same, in order."""
    stage.write(a="a", b="b")
    stage.run("sync")

    result = stage.run("url", "b.txt", "nowhere.txt", "a.txt", b"bad\xff".decode("utf-8", "surrogateescape"))

    assert result.code == exits.INCOMPLETE
    assert [line.rpartition("/")[2] for line in result.lines] == ["b.txt", "a.txt"]
    assert result.err.splitlines() == [
        f"{name}: not in the cloud, as far as is known; `tcbsync plan` and `tcbsync failed` say why"
        for name in ("nowhere.txt", "bad\\udcff")
    ]


def test_a_file_that_the_cloud_lost_is_named(stage: Stage) -> None:
    """Exit 3 where the service says that it has no such object, whatever the manifest believes."""
    stage.write(a="a")
    stage.run("sync")
    stage.cloud.reset()

    result = stage.run("url", "a.txt")

    assert (result.code, result.out) == (exits.INCOMPLETE, "")
    assert result.err.startswith("a.txt: not in the cloud")


def test_links_as_json(stage: Stage) -> None:
    """Each path as it was given, with its link or null."""
    stage.write(a="a")
    stage.run("sync")

    answer = stage.run("url", "--json", "a.txt", "nowhere.txt").json

    assert list(answer) == ["a.txt", "nowhere.txt"]
    assert answer["a.txt"].endswith("/site/a.txt")
    assert answer["nowhere.txt"] is None


def test_nothing_is_asked_for_what_is_not_mirrored(stage: Stage) -> None:
    """Where no path is known, the service is left alone."""
    result = stage.run("url", "nowhere.txt")

    assert result.code == exits.INCOMPLETE
    assert stage.calls == 0


def test_many_paths_go_in_batches(stage: Stage) -> None:
    """Sixty links are two calls: the service takes fifty ids at most."""
    names = [f"f{number}" for number in range(60)]
    stage.write(**dict.fromkeys(names, "x"))
    stage.run("sync")
    before = stage.cloud.counters.calls["batchdownloadfile"]

    result = stage.run("url", *(f"{name}.txt" for name in names))

    assert [line.rpartition("/")[2] for line in result.lines] == [f"{name}.txt" for name in names]
    assert stage.cloud.counters.calls["batchdownloadfile"] == before + 2


def test_mirrors_of_two_environments(stage: Stage) -> None:
    """Each file is asked for in its own environment; `--mirror` narrows where it is looked for."""
    other = stage.root.with_name("other")
    other.mkdir()
    (other / "o.txt").write_text("o")
    stage.configure(mirrors=[{"name": "other", "root": str(other), "env": "other-env"}])
    stage.write(a="a")
    stage.run("sync")

    both = stage.run("url", "a.txt", "o.txt")
    one = stage.run("url", "--mirror", "other", "a.txt")

    assert (both.code, one.code) == (exits.DONE, exits.INCOMPLETE)
    assert [f"-{ENV}-" in line for line in both.lines] == [True, False]


def test_a_service_that_is_down(stage: Stage) -> None:
    """Exit 75 and the trouble, in one line."""
    stage.write(a="a")
    stage.run("sync")
    stage.close_cloud()

    result = stage.run("url", "a.txt")

    assert result.code == exits.UNREACHABLE
    assert result.err.startswith("tcbsync: ")
    assert result.err.count("\n") == 1


def test_a_wrong_secret(stage: Stage) -> None:
    """Exit 78, with what to check."""
    stage.write(a="a")
    stage.run("sync")
    stage.cloud.install(Fault(call="token", kind="errcode", errcode=40125))

    result = stage.run("url", "a.txt")

    assert result.code == exits.CONFIG
    assert "check credentials.appid and the secret" in result.err


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "long"])
def test_a_time_that_is_none_is_wrong_usage(stage: Stage, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 2 for a `--max-age` that is no positive number of seconds."""
    with pytest.raises(SystemExit) as caught:
        stage.run("url", "--max-age", text, "a.txt")

    assert caught.value.code == exits.USAGE
    assert f"'{text}' is no number of seconds" in capsys.readouterr().err


def test_the_current_folder_need_not_be_a_mirror(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """From anywhere, a path in the mirror is found."""
    stage.write(a="a")
    stage.run("sync")
    monkeypatch.chdir(Path("/"))

    result = stage.run("url", "a.txt")

    assert result.out.strip().endswith("/site/a.txt")
