"""`manifest export` and `manifest import`: the manifest as text, and back, on this host or another."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tcbsync.cli import exits
from tcbsync.cli.main import main
from tests.cli.stage import ENV, PREFIX, Result, environment, eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.stage import Stage

ROW: dict[str, Any] = {
    "mirror": "site",
    "env": ENV,
    "prefix": PREFIX,
    "path": "d/a.txt",
    "file_id": f"cloud://{ENV}.7465-{ENV}-1300000000/{PREFIX}d/a.txt",
    "size": 1,
    "md5": "0cc175b9c0f1b6a831c399e269772661",
    "fingerprint": {"mtime_ns": 1, "ctime_ns": 2, "inode": 3},
    "state": "proved",
}


def run(stage: Stage, what: str, *arguments: object) -> Result:
    """Run one part of the verb."""
    stage._capsys.readouterr()
    code = main(["manifest", what, "-c", str(stage.config), *map(str, arguments)])
    return Result(code, *stage._capsys.readouterr())


def exported(stage: Stage, file: Path) -> Path:
    """Export everything into a file."""
    result = run(stage, "export")
    assert (result.code, result.err) == (exits.DONE, "")
    file.write_text(result.out)
    return file


def written(file: Path, *documents: object, count: int | None = None) -> Path:
    """Write an export of these rows, of which texts are lines as they are."""
    header = {"tcbsync manifest": 1, "rows": len(documents) if count is None else count}
    lines = [each if isinstance(each, str) else json.dumps(each) for each in (header, *documents)]
    file.write_text("".join(line + "\n" for line in lines))
    return file


def test_an_export_says_what_is_known(stage: Stage) -> None:
    """One line for each file, in the format that the documentation gives, after one that counts them."""
    stage.write(a="a", d__b="b", bad="bad")
    stage.refuse()
    stage.run("sync")

    header, *lines = map(json.loads, run(stage, "export").lines)

    assert header == {"tcbsync manifest": 1, "rows": 3}
    rows = {line["path"]: line for line in lines}
    assert rows.keys() == {"a.txt", "d/b.txt", "bad.txt"}
    found = (stage.root / "a.txt").stat()
    assert rows["a.txt"] == {
        **ROW,
        "path": "a.txt",
        "file_id": rows["a.txt"]["file_id"],
        "fingerprint": {"mtime_ns": found.st_mtime_ns, "ctime_ns": found.st_ctime_ns, "inode": found.st_ino},
    }
    assert rows["a.txt"]["file_id"].endswith("/site/a.txt")
    assert (rows["bad.txt"]["state"], rows["bad.txt"]["md5"], rows["bad.txt"]["file_id"]) == ("upload", None, None)


def test_into_a_new_state_directory_and_nothing_is_sent(stage: Stage, tmp_path: Path) -> None:
    """Nobody is locked in: what was exported is all that it takes. Taken in once more, it changes nothing."""
    stage.write(a="a", d__b="b")
    stage.run("sync")
    file = exported(stage, tmp_path / "export.jsonl")
    shutil.rmtree(stage.state_dir)

    taken, again = run(stage, "import", file, "--json"), run(stage, "import", file, "--json")
    calls = stage.calls
    synced = stage.run("sync")

    assert taken.json == {"proved": 2, "in_doubt": 0, "known": 0, "empty": 0}
    assert again.json == {"proved": 0, "in_doubt": 0, "known": 2, "empty": 0}
    assert synced.code == exits.DONE
    assert "nothing to do, 2 files in the cloud" in synced.out
    assert stage.calls == calls
    assert exported(stage, tmp_path / "again.jsonl").read_text() == file.read_text()


def test_on_another_host_files_are_read_and_not_sent(stage: Stage, tmp_path: Path) -> None:
    """There every inode and time is another; the bytes are the same. What is gone there is deleted."""
    stage.write(a="a", d__b="b", gone="gone")
    stage.run("sync")
    file = exported(stage, tmp_path / "export.jsonl")
    shutil.rmtree(stage.state_dir)
    shutil.copytree(stage.root, tmp_path / "other", copy_function=shutil.copyfile)
    shutil.rmtree(stage.root)
    (tmp_path / "other").rename(stage.root)
    (stage.root / "gone.txt").unlink()

    taken = run(stage, "import", file)
    synced = stage.run("sync", "--json")

    assert (
        taken.lines[0] == "3 files taken in as proved, 0 in doubt; 0 were here already, and for 0 nothing was ever sent"
    )
    (mirror,) = synced.json["mirrors"]
    assert (mirror["touched"], mirror["uploaded"], mirror["deleted"]) == (2, 0, 1)
    assert stage.objects() == {"a.txt": b"a", "d/b.txt": b"b"}


def test_what_is_not_proved_comes_in_doubt(stage: Stage, tmp_path: Path) -> None:
    """It is sent again where it is there, and deleted where it is not; what was never sent is nothing to know."""
    stage.write(a="a", b="b", c="c")
    stage.run("sync")
    rows = [json.loads(line) for line in run(stage, "export").lines[1:]]
    doubtful = [{**row, "state": "upload", "md5": None} for row in rows]
    doubtful.append({**ROW, "path": "never.txt", "file_id": None, "md5": None, "state": "upload"})
    shutil.rmtree(stage.state_dir)
    (stage.root / "c.txt").unlink()

    taken = run(stage, "import", written(tmp_path / "export", *doubtful), "--json")
    synced = stage.run("sync", "--json")

    assert taken.json == {"proved": 0, "in_doubt": 3, "known": 0, "empty": 1}
    (mirror,) = synced.json["mirrors"]
    assert (mirror["uploaded"], mirror["deleted"]) == (2, 1)
    assert stage.objects().keys() == {"a.txt", "b.txt"}


def test_what_is_here_stays_as_it_is(stage: Stage, tmp_path: Path) -> None:
    """Whatever the export says of it; only a row that knows of no object learns of it."""
    stage.write(a="a", bad="bad")
    stage.refuse()
    stage.run("sync")
    a = {**ROW, "path": "a.txt", "md5": "f" * 32}
    bad = {**ROW, "path": "bad.txt", "md5": None, "state": "upload"}

    taken = run(stage, "import", written(tmp_path / "export", a, bad), "--json")

    assert taken.json == {"proved": 0, "in_doubt": 1, "known": 1, "empty": 0}
    rows = {row["path"]: row for row in map(json.loads, run(stage, "export").lines[1:])}
    assert rows["a.txt"]["md5"] == ROW["md5"]
    assert (rows["bad.txt"]["file_id"], rows["bad.txt"]["md5"]) == (ROW["file_id"], None)


WRONG = {
    "no JSON": "{",
    "no object": [],
    "a field is missing": {key: value for key, value in ROW.items() if key != "size"},
    "a number that is a text": {**ROW, "size": "1"},
    "no mirror": {**ROW, "mirror": ""},
    "leads out": {**ROW, "path": "../a"},
    "absolute": {**ROW, "path": "/a"},
    "empty path": {**ROW, "path": "", "prefix": ""},
    "not in NFC": {**ROW, "path": "e\u0301"},
    "surrogates": {**ROW, "path": "\udcff"},
    "no file_id": {**ROW, "file_id": "https://x"},
    "no MD5": {**ROW, "md5": "0"},
    "an MD5 of nothing": {**ROW, "file_id": None},
    "no state": {**ROW, "state": "lost"},
    "a size below nothing": {**ROW, "size": -1},
    "an inode that is too large": {**ROW, "fingerprint": {"mtime_ns": 1, "ctime_ns": 1, "inode": 2**64}},
}


def test_every_wrong_line_is_named_and_nothing_is_taken(stage: Stage, tmp_path: Path) -> None:
    """All at once, with its number; sound lines among them are not taken in either."""
    file = written(tmp_path / "export", ROW, *WRONG.values())

    result = run(stage, "import", file)

    assert result.code == exits.FAILED
    for number, name in enumerate(WRONG, start=3):
        assert f"  line {number}: " in result.err, name
    assert "line 2:" not in result.err
    assert not stage.state_dir.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "line 1: there is none"),
        ("{}\n", "line 1: this is not the first line of an export"),
        ('{"tcbsync manifest": 2, "rows": 0}\n', "the export has format 2; this version of tcbsync reads 1"),
        ('{"tcbsync manifest": 1, "rows": 1}\n', "line 1 promises 1 rows, and there are 0: was the file cut off?"),
    ],
)
def test_what_is_no_whole_export_is_refused(stage: Stage, tmp_path: Path, content: str, words: str) -> None:
    """Cut off, of a later format, or something else."""
    file = tmp_path / "export"
    file.write_text(content)

    result = run(stage, "import", file)

    assert result.code == exits.FAILED
    assert words in result.err


def test_a_file_that_is_not_there(stage: Stage, tmp_path: Path) -> None:
    """It is named."""
    result = run(stage, "import", tmp_path / "missing")

    assert (result.code, result.out) == (exits.FAILED, "")
    assert "missing cannot be read: No such file or directory" in result.err


def test_rows_of_a_mirror_that_nobody_configured(stage: Stage, tmp_path: Path) -> None:
    """They are taken in, and it is said that nothing will be done with them."""
    result = run(stage, "import", written(tmp_path / "export", {**ROW, "mirror": "other"}))

    assert result.code == exits.DONE
    assert f"the configuration has no mirror other to {ENV}/{PREFIX}" in result.err


def test_only_one_mirror(stage: Stage) -> None:
    """`--mirror` names it; one that is not configured is refused, and so is an export of nothing."""
    empty = run(stage, "export")
    stage.write(a="a")
    stage.run("sync")

    assert (empty.code, empty.out) == (exits.FAILED, "")
    assert "there is no manifest in" in empty.err
    assert len(run(stage, "export", "--mirror", "site").lines) == 2
    assert run(stage, "export", "--mirror", "other").code == exits.CONFIG


@pytest.mark.slow
def test_beside_a_daemon(stage: Stage, tmp_path: Path) -> None:
    """An export is made; an import is refused in the daemon's name."""
    stage.write(a="a", b="b")

    with stage.daemon() as daemon:
        eventually(lambda: stage.objects().keys() == {"a.txt", "b.txt"})
        eventually(lambda: "site: in sync" in stage.run("status").out)
        file = exported(stage, tmp_path / "export")
        refused = run(stage, "import", file)
        assert daemon.process.poll() is None

    assert len(file.read_text().splitlines()) == 3
    assert refused.code == exits.FAILED
    assert f"in use by tcbsync run (process {daemon.process.pid})" in refused.err


@pytest.mark.slow
def test_an_export_takes_no_more_memory_for_more_rows(stage: Stage, tmp_path: Path) -> None:
    """It streams, to a reader that may be slow; and it is taken in again whole."""
    rows = [{**ROW, "path": f"d{number % 99}/{number}.txt"} for number in range(100_000)]
    for row in rows:
        row["file_id"] = f"cloud://{ENV}.7465-{ENV}-1300000000/{PREFIX}{row['path']}"
    run(stage, "import", written(tmp_path / "export", *rows))
    peaks = {}

    for mirror in ("site", "none"):
        stage.configure(mirrors=[{"name": "none", "root": str(tmp_path / "none"), "env": ENV, "prefix": "none/"}])
        command = ["tcbsync", "manifest", "export", "-c", str(stage.config), "--mirror", mirror]
        command = [*stage.command("manifest")[:3], *command[1:]]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment()) as process:
            assert process.stdout is not None
            lines = sum(1 for _ in process.stdout)
            peaks[lines] = os.wait4(process.pid, 0)[2].ru_maxrss
            process.returncode = 0

    assert peaks.keys() == {1, 100_001}
    assert peaks[100_001] - peaks[1] < 24_000, peaks  # KiB; SQLite's own cache is 16,000 of it
