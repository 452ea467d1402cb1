"""Who is told of what a daemon goes through, over real sockets; and that no failure of it harms the daemon."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import threading
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import certifi
import pytest

from tcbsync.config.schema import HeartbeatConfig, NotifyConfig, WebConfig, WebhookConfig
from tcbsync.daemon.notifying import FILE_NAME, Notifying
from tcbsync.emulator.faults import Fault
from tcbsync.status import as_json
from tests.cloud.scripted import receive, serving
from tests.daemon.steering import Steered, steered
from tests.engine.world import PREFIX, eventually
from tests.hushed import every_byte, leaks
from tests.notify.robot import HOOK_PATH, KEY, Answer, Robot, robot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tcbsync.emulator.server import Emulator
    from tcbsync.notify.transitions import Notice
    from tests.engine.world import World

pytestmark = pytest.mark.slow


@pytest.fixture
def group() -> Iterator[Robot]:
    """Serve a robot, a plain webhook and a place that hears heartbeats."""
    with robot() as listening:
        yield listening


def told_at(*urls: str, **options: Any) -> NotifyConfig:
    """Describe plain webhooks that are told at once."""
    return NotifyConfig(settle_seconds=0.5, webhooks=tuple(WebhookConfig(url=url) for url in urls), **options)


@asynccontextmanager
async def daemon_of(world: World, notify: NotifyConfig) -> AsyncIterator[Steered]:
    """Let a daemon run that tells people."""
    config = replace(world.config(world.mirror()), notify=notify)
    async with steered(world, config=config) as daemon:
        yield daemon


def refuse(emulator: Emulator, files: str = "*bad*") -> None:
    """Let the cloud refuse some files for good."""
    emulator.install(Fault(call="uploadfile", kind="errcode", errcode=40097, key=f"{PREFIX}{files}"))


def noted(world: World) -> bytes:
    """Give what the file says that was told."""
    file = world.state / FILE_NAME
    return file.read_bytes() if file.exists() else b""


async def daemon_has_given_up(daemon: Steered, group: Robot) -> bool:
    """Whether a message was refused for the last time."""
    return group.requests == 3 and "do not arrive: HTTP 403" in (await daemon.ask("status"))["service"]["notice"]


async def test_five_hundred_files_that_fail_are_one_message(world: World, emulator: Emulator, group: Robot) -> None:
    """One message with their number and three of them, and nothing more of them; the events tell of each."""
    refuse(emulator)
    for number in range(500):
        world.write(f"d{number % 7}/bad{number}", f"{number}")
    world.write("good")
    async with daemon_of(world, replace(told_at(group.hook), settle_seconds=4)):
        await eventually(lambda: group.documents, 60)
        await asyncio.sleep(5)

    (document,) = group.documents
    assert (document["what"], document["mirror"], document["count"]) == ("failed", "site", 500)
    assert "500 files of site could not be mirrored: d0/bad" in document["text"]
    assert document["text"].endswith(" and 497 more.")
    assert document["command"] == "tcbsync failed"
    assert len(document["paths"]) == 3


async def test_a_reload_changes_who_is_told(world: World, emulator: Emulator, group: Robot) -> None:
    """A webhook that comes is told from then on; one that goes is told no more; its address is nowhere shown."""
    async with daemon_of(world, NotifyConfig(settle_seconds=0.5)) as daemon:
        await eventually(daemon.in_sync)
        daemon.config = replace(daemon.config, notify=told_at(group.hook))
        came = await daemon.reload()
        refuse(emulator)
        world.write("bad")
        await eventually(lambda: group.documents)
        daemon.config = replace(daemon.config, notify=NotifyConfig(settle_seconds=0.5))
        gone = await daemon.reload()
        emulator._service.script.clear()
        await daemon.ask("retry", mirror="")
        await eventually(daemon.in_sync)
        await asyncio.sleep(3)

    assert came == gone == ["notify: changed (webhooks)"]
    assert group.told == [("failed", "site")]


async def test_a_reload_that_changes_something_else(world: World, group: Robot, emulator: Emulator) -> None:
    """It repeats nothing."""
    refuse(emulator)
    world.write("bad")
    async with daemon_of(world, told_at(group.hook)) as daemon:
        await eventually(lambda: group.documents)
        daemon.service(uploads=3)
        await daemon.reload()
        await asyncio.sleep(4)

    assert group.told == [("failed", "site")]


async def test_an_address_in_a_file(world: World, group: Robot, emulator: Emulator) -> None:
    """It is read at the start, and anew at each reload; under the right one all is told that stands, and its end."""
    file = world.state.with_name("hook")
    file.write_text(f"{group.base}/wrong\n")
    refuse(emulator)
    world.write("bad")
    notify = NotifyConfig(settle_seconds=0.2, webhooks=(WebhookConfig(url_file=str(file)),))
    async with daemon_of(world, notify) as daemon:
        await eventually(lambda: group.requests)
        file.write_text(group.hook)
        await daemon.reload()
        await eventually(lambda: group.documents)
        await eventually(lambda: b'"failed"' in noted(world))
        emulator._service.script.clear()
        await daemon.ask("retry", mirror="")
        await eventually(lambda: len(group.documents) == 2)

    assert group.told == [("failed", "site"), ("recovered", "site")]
    assert [document["repeated"] for document in group.documents] == [False, False]
    assert group.documents[0]["paths"] == ["bad"]


async def test_a_webhook_that_is_added(world: World, group: Robot, emulator: Emulator) -> None:
    """It is told what stands already; who was told before is told nothing twice."""
    refuse(emulator)
    world.write("bad")
    with robot() as other:
        async with daemon_of(world, told_at(group.hook)) as daemon:
            await eventually(lambda: group.documents)
            daemon.config = replace(daemon.config, notify=told_at(group.hook, other.hook))
            await daemon.reload()
            await eventually(lambda: other.documents)
            await asyncio.sleep(4)

    assert group.told == other.told == [("failed", "site")]


@pytest.mark.parametrize("others", [(), ("recovered",), ("held", "recovered")])
async def test_what_nobody_took_is_told_after_a_restart(
    world: World, group: Robot, emulator: Emulator, others: tuple[Any, ...]
) -> None:
    """Refused three times, and given up, is not told; nor by a webhook that has nothing of it to take."""
    refuse(emulator)
    world.write("bad")
    group.always = Answer(403)
    with robot() as other:
        hooks = [WebhookConfig(url=group.hook), WebhookConfig(url=other.hook, about=others)]
        notify = NotifyConfig(settle_seconds=0.5, webhooks=tuple(hooks[: 2 if others else 1]))
        async with daemon_of(world, notify) as daemon:
            await eventually(lambda: daemon_has_given_up(daemon, group), 60)
        before = noted(world)
        group.always = None
        async with daemon_of(world, notify):
            await eventually(lambda: group.documents)

    assert b"failed" not in before
    assert group.told == [("failed", "site")]
    assert other.told == []


async def test_what_was_given_up_is_told_at_a_reload(world: World, group: Robot, emulator: Emulator) -> None:
    """The other side was mended, and the address is as it was: whoever reloads has it told what stands."""
    refuse(emulator)
    world.write("bad")
    group.always = Answer(403)
    async with daemon_of(world, told_at(group.hook)) as daemon:
        await eventually(lambda: daemon_has_given_up(daemon, group), 60)
        group.always = None
        await daemon.reload()
        await eventually(lambda: group.documents)
        await daemon.reload()
        await asyncio.sleep(4)
        notice = (await daemon.ask("status"))["service"]["notice"]

    assert group.told == [("failed", "site")]
    assert not notice


async def test_paths_that_cannot_be_looked_at(world: World, group: Robot, emulator: Emulator) -> None:
    """They are no files that failed: each is told with its own number and names, as status counts them."""
    refuse(emulator)
    world.write("bad")
    for spelling in ("\u00e9", "e\u0301"):
        world.write(spelling)
    async with daemon_of(world, told_at(group.hook)):
        await eventually(lambda: len(group.documents) == 2)

    files, paths = sorted(group.documents, key=lambda each: str(each["kind"]))
    assert (files["kind"], files["count"], files["paths"]) == ("failed", 1, ["bad"])
    assert (paths["kind"], paths["count"], len(paths["paths"])) == ("unreadable", 1, 1)
    assert paths["text"].startswith("1 path of site cannot be looked at: ")


async def test_a_stop_in_the_midst_of_a_decision(
    world: World, group: Robot, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was decided, and has reached no webhook, is told by the next daemon."""
    refuse(emulator)
    world.write("bad")
    is_amid, may_go_on = threading.Event(), threading.Event()

    def slow(_: Notifying, notice: Notice) -> Notice:
        is_amid.set()
        may_go_on.wait(30)
        return notice

    with monkeypatch.context() as patched:
        patched.setattr(Notifying, "_with_paths", slow)
        async with daemon_of(world, told_at(group.hook)):
            await eventually(is_amid.is_set)
    may_go_on.set()
    before = noted(world)
    async with daemon_of(world, told_at(group.hook)):
        await eventually(lambda: group.documents)

    assert b"failed" not in before
    assert group.told == [("failed", "site")]


