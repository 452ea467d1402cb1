"""The table of byte classes is what passes over the wire: nothing is forgotten, and nothing is made up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.wire import cases, messages
from tests.wire.line import laid
from tests.wire.proxy import FIN, WHOLE

if TYPE_CHECKING:
    from pathlib import Path


async def test_the_table_is_what_passes(tmp_path: Path) -> None:
    """Every class that is found in what passes is in the table, and every class of the table passes."""
    async with laid(tmp_path / "line") as line:
        line.proxy.seen.clear()
        for call in ("upload large", "upload empty", "token"):
            line.change(call)
            await line.sync()
        await line.verify()

        seen = {call: sorted(classes) for call, classes in line.proxy.seen.items()}

    # The token call and the downloads are made by every client anew.
    assert seen == {call: sorted(classes) for call, classes in cases.CLASSES.items()}


def test_every_class_lies_within_its_message() -> None:
    """Classes are found where they are: the bytes of each are what its name says."""
    form = (
        b"POST /cos/b/k HTTP/1.1\r\nHost: h\r\nContent-Length: 158\r\n\r\n"
        b'--abc\r\nContent-Disposition: form-data; name="key"\r\n\r\nk\r\n'
        b'--abc\r\nContent-Disposition: form-data; name="file"; filename="file"\r\n\r\nxyz\r\n--abc--\r\n'
    )

    message = messages.request(form, len(form))

    found = {span.name: form[span.start : span.end] for span in message.spans}
    assert message.call == "upload small"
    assert found["path"] == b"/cos/b/k"
    assert found["header Host"] == b"h"
    assert found["end of headers"] == b"\r\n"
    assert found["boundary before key"] == found["boundary before file"] == b"--abc"
    assert found["part headers of key"] == b'Content-Disposition: form-data; name="key"'
    assert found["value of key"] == b"k"
    assert [found[f"file: {which} byte"] for which in ("first", "middle", "last")] == [b"x", b"y", b"z"]
    assert found["closing boundary"] == b"\r\n--abc--\r\n"
    assert found[messages.BEHIND] == b""


def test_the_cross_product_is_whole() -> None:
    """Each fault that means something strikes each class of each call."""
    every = set(cases.every())

    assert len(every) > 2500
    assert {(case.call, case.where) for case in every if case.where != WHOLE} == {
        (call, where) for call, classes in cases.CLASSES.items() for where in classes
    }
    assert all((call, where, FIN, 1) in every for call in cases.CLASSES for where in cases.SEAMS)


def test_the_samples_are_of_the_product() -> None:
    """What the tests play is part of the whole; the quick ones meet every fault and every class that is no name."""
    every, sample = set(cases.every()), list(cases.sample())

    assert set(cases.rotation()) <= every
    assert set(sample) <= every
    assert {case.fault for case in sample} == {*cases.FAULTS, *cases.WHOLE_FAULTS}
    assert {case.where for case in sample} == {case.where for case in every if not cases.is_name(case.where)}
