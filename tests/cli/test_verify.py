"""`verify`: asks the cloud about every file that is believed to be there, and mends what is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest

from tcbsync.cli import exits
from tcbsync.emulator.server import Fault
from tests.cli.stage import ENV, PREFIX

if TYPE_CHECKING:
    from tests.cli.stage import Stage

MENDING = "`tcbsync verify --repair` uploads again what is not as it should be"


def lose(stage: Stage, *names: str) -> None:
    """Let the cloud lose objects, behind everybody's back."""
    for name in names:
        stored = stage.cloud._service.storage.objects.pop((ENV, PREFIX + name))
        stage.cloud._service.storage.path(stored).unlink()


def spoil(stage: Stage, name: str, text: str) -> None:
    """Let somebody else overwrite an object: the manifest of this mirror does not know."""
    other = stage.root.with_name("other")
    other.mkdir()
    (other / name).write_text(text)
    mine = stage.config.read_text("utf-8")
    state = stage.state_dir
    stage.config.write_text(mine.replace(str(stage.root), str(other)).replace(str(state), f"{state}-other"), "utf-8")
    assert stage.run("sync").code == exits.DONE
    stage.config.write_text(mine, "utf-8")


def test_all_is_as_it_should_be(stage: Stage) -> None:
    """Exit 0 and the number of files, each of which was asked for."""
    stage.write(a="a", sub__b="b")
    stage.run("sync")

    result = stage.run("verify")

    assert (result.code, result.out) == (exits.DONE, "site: 2 files as they should be\n")
    assert stage.cloud.counters.calls["download"] == 2


def test_one_file_is_not_files(stage: Stage) -> None:
    """Words agree with the number."""
    stage.write(a="a")
    stage.run("sync")

    result = stage.run("verify")

    assert result.out == "site: 1 file as it should be\n"


def test_before_the_first_sync(stage: Stage) -> None:
    """Nothing is believed to be there, and nothing is asked."""
    result = stage.run("verify")

    assert (result.code, result.out, stage.calls) == (exits.DONE, "site: 0 files as they should be\n", 0)


def test_a_lost_object(stage: Stage) -> None:
    """Exit 3 with the path, what is wrong, and the way to mend it."""
    stage.write(a="a", b="b")
    stage.run("sync")
    lose(stage, "a.txt")

    result = stage.run("verify")

    assert result.code == exits.INCOMPLETE
    assert result.lines == ["a.txt: the cloud does not have it", "site: 1 file as it should be, 1 not", MENDING]


@pytest.mark.parametrize(
    ("text", "reason"), [("b", "the cloud has other bytes"), ("bb", "the cloud has 2 bytes, the file has 1")]
)
def test_an_object_that_somebody_overwrote(stage: Stage, text: str, reason: str) -> None:
    """Exit 3 where the bytes in the cloud are others, whatever their size."""
    stage.write(a="a")
    stage.run("sync")
    spoil(stage, "a.txt", text)

    result = stage.run("verify")

    assert result.code == exits.INCOMPLETE
    assert result.lines[0] == f"a.txt: {reason}"


def test_what_cannot_be_asked_is_not_called_wrong(stage: Stage) -> None:
    """A download host in trouble says nothing of the file: exit 3, unsure, and nothing to mend."""
    stage.write(a="a", b="b")
    stage.run("sync")
    stage.cloud.install(Fault(call="download", kind="http", status=502, key="*a.txt"))

    result = stage.run("verify", "--repair")

    assert result.code == exits.INCOMPLETE
    assert result.lines[0].startswith("a.txt: HEAD ")
    assert result.lines[1] == "site: 1 file as it should be, 1 could not be asked"
    assert result.err == ""


@pytest.mark.parametrize("kind", ["no_etag", "wrong_etag"])
def test_bytes_that_nobody_vouches_for(stage: Stage, kind: Literal["no_etag", "wrong_etag"]) -> None:
    """A right size without an MD5 is no proof: exit 3, unsure, and nothing is mended."""
    stage.write(a="a", b="b")
    stage.run("sync")
    stage.cloud.install(Fault(call="download", kind=kind, etag='"no-md5"', key="*a.txt"))

    result = stage.run("verify", "--repair")

    assert result.code == exits.INCOMPLETE
    assert result.lines[0] == "a.txt: the download host gives no MD5 of it"
    assert result.lines[1] == "site: 1 file as it should be, 1 could not be asked"
    assert result.err == ""


