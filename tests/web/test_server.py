"""What is answered over HTTP: who may ask, what, how, and what a browser may do with it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from typing import TYPE_CHECKING

import pytest

from tcbsync.core.errors import StateError
from tcbsync.web.server import HEADERS, Site, keep_serving
from tcbsync.web.thumbnails import BLANK
from tests.web.test_thumbnails import PNG
from tests.web.viewing import Document, served_in

if TYPE_CHECKING:
    from pathlib import Path

    from tcbsync.web.view import Source

EVERY = ("/", "/page.json", "/page.css", "/page.js", "/icon-well.svg", "/metrics", "/healthz", "/readyz", "/thumbnail")


async def test_the_page(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is whole, and of now."""
    async with served_in(tmp_path, caplog) as served:
        (served.desk.root / "a.txt").write_text("hello")
        await served.sync()

        answer = await served.get("/")

    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "The cloud holds what the disk holds: 1 file (5 bytes)." in Document(answer.text).texts


async def test_its_refresh(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The part that changes is the same as in the page, as JSON."""
    async with served_in(tmp_path, caplog) as served:
        await served.sync()

        answer = await served.get("/page.json")
        whole = await served.get("/")

    told = json.loads(answer.body)
    assert told.keys() == {"title", "mood", "main"}
    assert told["main"] in whole.text
    assert told["title"] in whole.text


async def test_headers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Every answer has them, those that say no too. Nothing says what it is built with."""
    async with served_in(tmp_path, caplog) as served:
        answers = [
            answer
            for path in EVERY
            for answer in (
                await served.get(path),
                await served.get(path, method="POST"),
                await served.get(path, Host="evil.example"),
                await served.get(f"{path}/no-such"),
            )
        ]

    for answer in answers:
        assert HEADERS.items() - answer.headers.items() == set()
        assert "Cache-Control" in answer.headers
    assert "unsafe" not in HEADERS["Content-Security-Policy"]


async def test_other_methods_are_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """There is nothing to change, whatever is asked for."""
    async with served_in(tmp_path, caplog) as served:
        answers = {
            (method, path): await served.get(path, method=method)
            for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
            for path in (*EVERY, "/no-such")
        }

    assert {answer.status for answer in answers.values()} == {405}
    assert {answer.headers["Allow"] for answer in answers.values()} == {"GET, HEAD"}


async def test_head(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The same without the body, for whoever only asks whether it is there."""
    async with served_in(tmp_path, caplog) as served:
        answer = await served.get("/", method="HEAD")

    assert (answer.status, answer.body) == (200, b"")


OURS = (
    *("localhost", "LocalHost:8071", "localhost.", "127.0.0.1:1", "127.9.9.9", "[::1]:8071"),
    *("status.example", "STATUS.example:443", "evil.example@localhost"),
)
STRANGE = (
    *("evil.example", "localhost.evil.example", "localhost@evil.example"),
    *("10.0.0.7", "0.0.0.0:8071", "[::ffff:10.0.0.7]", "", "[", ":"),
)


async def test_only_under_its_own_names(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A page of the open web whose name suddenly points to this host is told nothing, not even at /healthz."""
    paths = ("/", "/metrics", "/healthz", "/page.js")
    async with served_in(tmp_path, caplog, hosts=("status.example",)) as served:
        answers = {host: {(await served.get(path, Host=host)).status for path in paths} for host in (*OURS, *STRANGE)}

    assert {host: min(told) for host, told in answers.items()} == dict.fromkeys(OURS, 200) | dict.fromkeys(STRANGE, 421)
    assert all(len(told) == 1 for told in answers.values())


async def test_two_host_headers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Which of them is meant nobody knows: refused, or answered by a name that is ours, but no more."""
    async with served_in(tmp_path, caplog) as served:
        port = int(served.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: evil.example\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        first = await reader.readline()
        writer.close()

    assert first.split()[1] in (b"400", b"421")


async def test_an_error_repeats_nothing_of_the_request(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What was asked for is not in the answer."""
    async with served_in(tmp_path, caplog) as served:
        answers = [
            await served.get("/<script>alert(1)</script>"),
            await served.get("/thumbnail?mirror=<script>&path=<script>"),
            await served.get("/", Host="<script>"),
        ]

    assert [answer.status for answer in answers] == [404, 404, 421]
    assert not any("<" in answer.text or "script" in answer.text for answer in answers)


async def test_no_other_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What is served is a list of names, not a directory."""
    paths = ("/../server.py", "/static/page.css", "/..%2fserver.py", "/page.css%00", "/page.py")
    async with served_in(tmp_path, caplog) as served:
        answers = [(await served.get(path)).status for path in paths]

    assert answers == [404] * 5


@pytest.mark.parametrize("name", ["a.png", "img/\u5fae\u4fe1 & <b>.png", 'x" onerror="alert(1).png'])
async def test_a_thumbnail(tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str) -> None:
    """Its address is in the page; it is the image, and cannot be anything else."""
    async with served_in(tmp_path, caplog) as served:
        (served.desk.root / name).parent.mkdir(exist_ok=True)
        (served.desk.root / name).write_bytes(PNG)
        await served.sync()
        page = Document((await served.get("/")).text)
        (address,) = [attributes["src"] for tag, attributes in page.elements if tag == "img"]

        answer = await served.get(str(address))

    assert (answer.status, answer.headers["Content-Type"], answer.body) == (200, "image/png", PNG)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"


async def test_no_thumbnail_of_what_was_not_published(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Not of a new file, nor of new bytes, nor of a file that is ignored, nor of another mirror's."""
    async with served_in(tmp_path, caplog) as served:
        (served.desk.root / "a.png").write_bytes(PNG)
        await served.sync()
        (served.desk.root / "b.png").write_bytes(PNG)
        (served.desk.root / "a.png").write_bytes(PNG.upper())

        changed = await served.get("/thumbnail?mirror=site&path=a.png")
        others = [
            await served.get(f"/thumbnail?{query}")
            for query in (
                "mirror=site&path=b.png",
                "mirror=other&path=a.png",
                "mirror=site",
                "mirror=site&path=%FF",
                "",
            )
        ]

    assert (changed.status, changed.body) == (200, BLANK)
    assert [answer.status for answer in others] == [404] * 5


async def test_health(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A part that does not get on is named; everything else is not its business."""
    async with served_in(tmp_path, caplog) as served:
        well = await served.get("/healthz")
        served.ailing.append("the watcher of site")
        ill = await served.get("/healthz")

    assert (well.status, well.text) == (200, "ok\n")
    assert (ill.status, ill.text) == (503, "the watcher of site\n")


async def test_readiness(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is ready when every folder was looked at once; an outage of the service does not matter."""
    async with served_in(tmp_path, caplog) as served:
        early = await served.get("/readyz")
        await served.desk.cloud.close()
        await served.desk.mirror.looks.look([""])
        seen = await served.get("/readyz")
        served.ailing.append("the watcher of site")
        ill = await served.get("/readyz")

    assert (early.status, early.text) == (503, "the folder of site was not looked at yet\n")
    assert seen.status == 200
    assert ill.status == 503


async def test_a_missing_folder_is_not_ready(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What is in it is not known."""
    async with served_in(tmp_path, caplog) as served:
        served.desk.root.rmdir()
        await served.desk.mirror.looks.look([""])
        ready = await served.get("/readyz")
        served.view._fresh_until = 0.0
        page = await served.get("/")

    assert ready.status == 503
    assert "The folder of site cannot be seen." in Document(page.text).texts


async def test_a_manifest_that_cannot_be_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The page says so, monitoring hears of it, and the process goes on."""
    async with served_in(tmp_path, caplog) as served:
        served.desk.report._reader.close()
        paths = ("/", "/page.json", "/metrics", "/healthz", "/readyz", "/thumbnail?mirror=site&path=a.png")
        answers = {path: await served.get(path) for path in paths}

    assert {path: answer.status for path, answer in answers.items()} == {
        "/": 503,
        "/page.json": 200,
        "/metrics": 503,
        "/healthz": 503,
        "/readyz": 503,
        "/thumbnail?mirror=site&path=a.png": 503,
    }
    assert not any("defect" in answer.text for answer in answers.values())
    assert "The manifest cannot be read." in answers["/"].text
    assert "The manifest cannot be read." in answers["/page.json"].text


@pytest.mark.parametrize("path", ["/metrics", "/readyz", "/healthz"])
async def test_rows_that_cannot_be_opened(tmp_path: Path, caplog: pytest.LogCaptureFixture, path: str) -> None:
    """A mirror that has just come has its rows opened here: where that fails it is said in a plain word, as 503."""

    def sources() -> list[Source]:
        raise StateError("the manifest cannot be opened")

    async with served_in(tmp_path, caplog) as served:
        served.view._sources = sources

        answer = await served.get(path)

    assert (answer.status, "the manifest cannot be opened" in answer.text) == (503, True)
    assert "Traceback" not in caplog.text


async def test_a_defect_shows_no_values(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The text of an error that should not be may hold anything: it is in the log, not in the answer."""
    async with served_in(tmp_path, caplog) as served:
        served.view._notice = lambda: 1 / 0  # type: ignore[assignment,return-value]

        answer = await served.get("/")

    assert answer.status == 500
    assert answer.text == "ZeroDivisionError (a defect of this program; its log has more)\n"


async def test_a_port_that_is_taken_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told once, tried again, and served as soon as the port is free."""
    monkeypatch.setattr("tcbsync.web.server.AGAIN_SECONDS", 0.01)
    caplog.set_level("INFO")
    async with served_in(tmp_path, caplog) as served:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            serving = asyncio.create_task(keep_serving(Site(served.view, (), list), "127.0.0.1", port))
            await asyncio.sleep(0.2)
            warnings = [each for each in caplog.messages if each.startswith("no status page")]
        while f"status page: http://127.0.0.1:{port}/" not in caplog.messages:
            await asyncio.sleep(0.01)
        served.url = f"http://127.0.0.1:{port}"
        answer = await served.get("/healthz")
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving

    assert warnings == [f"no status page at 127.0.0.1:{port}: Address already in use; it is tried again"]
    assert answer.status == 200


async def test_an_ipv6_address(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The address that is connected to is a name of ours, in brackets."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this host has no IPv6")
    async with served_in(tmp_path, caplog, listen="::1") as served:
        answer = await served.get("/healthz")

    assert served.url.startswith("http://[::1]:")
    assert answer.status == 200
