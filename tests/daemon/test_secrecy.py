"""Through every kind of trouble, with everything that talks at its most talkative: no secret gets anywhere."""

from __future__ import annotations

import asyncio
import json
import logging
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from tcbsync import control
from tcbsync.cli.forms import fields_of, json_of, prefixed, text_of
from tcbsync.cli.journal import entry
from tcbsync.cloud import form
from tcbsync.config.schema import CredentialsConfig
from tcbsync.daemon.assemble import assembled
from tcbsync.daemon.run import Daemon
from tcbsync.emulator.faults import Fault
from tcbsync.web import page
from tcbsync.web.metrics import exposition
from tests.daemon.troubles import LASTING, LINK, ONE_FILE, status
from tests.engine.world import PREFIX, World, alive, eventually
from tests.hushed import every_byte, leaks, tapped

if TYPE_CHECKING:
    from tcbsync.cloud.api import Body, Link
    from tcbsync.emulator.server import Emulator

pytestmark = pytest.mark.slow

SECRET = 'hush "0/+&=ß% hush'


async def readable(world: World, daemon: Daemon) -> bytes:
    """Give what a person, a browser and a monitoring system can read of a running daemon."""
    answer = await control.ask(world.state, "status")
    overview = await daemon.site((), list)._view.look()
    shown = page.whole(overview).encode() + exposition(overview, "")[1]
    return json.dumps(answer).encode() + repr(world.report().failures()).encode() + shown


def in_every_form(records: list[logging.LogRecord]) -> bytes:
    """Give lines of the log as people, programs and systemd's journal get them."""
    lines = [text_of(record) + json_of(record) + prefixed(record) for record in records]
    return "\n".join(lines).encode("utf-8", "backslashreplace") + b"".join(entry(fields_of(each)) for each in records)


def echoes(issued: list[str]) -> dict[str, Fault]:
    """Let the service say our own secrets to our face, which it never should."""
    token, signature, security_token, cos_file_id = issued[0], *issued[1:4]
    words = f"token {token}, signature {signature}, {security_token} {cos_file_id}"
    return {
        "an echo that passes": Fault(call="uploadfile", kind="errcode", errcode=-501001, errmsg=words),
        "an echo that stays": Fault(call="uploadfile", kind="errcode", errcode=40097, errmsg=words),
        "an echo as a code": status(400, code=security_token),
        "an echo as an address": Fault(
            call="uploadfile",
            kind="http",
            status=302,
            body="html",
            headers={"Location": f"http://127.0.0.1:1/?access_token={token}"},
        ),
    }


def unmet(emulator: Emulator) -> bool:
    """Whether some fault has not struck yet."""
    return any(not fault["struck"] for fault in emulator._service.script.report())


async def test_no_trouble_tells_a_secret(
    world: World, emulator: Emulator, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Every class of trouble once, with asyncio's debug mode, all warnings and logs: in status, on disk, nowhere."""
    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().set_debug(True)
    issued = tapped(emulator)
    config = replace(world.config(world.mirror()), credentials=CredentialsConfig(appid="wx-test", secret=SECRET))
    told = b""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        async with (
            assembled(config, "test", grace=True, host=world.host) as assembly,
            alive(assembly, watches=False) as (mirror,),
            control.serve(world.state, (daemon := Daemon(config, assembly)).handlers()),
        ):
            assembly.cloud._tokens._clock = world.host.now  # so that each day brings a token call
            world.write("first")
            mirror.hint([("first", True)])
            await eventually(world.is_equal)
            faults = {name: trouble.fault for name, trouble in LASTING.items()} | ONE_FILE | LINK | echoes(issued)
            for name, fault in faults.items():
                key = "*" if fault.call == "token" else f"{PREFIX}bad {name}"
                emulator.install(replace(fault, count=2 if name in LINK else 1, key=key))
                world.write(f"bad {name}")
            mirror.hint([("", True)])
            while unmet(emulator):
                await world.pass_time(mirror, 24 * 3600)
                await asyncio.sleep(0.1)
                told += await readable(world, daemon)
            told += every_byte(world.state)  # while it runs: with the WAL

    told += (
        caplog.text.encode()
        + in_every_form(caplog.records)
        + repr([str(warning.message) for warning in warned]).encode()
    )
    told += "".join(capfd.readouterr()).encode() + every_byte(world.state)
    assert len(issued) > 3 * len(faults)
    assert b"service paused" in told
    assert b"<!doctype html>" in told
    assert b"service blocked" in told
    assert b"token \xe2\x80\xa6, signature \xe2\x80\xa6" in told
    assert not leaks(told, {SECRET, *issued})


async def test_a_defect_tells_no_secret(
    world: World,
    emulator: Emulator,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An error of ours whose repr holds the whole form: its traceback is logged, its values are nowhere."""
    caplog.set_level(logging.DEBUG)
    issued = tapped(emulator)

    class Broken(form.Form):
        def __init__(self, link: Link, body: Body) -> None:
            super().__init__(link, body)
            _fail(self._head.decode() + "\ud800")

    def _fail(text: str) -> NoReturn:
        raise UnicodeEncodeError("utf-8", text, 0, 1, "surrogates not allowed")

    monkeypatch.setattr("tcbsync.cloud.http.Form", Broken)
    world.write("a")

    async with world.running(watches=False):
        await eventually(lambda: world.report().counts().failed)
        (failure,) = world.report().failures()
        told = caplog.text.encode() + in_every_form(caplog.records) + repr(failure).encode() + every_byte(world.state)

    assert failure.code == "internal"
    assert "Traceback" in caplog.text
    assert len(issued) >= 4
    assert not leaks(told, issued)


@pytest.mark.parametrize("field", ["url", "authorization", "token", "cos_file_id", "file_id"])
async def test_half_a_character_in_a_link_tells_no_secret(
    world: World, emulator: Emulator, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    """JSON can spell what is no text: such a link is no answer, and not a defect that shows the form."""
    caplog.set_level(logging.DEBUG)
    issued = tapped(emulator)
    from tcbsync.emulator import api  # noqa: PLC0415 - the table of calls is patched

    give = api._TCB_CALLS["uploadfile"]

    async def spoilt(*values: Any) -> dict[str, Any]:
        link = await give(*values)
        return {**link, field: link[field] + "\ud83d"}

    monkeypatch.setitem(api._TCB_CALLS, "uploadfile", spoilt)
    monkeypatch.setattr("tcbsync.emulator.replies._ENCODER", json.JSONEncoder())
    world.write("a")

    async with world.running(watches=False) as mirror:
        await eventually(lambda: mirror.parts.pace.last_error)
        told = caplog.text.encode() + in_every_form(caplog.records) + every_byte(world.state)
        told += mirror.parts.pace.last_error.encode()

    assert "Traceback" not in caplog.text
    assert f"the answer has no {field}".encode() in told
    assert not leaks(told, issued)
