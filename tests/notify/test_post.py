"""One webhook over a real socket: what it takes, what it refuses, when it is tried again, and when not."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tcbsync.notify import post as posting
from tcbsync.notify.post import Hook, Patience, Post, attempt, way_out
from tcbsync.notify.transitions import Notice
from tests.engine.world import eventually
from tests.notify.robot import HOOK_PATH, KEY, Answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.notify.robot import Robot

ALL = ("held", "failed", "offline", "blocked", "quota", "recovered")
QUICK = Patience(first=0.02, longest=0.05)
NOW = time.time()


def notice(what: str = "held", mirror: str = "site", **told: Any) -> Notice:
    """Make a notice of just now."""
    values: dict[str, Any] = {"kind": "held", "mirror": mirror, "at": time.time(), "since": NOW, "count": 1}
    return Notice(**{"what": what, "told": ("held",), **values, **told})


@asynccontextmanager
async def delivering(*posts: Post) -> AsyncIterator[None]:
    """Let webhooks get what waits for them, until the end of the block."""
    way = way_out(None, None, len(posts))
    tasks = [asyncio.create_task(each.deliver(way.open().send)) for each in posts]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await way.close()


async def test_a_message_is_posted_as_each_wants_it(group: Robot) -> None:
    """JSON to the one, markdown to the robot, in its own language; and only what each has asked for."""
    plain = Post(Hook(group.hook, "json", ALL), "web-1", QUICK)
    robot = Post(Hook(group.wecom, "wecom", ("held",), "zh"), "web-1", QUICK)
    async with delivering(plain, robot):
        for post in (plain, robot):
            post.put(notice("held"))
            post.put(notice("recovered"))
        await eventually(lambda: len(group.documents) == 2 and group.contents)

    assert group.told == [("held", "site"), ("recovered", "site")]
    assert "镜像 site 有 1 个删除等您确认。" in group.contents[0]
    assert len(group.contents) == 1
    assert (plain.counts["sent"], robot.counts["sent"]) == (2, 1)
    assert plain.is_done


ENDS = {
    "of what it asks for": (("held", "recovered"), ("held",), True),
    "of what it does not ask for": (("held", "recovered"), ("offline",), False),
    "of several": (("blocked", "recovered"), ("blocked", "offline"), True),
    "where it asks for ends alone": (("recovered",), ("offline",), True),
    "where it asks for no end": (("held",), ("held",), False),
}


@pytest.mark.parametrize("name", ENDS)
def test_an_end_goes_to_who_asks_for_what_is_over(name: str) -> None:
    """Who is not told that it is out of reach is not told that it is back."""
    about, told, is_wanted = ENDS[name]
    post = Post(Hook("http://127.0.0.1:9/", "json", about), "web-1")

    post.put(notice("recovered", told=told))

    assert post.is_done is not is_wanted


LATER = {
    "an error": Answer(500, b"<html>"),
    "too many": Answer(429, b"", {"Retry-After": "0"}),
    "a gateway": Answer(502),
    "a refusal that was none": Answer(403),
}


@pytest.mark.parametrize("name", LATER)
async def test_what_is_not_taken_is_tried_again(group: Robot, name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Until it is taken: with a line when messages no longer arrive, and one when they do, and none for each try."""
    caplog.set_level(logging.INFO, "tcbsync.notify")
    group.script = [LATER[name]] * 2
    post = Post(Hook(group.hook, "json", ALL), "web-1", QUICK)
    async with delivering(post):
        post.put(notice())
        await eventually(lambda: group.documents)
        await eventually(lambda: post.is_done)

    status = LATER[name].status
    assert caplog.messages == [
        f"notifications to {group.base} do not arrive: HTTP {status}; they are tried again",
        f"notifications to {group.base} arrive again",
    ]
    assert (post.counts["sent"], post.counts["failed"], post.trouble) == (1, 2, "")


async def test_nobody_listens(group: Robot) -> None:
    """It is tried again and again, and what is said of it holds no more than scheme and host."""
    closed = Post(Hook(group.hook.replace(group.base, "http://127.0.0.1:9"), "json", ALL), "web-1", QUICK)
    async with delivering(closed):
        closed.put(notice())
        await eventually(lambda: closed.counts["failed"] > 2)

    assert "no connection" in closed.trouble
    assert HOOK_PATH not in repr(closed) + closed.trouble