def test_a_download_host_that_does_not_know_it(stage: Stage) -> None:
    """Exit 3 where the API knows an object that nobody can download: what players get is what counts."""
    stage.write(a="a", b="b")
    stage.run("sync")
    stage.cloud.install(Fault(call="download", kind="http", status=404, key="*a.txt"))

    result = stage.run("verify")

    assert result.code == exits.INCOMPLETE
    assert result.lines[0] == "a.txt: the download host does not have it"


def test_a_file_that_the_answer_leaves_out_is_not_called_wrong(stage: Stage) -> None:
    """What the service says nothing of could not be asked: exit 3, and nothing to mend."""
    stage.write(a="a", b="b")
    stage.run("sync")
    stage.cloud.install(Fault(call="batchdownloadfile", kind="missing_item", key="*a.txt"))

    result = stage.run("verify", "--repair")

    assert result.code == exits.INCOMPLETE
    assert result.lines == [
        "a.txt: the service left this file out of its answer",
        "site: 1 file as it should be, 1 could not be asked",
    ]


def test_what_is_not_uploaded_yet_is_counted_apart(stage: Stage) -> None:
    """A file that waits for its next try is not believed to be there: it is neither right nor wrong."""
    stage.write(slow="slow")
    stage.trouble()
    stage.run("sync")

    result = stage.run("verify")

    assert result.out == "site: 1 file as it should be, 1 not uploaded yet\n"


def test_the_findings_as_json(stage: Stage) -> None:
    """Each mirror with its counts, and each path that is not right with the reason."""
    stage.write(a="a", b="b", c="c")
    stage.run("sync")
    lose(stage, "a.txt")
    stage.cloud.install(Fault(call="download", kind="http", status=502, key="*b.txt"))

    result = stage.run("verify", "--json")

    (described,) = result.json
    assert result.code == exits.INCOMPLETE
    assert described.keys() == {"mirror", "good", "pending", "wrong", "unsure"}
    assert (described["mirror"], described["good"], described["pending"]) == ("site", 1, 0)
    assert described["wrong"] == [{"path": "a.txt", "reason": "the cloud does not have it"}]
    assert [each["path"] for each in described["unsure"]] == ["b.txt"]


def test_repair_uploads_again(stage: Stage) -> None:
    """Exit 0 after what was lost or overwritten is up again, and nothing else was sent."""
    stage.write(a="a", b="b", c="c")
    stage.run("sync")
    lose(stage, "a.txt")
    spoil(stage, "b.txt", "somebody else's")
    before = stage.cloud.counters.calls["cos"]

    result = stage.run("verify", "--repair")

    assert result.code == exits.DONE
    assert result.lines[-1] == "site: 1 file as it should be, 2 not"
    assert result.err == "site: 2 files uploaded again\n"
    assert stage.objects() == {"a.txt": b"a", "b.txt": b"b", "c.txt": b"c"}
    assert stage.cloud.counters.calls["cos"] == before + 2


def test_repair_keeps_the_json_clean(stage: Stage) -> None:
    """With --json, standard output is JSON and nothing else, also when something is mended."""
    stage.write(a="a")
    stage.run("sync")
    lose(stage, "a.txt")

    result = stage.run("verify", "--repair", "--json")

    assert result.code == exits.DONE
    assert [each["path"] for each in result.json[0]["wrong"]] == ["a.txt"]
    assert result.err == "site: 1 file uploaded again\n"


def test_repair_that_fails_is_told(stage: Stage) -> None:
    """Exit 3 where what was lost cannot be uploaded again."""
    stage.write(bad="bad")
    stage.run("sync")
    lose(stage, "bad.txt")
    stage.refuse()

    result = stage.run("verify", "--repair")

    assert result.code == exits.INCOMPLETE
    assert result.err == "site: 0 files uploaded again\n"
    assert stage.run("failed").lines[0].split()[:3] == ["site", "bad.txt", "40097"]


def test_many_files_go_in_batches(stage: Stage) -> None:
    """A hundred and twenty files are three calls, and each is found."""
    stage.write(**{f"f{number}": "x" for number in range(120)})
    stage.run("sync")

    result = stage.run("verify")

    assert result.out == "site: 120 files as they should be\n"
    assert stage.cloud.counters.calls["batchdownloadfile"] == 3


def test_a_service_that_is_down(stage: Stage) -> None:
    """Exit 75 and no finding at all: nobody was asked."""
    stage.write(a="a")
    stage.run("sync")
    stage.close_cloud()

    result = stage.run("verify")

    assert (result.code, result.out) == (exits.UNREACHABLE, "")
    assert result.err.startswith("tcbsync: ")
