"""`check` of who is told: reachable without a word, and with a message where it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tcbsync.cli import exits
from tests.cli.checking import points, wrong
from tests.hushed import leaks
from tests.notify.robot import HOOK_PATH, KEY, Answer, Robot, robot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.stage import Stage


@pytest.fixture
def group() -> Iterator[Robot]:
    """Serve a robot, a plain webhook and a place that hears heartbeats."""
    with robot() as listening:
        yield listening


def telling(stage: Stage, group: Robot, **changes: Any) -> None:
    """Have all three told."""
    hooks = [{"url": group.hook}, {"url": group.wecom, "format": "wecom", "language": "zh"}]
    stage.configure(notify={"webhooks": hooks, "heartbeat": {"url": group.heartbeat}, **changes})


def test_it_disturbs_nobody_unasked(stage: Stage, group: Robot) -> None:
    """What answers at all is right; no message, no beat, and no key leaves this host."""
    telling(stage, group)

    found = points(stage.run("check", "--json"))

    for what in ("webhook 1", "webhook 2", "heartbeat"):
        assert found[what]["found"] == f"{group.base} answers; --notify tries it"
    assert (group.documents, group.contents, group.beats, group.requests) == ([], [], 0, 3)


def test_a_message_to_each(stage: Stage, group: Robot) -> None:
    """With --notify each gets a test message, in its language, and the heartbeat is heard."""
    telling(stage, group)

    result = stage.run("check", "--notify")

    assert result.code == exits.DONE
    assert f"ok    webhook 2: {group.base} took a test message" in result.lines
    assert f"ok    heartbeat: {group.base} has heard a beat" in result.lines
    assert group.told == [("test", None)]
    assert "这是 tcbsync 的测试消息。" in group.contents[0]
    assert group.beats == 1


def test_a_robot_that_is_gone(stage: Stage, group: Robot) -> None:
    """What came back is said, and the next step; the key is not."""
    stage.configure(notify={"webhooks": [{"url": group.wecom.replace(KEY, "hush-other"), "format": "wecom"}]})

    code, found, advice = wrong(stage, "webhook 1", "--notify")

    assert code == exits.FAILED
    assert found.startswith(f"{group.base} did not take a test message: errcode 93000: there is no robot of this key")
    assert advice == "add a robot to the group anew, and put its address into the configuration"
    assert "hush" not in found


def test_nobody_answers(stage: Stage, group: Robot) -> None:
    """It is wrong without a message, too."""
    stage.configure(notify={"heartbeat": {"url": f"http://127.0.0.1:9/{HOOK_PATH}"}})

    _, found, advice = wrong(stage, "heartbeat")

    assert found.startswith("127.0.0.1:9: no connection")
    assert "service.proxy" in advice


def test_a_heartbeat_that_is_not_heard(stage: Stage, group: Robot) -> None:
    """A place that has moved away is not heard by."""
    group.always = Answer(404)
    stage.configure(notify={"heartbeat": {"url": group.heartbeat}})

    _, found, _ = wrong(stage, "heartbeat", "--notify")

    assert found == f"{group.base} did not hear a beat: HTTP 404"


def test_an_address_that_cannot_be_had(stage: Stage) -> None:
    """It is named by its key; a running daemon has to be told when it can be had, which is said."""
    stage.configure(notify={"webhooks": [{"url_file": "/no/such/file"}]})

    _, found, advice = wrong(stage, "notifications")

    assert advice.endswith("until it can be had and a running daemon has read it, at `tcbsync reload`")
    assert found.startswith("the address cannot be read from /no/such/file (notify.webhooks[0].url_file): No such file")


def test_offline_calls_nobody(stage: Stage, group: Robot) -> None:
    """Addresses are read, and nothing is sent."""
    telling(stage, group)

    result = stage.run("check", "--offline", "--notify", "--json")

    assert points(result)["webhook 1"]["found"] == f"{group.base}; not tried (--offline)"
    assert group.requests == 0


def test_nobody_to_be_told(stage: Stage) -> None:
    """Who asks for a test where nothing is configured is told so; else nothing is said of it."""
    silent = stage.run("check", "--json")
    _, found, _ = wrong(stage, "notifications", "--notify")

    assert "notifications" not in points(silent)
    assert found == "nobody is notified"


def test_it_tells_no_address(stage: Stage, group: Robot) -> None:
    """At its most talkative, through what works and what does not."""
    group.script = [Answer(500, KEY.encode()), Answer(302, b"", {"Location": group.hook})]
    telling(stage, group)

    results = [stage.spawn("check", "--verbose", *more) for more in ([], ["--notify"], ["--notify"])]

    shown = "".join(result.out + result.err for result in results)
    assert "took a test message" in shown
    assert not leaks(shown.encode(), {KEY, HOOK_PATH})