async def test_its_wish_to_wait_is_granted(group: Robot) -> None:
    """Retry-After: not before that."""
    group.script = [Answer(503, b"", {"Retry-After": "1"})]
    post = Post(Hook(group.hook, "json", ALL), "web-1", QUICK)
    begun = time.monotonic()
    async with delivering(post):
        post.put(notice())
        await eventually(lambda: group.documents)

    assert time.monotonic() - begun >= 1.0
    assert group.requests == 2


async def test_an_errcode_in_a_200_is_a_failure(group: Robot, caplog: pytest.LogCaptureFixture) -> None:
    """WeCom answers everything with 200: a wrong key is named as that, tried three times, and then given up."""
    wrong = group.wecom.replace(KEY, "another-hush-key")
    post = Post(Hook(wrong, "wecom", ALL), "web-1", QUICK)
    async with delivering(post):
        post.put(notice())
        await eventually(lambda: post.is_done)

    assert group.refused == [93000] * 3
    assert post.trouble == "errcode 93000: there is no robot of this key; was it removed from its group?"
    assert (post.counts["sent"], post.counts["given_up"]) == (0, 1)
    assert caplog.messages[-1].startswith(f"a notification to {group.base} is given up (held, site): errcode 93000")
    assert "hush" not in caplog.text


@pytest.mark.parametrize("body", [b"", b"ok", b"[]", b'{"errcode": "x"}', b'{"errmsg": "ok"}', b"{" * 100_000])
async def test_what_is_no_answer_of_a_robot_is_no_success(group: Robot, body: bytes) -> None:
    """A portal's page, or nothing, with status 200: a robot has not taken it."""
    group.script = [Answer(200, body)]
    way = way_out(None, None, 1)

    failure = await attempt(way.open().send, group.wecom, b"{}", "wecom")

    await way.close()
    assert failure is not None
    assert failure.reason == "the answer is none of a WeCom robot"
    assert not failure.is_refusal


async def test_twenty_a_minute(group: Robot, monkeypatch: pytest.MonkeyPatch) -> None:
    """A robot never gets more than it takes: what is over waits, and the robot never has to say 45009."""
    monkeypatch.setattr(posting, "ROBOT_SECONDS", 1.0)
    post = Post(Hook(group.wecom, "wecom", ALL), "web-1", QUICK)
    begun = time.monotonic()
    async with delivering(post):
        for number in range(20):
            post.put(notice(mirror=f"m{number}"))
        await eventually(lambda: post.is_done)

    assert len(group.contents) == 20
    assert group.refused == []
    assert time.monotonic() - begun >= 1.0


@pytest.mark.slow
async def test_a_robot_that_others_use_too(group: Robot, monkeypatch: pytest.MonkeyPatch) -> None:
    """45009 is no refusal: the robot is left alone for a minute, and then it takes the message."""
    monkeypatch.setattr(posting, "ROBOT_SECONDS", 0.5)
    group.script = [Answer(200, b'{"errcode":45009,"errmsg":"api freq out of limit"}')] * 4
    post = Post(Hook(group.wecom, "wecom", ALL), "web-1", QUICK)
    begun = time.monotonic()
    async with delivering(post):
        post.put(notice())
        await eventually(lambda: group.contents)

    assert time.monotonic() - begun >= 4 * 0.5


async def test_a_redirect_is_not_followed(group: Robot) -> None:
    """A message, and the key in its address, go nowhere else."""
    group.script = [Answer(307, b"", {"Location": group.hook})] * 3
    post = Post(Hook(f"{group.base}/moved", "json", ALL), "web-1", QUICK)
    async with delivering(post):
        post.put(notice())
        await eventually(lambda: post.is_done)

    assert (post.counts["given_up"], group.requests, group.documents) == (1, 3, [])


