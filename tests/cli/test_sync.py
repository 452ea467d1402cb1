"""`sync`: mirrors once, says what was done and what was not, and ends with the code that stands for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tcbsync.cli import exits
from tcbsync.emulator.server import Fault
from tcbsync.engine import mirror
from tests.cli.stage import ENV, PREFIX

if TYPE_CHECKING:
    import pytest

    from tests.cli.stage import Stage


def test_what_is_done_is_summed_up(stage: Stage) -> None:
    """Exit 0 after files have gone up and down, with one line a mirror; the cloud then holds what the disk does."""
    stage.write(a="hello", sub__b="b", gone="gone")
    first = stage.run("sync")
    stage.write(a="changed")
    (stage.root / "gone.txt").unlink()

    second = stage.run("sync")

    assert (first.code, second.code) == (exits.DONE, exits.DONE)
    assert first.out.startswith("site: 3 files uploaded (10 bytes), 0 deleted, 3 files in the cloud, ")
    assert second.out.startswith("site: 1 file uploaded (7 bytes), 1 deleted, 2 files in the cloud, ")
    assert (first.err, second.err) == ("", "")
    assert stage.objects() == {"a.txt": b"changed", "sub/b.txt": b"b"}


def test_with_nothing_to_do_nothing_is_asked(stage: Stage) -> None:
    """A second sync makes no request at all, and says that there was nothing to do."""
    stage.write(a="hello")
    stage.run("sync")
    before = stage.calls

    result = stage.run("sync")

    assert result.code == exits.DONE
    assert result.out.startswith("site: nothing to do, 1 file in the cloud, ")
    assert stage.calls == before


def test_failed_files_are_told_of(stage: Stage) -> None:
    """Exit 3 when a file was refused for good; the others are up, and the next step is named."""
    stage.write(good="good", bad="bad")
    stage.refuse()

    result = stage.run("sync")

    assert result.code == exits.INCOMPLETE
    assert result.out.startswith("site: 1 file uploaded (4 bytes), 0 deleted, 1 file in the cloud, ")
    assert result.err == "site: 1 file failed; `tcbsync failed` says which, and why\n"
    assert stage.objects() == {"good.txt": b"good"}


def test_a_path_that_cannot_be_looked_at_is_told_of(stage: Stage) -> None:
    """Exit 3 when two names meet in one key: neither is sent, and the next step is named."""
    for name in ("caf\u00e9", "cafe\u0301"):
        (stage.root / name).write_text(name, "utf-8")

    result = stage.run("sync")

    assert result.code == exits.INCOMPLETE
    assert result.err == "site: 1 path could not be looked at; `tcbsync failed` says which, and why\n"
    assert stage.objects() == {}


def test_an_emptied_root_is_held(stage: Stage) -> None:
    """Exit 4 when every file is gone: nothing is deleted, and the message names the verbs that decide."""
    stage.write(a="a", b="b")
    stage.run("sync")
    for path in stage.root.iterdir():
        path.unlink()

    result = stage.run("sync")

    assert result.code == exits.HELD
    assert result.err == (
        "site: 2 deletes held: the root holds no files any more; 2 objects would be deleted;"
        " see `tcbsync held`, then `tcbsync approve site`\n"
    )
    assert set(stage.objects()) == {"a.txt", "b.txt"}


def test_more_deletes_than_the_limit_are_held(stage: Stage) -> None:
    """Exit 4 when more would go than guard allows; what is new goes up all the same."""
    stage.configure(guard={"max_deletes": 1, "max_delete_percent": None})
    stage.write(a="a", b="b", c="c")
    stage.run("sync")
    stage.write(new="new")
    (stage.root / "a.txt").unlink()
    (stage.root / "b.txt").unlink()

    result = stage.run("sync")

    assert result.code == exits.HELD
    assert "2 deletes held: 2 objects would be deleted; the limit is 1 (guard.max_deletes)" in result.err
    assert set(stage.objects()) == {"a.txt", "b.txt", "c.txt", "new.txt"}


def test_a_missing_root_is_held(stage: Stage) -> None:
    """Exit 4 when the root is gone, as an unmounted volume is: nothing is deleted, and the message says so."""
    stage.write(a="a")
    stage.run("sync")
    stage.root.rename(stage.root.with_name("elsewhere"))

    result = stage.run("sync")

    assert result.code == exits.HELD
    assert f"site: held: root {stage.root} is missing; is the volume mounted? Nothing is deleted\n" in result.err
    assert set(stage.objects()) == {"a.txt"}


def test_a_root_that_goes_missing_with_work_left_ends(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sync with uploads left from before ends too when the root is gone, instead of trying for ever."""
    monkeypatch.setattr(mirror, "OUTAGE_SECONDS", 0.0)
    stage.write(a="a")
    stage.close_cloud()
    stage.run("sync")
    stage.root.rename(stage.root.with_name("elsewhere"))

    result = stage.run("sync")

    assert result.code in (exits.HELD, exits.UNREACHABLE)
    assert f"root {stage.root} is missing" in result.err


