"""The control socket: who may ask, and what comes of every answer that is none."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import stat
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tcbsync import control
from tcbsync.core.errors import ConfigError, StateError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path


async def echo(values: Mapping[str, Any]) -> dict[str, Any]:
    """Answer with what came."""
    return {"came": dict(values)}


async def refuse(_values: Mapping[str, Any]) -> Any:
    """Say no, with a reason."""
    raise ConfigError("there is no mirror sight", hint="there is site")


async def fail(_values: Mapping[str, Any]) -> Any:
    """Have a defect."""
    raise ZeroDivisionError("as such")


HANDLERS = {"echo": echo, "refuse": refuse, "fail": fail}


async def test_what_is_asked_is_answered(tmp_path: Path) -> None:
    """Values go there and come back, letters of every script and names that are no text among them."""
    values = {"text": "\u6587 caf\u00e9", "odd": "bad\udcff", "list": [1, None], "empty": ""}

    async with control.serve(tmp_path, HANDLERS):
        answer = await control.ask(tmp_path, "echo", **values)

    assert answer == {"came": values}


async def test_only_the_owner_may_ask(tmp_path: Path) -> None:
    """The socket has mode 0600 from the moment it is there, and the umask is what it was."""
    async with control.serve(tmp_path, HANDLERS):
        mode = stat.S_IMODE((tmp_path / "control.sock").stat().st_mode)
        (tmp_path / "made afterwards").touch()

    assert mode == 0o600
    assert stat.S_IMODE((tmp_path / "made afterwards").stat().st_mode) == 0o644


async def test_a_long_way_is_no_trouble(tmp_path: Path) -> None:
    """unix(7): a socket's path has at most 107 bytes. A state directory may be called what it wants."""
    long = tmp_path / ("d" * 200) / ("e" * 200)
    long.mkdir(parents=True)

    async with control.serve(long, HANDLERS):
        answer = await control.ask(long, "echo", a=1)

    assert answer == {"came": {"a": 1}}


async def test_the_socket_of_one_that_was_killed_is_replaced(tmp_path: Path) -> None:
    """A socket file that nobody listens at is in nobody's way."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "control.sock"))

    with pytest.raises(StateError, match="nobody listens at its socket"):
        await control.ask(tmp_path, "echo")
    async with control.serve(tmp_path, HANDLERS):
        answer = await control.ask(tmp_path, "echo")

    assert answer == {"came": {}}


async def test_it_goes_with_the_daemon(tmp_path: Path) -> None:
    """Afterwards there is no socket any more, and asking says what that may mean."""
    async with control.serve(tmp_path, HANDLERS):
        pass

    with pytest.raises(StateError) as caught:
        await control.ask(tmp_path, "echo")

    assert list(tmp_path.iterdir()) == []
    assert str(caught.value) == (
        f"the daemon that holds {tmp_path} cannot be asked: nobody listens at its socket"
        " (is it starting or stopping just now?)"
    )


async def test_a_folder_in_which_no_socket_can_be_made(tmp_path: Path) -> None:
    """A start that fails says where, and leaves nothing running."""
    (tmp_path / "control.sock").mkdir()

    with pytest.raises(StateError, match=f"no control socket can be made in {tmp_path}: "):
        async with control.serve(tmp_path, HANDLERS):
            pass


async def test_a_handlers_no_is_the_callers(tmp_path: Path) -> None:
    """What a handler refuses, with its hint, is what the caller reads."""
    async with control.serve(tmp_path, HANDLERS):
        with pytest.raises(ConfigError) as caught:
            await control.ask(tmp_path, "refuse")

    assert str(caught.value) == "there is no mirror sight (there is site)"


@pytest.mark.parametrize("verb", ["explode", "echo/again", ""])
async def test_an_unknown_verb(tmp_path: Path, verb: str) -> None:
    """A verb that this daemon does not know is named, with the likeliest cause."""
    async with control.serve(tmp_path, HANDLERS):
        with pytest.raises(StateError) as caught:
            await control.ask(tmp_path, verb)

    assert str(caught.value) == f"the daemon knows no verb '{verb}'; is it another version than this command?"


async def test_a_defect_of_a_handler_is_told_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The daemon goes on, its log has the traceback, and the caller reads that it is a defect."""
    async with control.serve(tmp_path, HANDLERS):
        with pytest.raises(StateError, match=r"fail: ZeroDivisionError .a defect of this program; its log has more"):
            await control.ask(tmp_path, "fail")
        answer = await control.ask(tmp_path, "echo")

    assert answer == {"came": {}}
    assert "ZeroDivisionError: as such" in caplog.text