async def test_what_is_too_old_is_given_up(group: Robot) -> None:
    """After some hours nobody wants it any more; what is newer is still tried."""
    group.script = [Answer(500)] * 3
    ahead = 0.0
    post = Post(Hook(group.hook, "json", ALL), "web-1", QUICK, clock=lambda: time.time() + ahead)
    async with delivering(post):
        post.put(notice("held"))
        await eventually(lambda: group.requests)
        ahead = QUICK.give_up + 1
        post.put(notice("recovered", at=time.time() + ahead))
        await eventually(lambda: group.documents)

    assert group.told == [("recovered", "site")]
    assert post.counts["given_up"] == 1


def test_what_waits_is_bounded() -> None:
    """The oldest of the same mirror gives way; where there is none, the oldest of all."""
    post = Post(Hook("http://127.0.0.1:9/", "json", ALL), "web-1", waiting=3)

    kept = []
    for mirror, count in (("a", 1), ("b", 2), ("b", 3), ("b", 4), ("c", 5)):
        post.put(notice(mirror=mirror, count=count))
        kept.append([each.notice.count for each in post._waiting])

    assert kept[-2:] == [[1, 3, 4], [3, 4, 5]]
    assert post.counts["given_up"] == 2


async def test_what_waits_goes_on_after_a_break(group: Robot) -> None:
    """A reload ends the delivery amid it and begins another: nothing has to happen for what waited to be sent."""
    group.always = Answer(503)
    post = Post(Hook(group.hook, "json", ALL), "web-1", QUICK)
    async with delivering(post):
        post.put(notice())
        await eventually(lambda: group.requests)
    group.always = None
    async with delivering(post):
        await eventually(lambda: group.documents, 5)

    assert group.told == [("held", "site")]


async def test_what_is_on_its_way_gives_way_to_nothing() -> None:
    """It is counted once: as sent, if it arrives; what gives way is the oldest of those that wait."""

    async def send(*_: Any, **__: Any) -> Any:
        is_asked.set()
        await may_answer.wait()
        return httpx.Response(204)

    is_asked, may_answer = asyncio.Event(), asyncio.Event()
    post = Post(Hook("http://127.0.0.1:9/", "json", ALL), "web-1", QUICK, waiting=2)
    sent: list[int] = []
    post.on_sent = lambda each: sent.append(each.count)
    task = asyncio.create_task(post.deliver(send))
    post.put(notice(count=1))
    await is_asked.wait()
    post.put(notice(count=2))
    post.put(notice(count=3))
    may_answer.set()
    await eventually(lambda: post.is_done)
    task.cancel()

    assert sent == [1, 3]
    assert (post.counts["sent"], post.counts["given_up"]) == (2, 1)


async def test_what_cannot_be_written_is_given_up(group: Robot) -> None:
    """A defect in a message harms no other: it is named by its class alone, and what comes next is told."""
    post = Post(Hook(group.hook, "json", ALL), "web-1", QUICK)
    async with delivering(post):
        post.put(notice(at=float("inf")))
        post.put(notice())
        await eventually(lambda: post.is_done)

    assert (post.counts["given_up"], group.told) == (1, [("held", "site")])


@pytest.mark.parametrize(("failures", "least", "most"), [(1, 4, 6), (2, 8, 12), (8, 512, 768), (999, 720, 1080)])
def test_it_waits_longer_each_time(failures: int, least: float, most: float) -> None:
    """Seconds at first, then twice as long each time, at most a quarter of an hour."""
    waits = [Patience().wait(failures) for _ in range(50)]

    assert least <= min(waits)
    assert max(waits) <= most
    assert len(set(waits)) > 1


async def test_a_defect_is_a_failure_and_no_more(group: Robot) -> None:
    """Whatever is raised on the way: it is named by its class alone."""

    async def send(*_: Any, **__: Any) -> Any:
        raise RuntimeError(f"{group.hook} and all that")

    failure = await attempt(send, group.hook, b"")

    assert failure is not None
    assert failure.reason == "RuntimeError, a defect of this program"


async def test_the_certificate_is_verified(group: Robot) -> None:
    """What speaks no TLS, or not with a certificate that we trust, gets nothing."""
    way = way_out(None, None, 1)

    failure = await attempt(way.open().send, group.hook.replace("http://", "https://"), b"{}")

    await way.close()
    assert failure is not None
    assert "TLS failed" in failure.reason
    assert group.documents == []