def test_a_service_that_is_down_is_named_with_what_is_left(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 75 when nobody answers: how much is left for the next sync, and what the trouble was."""
    monkeypatch.setattr(mirror, "OUTAGE_SECONDS", 0.1)
    stage.write(a="a", b="b")
    stage.run("sync")
    stage.write(a="other", new="new")
    (stage.root / "b.txt").unlink()
    stage.close_cloud()

    result = stage.run("sync")

    first, second = result.err.splitlines()
    assert result.code == exits.UNREACHABLE
    assert first == "site: the service could not be reached; left for the next sync: 2 uploads and 1 delete"
    assert "no connection" in second


def test_after_an_outage_the_next_sync_does_the_rest(stage: Stage) -> None:
    """What a sync could not do because of the service, the next one does, without being told."""
    stage.write(a="a")
    stage.cloud.install(Fault(call="uploadfile", kind="errcode", errcode=45009, count=1))
    first = stage.run("sync")

    second = stage.run("sync")

    assert (first.code, second.code) == (exits.UNREACHABLE, exits.DONE)
    assert "site: the service wants a pause; left for the next sync: 1 upload\n" in first.err
    assert stage.objects() == {"a.txt": b"a"}


def test_only_the_mirrors_that_are_named(stage: Stage) -> None:
    """`--mirror` may be given more than once, and the same one twice; the others are left alone."""
    roots = {name: stage.root.with_name(name) for name in ("two", "three")}
    for name, root in roots.items():
        root.mkdir()
        (root / f"{name}.txt").write_text(name)
    more = [{"name": name, "root": str(root), "env": ENV, "prefix": f"{name}/"} for name, root in roots.items()]
    stage.configure(mirrors=more)
    stage.write(a="a")

    result = stage.run("sync", "--mirror", "two", "--mirror", "site", "--mirror", "two")

    assert result.code == exits.DONE
    assert [line.partition(",")[0] for line in result.lines] == [
        "two: 1 file uploaded (3 bytes)",
        "site: 1 file uploaded (1 byte)",
    ]
    assert set(stage.objects()) == {"a.txt", "two/two.txt"}


def test_the_most_urgent_code_of_several_mirrors_counts(stage: Stage) -> None:
    """With one mirror done and one whose root is missing, the code is that of the trouble."""
    more = [{"name": "two", "root": str(stage.root.with_name("two")), "env": ENV, "prefix": "two/"}]
    stage.configure(mirrors=more)
    stage.write(a="a")

    result = stage.run("sync")

    assert result.code == exits.HELD
    assert [line.partition(":")[0] for line in result.lines] == ["site", "two"]
    assert stage.objects() == {"a.txt": b"a"}


def test_the_report_as_json(stage: Stage) -> None:
    """`--json` gives the same as values, and nothing else on standard output."""
    stage.write(good="good", bad="bad")
    stage.refuse()

    result = stage.run("sync", "--json")

    (described,) = result.json["mirrors"]
    assert result.code == exits.INCOMPLETE
    assert result.json["seconds"] >= 0
    assert described == {
        "name": "site",
        "files": 1,
        "uploaded": 1,
        "uploaded_bytes": 4,
        "touched": 0,
        "deleted": 0,
        "pending_uploads": 0,
        "pending_deletes": 0,
        "failed": 1,
        "held_deletes": 0,
        "problems": 0,
        "hold": None,
        "service": {"state": "ok", "last_error": None},
    }
    assert set(stage.objects()) == {"good.txt"}


def test_new_times_alone_send_nothing(stage: Stage) -> None:
    """A file that was touched is read, counted as touched, and not sent."""
    stage.write(a="a")
    stage.run("sync")
    before = stage.cloud.counters.calls["cos"]
    (stage.root / "a.txt").touch()

    result = stage.run("sync", "--json")

    assert result.json["mirrors"][0]["touched"] == 1
    assert stage.cloud.counters.calls["cos"] == before


def test_the_prefix_stands_before_every_key(stage: Stage) -> None:
    """What is mirrored lies below the prefix, in the mirror's own env."""
    stage.write(a="a")

    stage.run("sync")

    assert set(stage.cloud.objects()) == {(ENV, f"{PREFIX}a.txt")}