async def test_an_address_that_cannot_be_had(
    world: World, group: Robot, emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    """The daemon starts and mirrors, the others are told; log and status say what is missing."""
    webhooks = (WebhookConfig(url_env="NO_SUCH_VARIABLE"), WebhookConfig(url=group.hook))
    world.write("good")
    refuse(emulator)
    world.write("bad")
    async with daemon_of(world, NotifyConfig(settle_seconds=0.5, webhooks=webhooks)) as daemon:
        await eventually(lambda: group.documents)
        notice = (await daemon.ask("status"))["service"]["notice"]

    missing = "the address is empty or missing: the environment variable NO_SUCH_VARIABLE (notify.webhooks[0].url_env)"
    assert notice == missing
    assert f"nobody is notified there: {missing}" in caplog.text
    assert set(world.cloud()) == {"good"}


async def test_the_heartbeat_of_a_daemon(world: World, group: Robot) -> None:
    """It is heard while the daemon lives, and not after."""
    async with daemon_of(world, NotifyConfig(heartbeat=HeartbeatConfig(url=group.heartbeat, seconds=0.2))):
        await eventually(lambda: group.beats > 2)
    heard = group.beats
    await asyncio.sleep(0.6)

    assert group.beats == heard


async def test_a_restart_tells_nothing_twice(world: World, emulator: Emulator, group: Robot) -> None:
    """What was told is known to the next daemon, which tells its end."""
    refuse(emulator)
    world.write("bad")
    async with daemon_of(world, told_at(group.hook)):
        await eventually(lambda: group.documents)
        await eventually((world.state / FILE_NAME).exists)
    async with daemon_of(world, told_at(group.hook)) as daemon:
        await asyncio.sleep(5)
        before = list(group.told)
        emulator._service.script.clear()
        await daemon.ask("retry", mirror="")
        await eventually(lambda: len(group.told) == 2)

    assert before == [("failed", "site")]
    assert group.told[1] == ("recovered", "site")


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": 1}', b"[[1, 2]]", b"\xff\xfe"])
async def test_a_damaged_memory_harms_nothing(
    world: World, emulator: Emulator, group: Robot, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said, and everybody is told as if for the first time."""
    world.state.mkdir(mode=0o700)
    (world.state / FILE_NAME).write_bytes(content)
    refuse(emulator)
    world.write("bad")
    async with daemon_of(world, told_at(group.hook)):
        await eventually(lambda: group.documents)
        await eventually(lambda: b'"failed"' in (world.state / FILE_NAME).read_bytes())

    assert "it may be told again" in caplog.text
    assert group.told == [("failed", "site")]


async def test_a_webhook_that_hangs_delays_nothing(world: World, emulator: Emulator) -> None:
    """Mirroring, reload and the end take no longer for it; a second daemon is as quick with none."""

    async def hang(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        asked.append(await receive(reader))
        await asyncio.sleep(600)

    asked: list[Any] = []
    refuse(emulator)
    world.write("bad")
    async with serving(hang) as url:
        async with daemon_of(world, told_at(url)) as daemon:
            await eventually(lambda: asked)
            begun = time.monotonic()
            world.write("good")
            await eventually(lambda: "good" in world.cloud())
            await daemon.reload()
            daemon.config = replace(daemon.config, notify=told_at(url, heartbeat=HeartbeatConfig(url=url, seconds=1)))
            await daemon.reload()
            lived = time.monotonic() - begun
            begun = time.monotonic()
        ended = time.monotonic() - begun

    assert lived < 5
    assert ended < 2


async def test_a_defect_in_it_ends_it_alone(
    world: World, group: Robot, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The daemon goes on, and status says that nobody is told any more."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Notifying, "_with_paths", broken)
    async with daemon_of(world, told_at(group.hook)) as daemon:
        await eventually(daemon.in_sync)
        away = world.root.rename(world.root.with_name("away"))
        await eventually(lambda: "a defect of this program" in caplog.text)
        away.rename(world.root)
        world.write("good")
        await eventually(lambda: "good" in world.cloud())
        notice = (await daemon.ask("status"))["service"]["notice"]

    assert notice == "notifications have ended, see the log"


async def test_a_way_that_cannot_be_opened(world: World, group: Robot, caplog: pytest.LogCaptureFixture) -> None:
    """Certificates that cannot be read are said, in log and status, and tried again at the next reload."""

    async def is_told() -> bool:
        notifying.look(as_json([], {"state": "offline", "last_error": "no answer"}))
        return bool(group.documents)

    ca_file = world.state.with_name("ca.pem")
    config = replace(world.config(world.mirror()), notify=told_at(group.hook))
    config = replace(config, state_dir=world.state.with_name("own"), service=replace(config.service, ca_file=ca_file))
    config.state_dir.mkdir(mode=0o700)
    notifying = Notifying(config, lambda _: None, list)
    task = asyncio.create_task(notifying.live())
    try:
        await eventually(lambda: notifying.notice)
        troubled = notifying.notice
        ca_file.write_bytes(Path(certifi.where()).read_bytes())
        notifying.configure(config)
        await eventually(lambda: not notifying.notice)
        await eventually(is_told)
    finally:
        task.cancel()
        await asyncio.wait([task])

    missing = f"nobody is notified: service.ca_file {ca_file} cannot be used: No such file or directory"
    assert troubled == missing
    assert missing in caplog.messages
    assert group.told == [("offline", None)]


async def test_no_address_is_shown(
    world: World, emulator: Emulator, group: Robot, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Refused, unheard and unreachable, at the most talkative: status, events, metrics, log and disk hold no path."""
    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().set_debug(True)
    group.always = Answer(200, json.dumps({"errcode": 93000, "errmsg": f"{KEY} {HOOK_PATH}"}).encode())
    hooks = (
        WebhookConfig(url=group.wecom, format="wecom"),
        WebhookConfig(url=f"http://127.0.0.1:9/{HOOK_PATH}"),
        WebhookConfig(url=f"http://no-such-host.invalid/x?key={KEY}"),
        WebhookConfig(url=f"https://{group.base.removeprefix('http://')}?{KEY}"),
        WebhookConfig(url_env="A_WRONG_ADDRESS"),
    )
    heartbeat = HeartbeatConfig(url=f"http://127.0.0.1:9/{HOOK_PATH}", seconds=0.2)
    refuse(emulator)
    world.write("bad")
    os.environ["A_WRONG_ADDRESS"] = f"htp://host/{HOOK_PATH}"
    try:
        async with daemon_of(world, NotifyConfig(0.2, hooks, heartbeat)) as daemon:
            await eventually(lambda: group.requests >= 3, 60)
            await eventually(lambda: "is not heard" in caplog.text)
            told = json.dumps([await daemon.ask("status"), await daemon.events()]).encode()
            daemon.config = replace(daemon.config, notify=NotifyConfig(0.3, hooks[::-1], None))
            told += "".join(await daemon.reload()).encode() + repr(daemon.config).encode()
    finally:
        del os.environ["A_WRONG_ADDRESS"]

    told += caplog.text.encode() + "".join(capfd.readouterr()).encode() + every_byte(world.state)
    assert b"errcode 93000: there is no robot of this key" in told
    assert b"do not arrive: no connection" in told
    assert b"notify.webhooks[4] names is none" in told
    assert not leaks(told, {KEY, HOOK_PATH, "hush-X"})


async def test_what_monitoring_sees(
    world: World, emulator: Emulator, group: Robot, caplog: pytest.LogCaptureFixture
) -> None:
    """Messages that were sent and given up, and tries that failed, are counted; an exchanged webhook's too."""
    refuse(emulator)
    world.write("bad")
    group.script = [Answer(503)]
    caplog.set_level(logging.INFO)
    notify = told_at(group.hook, f"{group.base}/nowhere")
    config = replace(world.config(world.mirror()), notify=notify, web=WebConfig("127.0.0.1:0"))
    async with steered(world, config=config) as daemon, aiohttp.ClientSession() as session:
        await eventually(lambda: "status page: " in caplog.text)
        (page,) = re.findall(r"status page: (\S+)", caplog.text)

        async def shown() -> set[str]:
            async with session.get(f"{page}metrics") as answer:
                return {line for line in (await answer.text()).splitlines() if line.startswith("tcbsync_notification")}

        async def is_counted() -> bool:
            return {
                'tcbsync_notifications_total{outcome="sent"} 1.0',
                'tcbsync_notifications_total{outcome="given_up"} 1.0',
                "tcbsync_notification_failures_total 4.0",
            } <= await shown()

        await eventually(is_counted, 60)
        daemon.config = replace(daemon.config, notify=NotifyConfig())
        await daemon.reload()
        await asyncio.sleep(2)

        assert await is_counted()