async def raw(folder: Path, request: bytes) -> tuple[int, Any]:
    """Send bytes to the socket; give the status and the body of what comes back."""
    reader, writer = await asyncio.open_unix_connection(str(folder / "control.sock"))
    writer.write(request)
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


MALFORMED = {
    "no JSON": b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nConnection: close\r\n\r\n{",
    "no object": b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n42",
    "no text": b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nConnection: close\r\n\r\n\xff",
    "nothing": b"GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "no HTTP": b"hello there\r\n\r\n",
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_a_request_that_is_none(tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever comes over the socket is answered with 400, and the daemon goes on without a traceback."""
    caplog.set_level(logging.ERROR, "tcbsync")
    async with control.serve(tmp_path, HANDLERS):
        status, body = await raw(tmp_path, MALFORMED[name])
        answer = await control.ask(tmp_path, "echo")

    assert status == 400
    assert name == "no HTTP" or json.loads(body) == {"error": "the request is not a JSON object"}
    assert answer == {"came": {}}
    assert not [record for record in caplog.records if record.name.startswith("tcbsync")]


async def test_more_than_it_takes(tmp_path: Path) -> None:
    """A request of more than a mebibyte is refused in a sentence, and the daemon goes on."""
    body = json.dumps({"paths": ["x" * 1000] * 2000}).encode()
    head = f"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    async with control.serve(tmp_path, HANDLERS):
        status, answer = await raw(tmp_path, head.encode() + body)
        most = await control.ask(tmp_path, "echo", paths=["x" * 1000] * 900)

    assert status == 413
    assert json.loads(answer) == {"error": "the request is not taken: Request Entity Too Large"}
    assert len(most["came"]["paths"]) == 900


async def test_a_caller_who_never_finishes_does_not_hold_it_up(tmp_path: Path) -> None:
    """Half a request at the moment of stopping delays the end by a second, not by a minute."""
    async with control.serve(tmp_path, HANDLERS):
        _, writer = await asyncio.open_unix_connection(str(tmp_path / "control.sock"))
        writer.write(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        await writer.drain()
        await control.ask(tmp_path, "echo")
        clock = asyncio.get_running_loop().time
        began = clock()

    took = clock() - began
    writer.close()
    assert took < 30


# -- the other side is no good daemon ----------------------------------------------------------------------------------


@asynccontextmanager
async def answering(folder: Path, answer: bytes, *, hangs: bool = False) -> AsyncIterator[None]:
    """Listen at the socket, and answer every request with these bytes; then hang up, or wait for the other side to."""
    served = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        if hangs:
            await reader.read()
        writer.close()
        await writer.wait_closed()
        served.set()

    server = await asyncio.start_unix_server(serve, str(folder / "control.sock"))
    try:
        yield
    finally:
        await asyncio.wait_for(served.wait(), 30)
        server.close()


BROKEN = {
    "hangs up at once": b"",
    "hangs up in the head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "hangs up in the body": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
    "half of its JSON": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{",
    "no HTTP": b"hello there\r\n\r\n",
    "no text": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n\xff",
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_daemon_that_is_gone_in_mid_answer(tmp_path: Path, name: str) -> None:
    """An answer that is not whole is an error in a sentence, never half an answer and never a traceback."""
    async with answering(tmp_path, BROKEN[name]):
        with pytest.raises(StateError) as caught:
            await control.ask(tmp_path, "echo")

    assert str(caught.value) == (
        f"the daemon that holds {tmp_path} cannot be asked: its answer was cut off"
        " (is it starting or stopping just now?)"
    )


async def test_a_no_without_a_reason(tmp_path: Path) -> None:
    """An error that is not in our words is given by its number."""
    async with answering(tmp_path, b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\n[]"):
        with pytest.raises(StateError, match="HTTP 500"):
            await control.ask(tmp_path, "echo")


async def test_a_daemon_that_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while one stops waiting, and says so."""
    monkeypatch.setattr(control, "ANSWER_SECONDS", 0.2)
    async with answering(tmp_path, b"", hangs=True):
        with pytest.raises(StateError, match=r"nothing came in 0 s \(is it very busy"):
            await control.ask(tmp_path, "echo")


# -- streams -----------------------------------------------------------------------------------------------------------


async def count(values: Mapping[str, Any]) -> AsyncIterator[Any]:
    """Give so many numbers, and then do what was asked for."""
    try:
        for number in range(values["most"]):
            yield {"number": number}
        match values.get("then"):
            case "refuse":
                raise ConfigError("no more")
            case "fail":
                raise ZeroDivisionError("as such")
            case "wait":
                await asyncio.sleep(1000)
    finally:
        ENDED.append("count")


ENDED: list[str] = []
STREAMS: dict[str, Any] = {"count": count, **HANDLERS}


async def followed(folder: Path, verb: str, **values: Any) -> list[Any]:
    """Give all values of a stream."""
    return [value async for value in control.follow(folder, verb, **values)]


async def test_a_stream_comes_value_by_value(tmp_path: Path) -> None:
    """In their order, as many as there are, none among them."""
    async with control.serve(tmp_path, STREAMS):
        many, none = await followed(tmp_path, "count", most=2000), await followed(tmp_path, "count", most=0)

    assert many == [{"number": number} for number in range(2000)]
    assert none == []


async def test_a_stream_that_ends_badly(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What came is given; then a no is the caller's, and a defect is named and logged."""
    async with control.serve(tmp_path, STREAMS):
        stream = control.follow(tmp_path, "count", most=2, then="refuse")
        got = [await anext(stream), await anext(stream)]
        with pytest.raises(ConfigError, match="no more"):
            await anext(stream)
        with pytest.raises(StateError, match="a defect of this program"):
            await followed(tmp_path, "count", most=2, then="fail")
        with pytest.raises(StateError, match="knows no verb"):
            await followed(tmp_path, "explode")
        with pytest.raises(ConfigError, match="there is no mirror sight"):
            await followed(tmp_path, "refuse")

    assert got == [{"number": 0}, {"number": 1}]
    assert "ZeroDivisionError: as such" in caplog.text


async def test_a_caller_who_has_heard_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """He hangs up in the midst, and the daemon notices with its next word, which may be an empty line."""
    monkeypatch.setattr(control, "BEAT_SECONDS", 0.05)
    async with control.serve(tmp_path, STREAMS):
        ENDED.clear()
        stream = control.follow(tmp_path, "count", most=1, then="wait")
        first = await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]
        async with asyncio.timeout(30):
            while not ENDED:
                await asyncio.sleep(0.01)

    assert first == {"number": 0}


@pytest.mark.slow
async def test_a_silent_stream_is_known_to_live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty lines keep the caller from giving up on a daemon that has nothing to say; without them he would."""
    monkeypatch.setattr(control, "ANSWER_SECONDS", 0.4)
    async with control.serve(tmp_path, STREAMS):
        with pytest.raises(StateError, match="nothing came in 0 s"):
            await followed(tmp_path, "count", most=0, then="wait")
        monkeypatch.setattr(control, "BEAT_SECONDS", 0.05)
        stream = control.follow(tmp_path, "count", most=1, then="wait")
        await anext(stream)
        waiting = asyncio.ensure_future(anext(stream))
        done, _ = await asyncio.wait([waiting], timeout=1.5)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    assert not done


@pytest.mark.slow
async def test_a_daemon_that_ends_amid_a_stream(tmp_path: Path) -> None:
    """The caller hears that it was cut off, and the daemon does not wait for him."""
    async with control.serve(tmp_path, STREAMS):
        stream = control.follow(tmp_path, "count", most=1, then="wait")
        await anext(stream)
    with pytest.raises(StateError, match="its answer was cut off"):
        await anext(stream)
