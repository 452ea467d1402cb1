"""Troubles of a real daemon, and what a group and a webhook read of them: one message of each, and one of its end."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.house import House, cloud, eventually, fill
from tests.hushed import every_byte, leaks
from tests.notify.robot import HOOK_PATH, KEY, robot

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.house import Cloud
    from tests.notify.robot import Robot

pytestmark = pytest.mark.slow

SETTLE = 1.5


@pytest.fixture
def group() -> Iterator[Robot]:
    """Serve a robot, a plain webhook and a place that hears heartbeats."""
    with robot() as listening:
        yield listening


def telling(house: House, group: Robot, **options: Any) -> None:
    """Have both told: the group in Chinese, the webhook as JSON."""
    hooks = [{"url": group.hook}, {"url": group.wecom, "format": "wecom", "language": "zh"}]
    house.configure(notify={"settle_seconds": SETTLE, "webhooks": hooks}, **options)


def rest() -> None:
    """Wait for what must not come."""
    time.sleep(SETTLE + 4)


def test_a_root_that_goes_and_comes_back(house: House, emulator: Cloud, group: Robot) -> None:
    """One message that it is held, with the reason, and one that it is over; in the group's own words too."""
    telling(house, group)
    fill(house.root, 5)
    away = house.root.with_name("away")
    with house.running():
        eventually(lambda: house.state() == "in_sync")
        house.root.rename(away)
        eventually(lambda: group.told)
        rest()
        away.rename(house.root)
        eventually(lambda: len(group.told) == 2)
        rest()

    held, over = group.documents
    assert (held["what"], held["mirror"], held["command"]) == ("held", "site", "tcbsync status")
    assert held["text"].startswith(f"The folder of site cannot be seen. Root {house.root} is missing")
    assert (over["what"], over["over"], over["since"]) == ("recovered", "held", held["since"])
    first, second = group.contents
    assert first.startswith('**<font color="warning">看不到镜像 site 的目录。</font>**\n> Root')
    assert second.startswith('**<font color="info">又能看到镜像 site 的目录了。</font>**\n> 历时')
    assert group.refused == []


def test_deletes_that_are_held(house: House, emulator: Cloud, group: Robot) -> None:
    """Their number and the command that shows them; when they are approved, that none waits any more."""
    telling(house, group, guard={"max_deletes": 3, "max_delete_percent": None})
    fill(house.root, 9)
    with house.running():
        eventually(lambda: house.state() == "in_sync")
        for file in [each for each in house.root.rglob("*") if each.is_file()][:6]:
            file.unlink()
        eventually(lambda: group.told)
        house.command("approve", "site")
        eventually(lambda: len(group.told) == 2)

    assert group.told == [("held", "site"), ("recovered", "site")]
    assert group.documents[0]["text"].startswith("6 deletes of site wait for you. ")
    assert group.documents[0]["command"] == "tcbsync held"
    assert "镜像 site 有 6 个删除等您确认。" in group.contents[0]


def test_a_service_that_goes_and_comes_back(tmp_path: Path, group: Robot) -> None:
    """An outage that lasts is one message for all mirrors; one of a moment is none."""
    with cloud(tmp_path / "cloud") as emulator:
        house = House(tmp_path, emulator.url, {})
        telling(house, group)
        fill(house.root, 5)
        with house.running():
            eventually(lambda: house.is_equal(emulator))
            emulator.stop()
            fill(house.root, 6)
            eventually(lambda: group.told)
            rest()
            with cloud(tmp_path / "cloud", listen=emulator.url.removeprefix("http://")):
                eventually(lambda: len(group.told) == 2)
                rest()

    assert group.told == [("offline", None), ("recovered", None)]
    assert group.documents[0]["text"].startswith("The service cannot be reached. ")
    assert "连不上服务。" in group.contents[0]


def test_a_quota_that_is_used_up(house: House, emulator: Cloud, group: Robot) -> None:
    """45009 is told of as what it is."""
    telling(house, group)
    emulator.tell("faults", [{"call": "uploadfile", "kind": "errcode", "errcode": 45009}])
    fill(house.root, 5)
    with house.running():
        eventually(lambda: group.told)
        rest()

    assert group.told == [("quota", None)]
    assert "[45009]" in group.documents[0]["text"]
    assert "服务要求暂停调用。" in group.contents[0]


def test_files_that_fail(house: House, emulator: Cloud, group: Robot) -> None:
    """Five hundred are one message, and five hundred more within the hour are none."""
    telling(house, group)
    emulator.tell("faults", [{"call": "uploadfile", "kind": "errcode", "errcode": 40097, "key": "*bad*"}])
    (house.root / "good").write_text("good")
    for number in range(500):
        (house.root / f"bad{number}").write_text(f"{number}")
    with house.running():
        eventually(lambda: group.told)
        for number in range(500, 1000):
            (house.root / f"bad{number}").write_text(f"{number}")
        eventually(lambda: house.status()["mirrors"][0]["failed"] == 1000)
        rest()

    assert group.told == [("failed", "site")]
    assert len(group.documents[0]["paths"]) == 3
    assert len(group.contents) == 1


def test_killed_and_started_again(house: House, emulator: Cloud, group: Robot) -> None:
    """After kill -9 in the midst of troubles nobody is told of them a second time; their end is told, once."""
    telling(house, group)
    emulator.tell("faults", [{"call": "uploadfile", "kind": "errcode", "errcode": 40097, "key": "*bad*"}])
    fill(house.root, 5)
    (house.root / "bad").write_text("bad")
    for _ in range(3):
        with house.started() as process:
            eventually(lambda: group.told)
            eventually((house.place / "state" / "notified.json").exists)
            rest()
            process.send_signal(signal.SIGKILL)
            process.wait(30)
    emulator.tell("faults", [])
    with house.running():
        eventually(lambda: house.state() != "unknown")
        house.command("retry")
        eventually(lambda: len(group.told) == 2)
        rest()

    assert group.told == [("failed", "site"), ("recovered", "site")]
    assert not leaks(house.log.read_bytes() + every_byte(house.place / "state"), {KEY, HOOK_PATH})


def test_a_heartbeat_and_a_daemon_that_is_killed(house: House, emulator: Cloud, group: Robot) -> None:
    """It is heard until then; and who listens misses it."""
    house.configure(notify={"heartbeat": {"url": group.heartbeat, "seconds": 1}})
    with house.started() as process:
        eventually(lambda: group.beats >= 3)
        process.kill()
        process.wait(30)
    heard = group.beats
    rest()

    assert group.beats == heard


def test_a_webhook_that_is_away_for_a_while(house: House, emulator: Cloud, group: Robot) -> None:
    """What happened meanwhile arrives when it is back, in its order, and mirroring never waited."""
    with robot() as away:
        port = int(away.base.rpartition(":")[2])
    house.configure(notify={"settle_seconds": SETTLE, "webhooks": [{"url": away.hook}]})
    fill(house.root, 5)
    with house.running():
        eventually(lambda: house.state() == "in_sync")
        house.root.rename(house.root.with_name("away"))
        eventually(lambda: "do not arrive" in house.log.read_text())
        house.root.with_name("away").rename(house.root)
        eventually(lambda: house.state() == "in_sync")
        notice = house.status()["service"]["notice"]
        with robot(port) as back:
            eventually(lambda: len(back.documents) == 2)

    assert back.told == [("held", "site"), ("recovered", "site")]
    assert notice.startswith(f"notifications to {away.base} do not arrive: no connection: ")
    assert HOOK_PATH not in notice
    assert json.dumps(back.documents).count("hush") == 0
