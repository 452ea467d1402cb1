"""Only so many at once: who gets a place, what the others hear, and when a place is free again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.emulator.caller import ENV, begin, fields, multipart, until

if TYPE_CHECKING:
    from tests.emulator.caller import Answer, Caller
    from tests.emulator.conftest import Served


async def links(caller: Caller, count: int) -> list[int]:
    """Ask for so many links at once; give the errcodes."""
    answers = await asyncio.gather(*(caller.link(f"{number}") for number in range(count)))
    return sorted(answer["errcode"] for answer in answers)


async def test_links_beyond_the_limit_are_refused(served: Served) -> None:
    """Of eight at once three get a link, the others -501004; afterwards all places are free again."""
    async with served(latency_seconds=0.1, at_once=3) as caller:
        await caller.link("first")

        together = [await links(caller, 8) for _ in range(2)]
        alone = await caller.link("last")

        assert together == [[-501004] * 5 + [0] * 3] * 2
        assert alone["errcode"] == 0


async def test_uploads_beyond_the_limit_are_refused(served: Served) -> None:
    """SlowDown with 503, and nothing is stored."""
    async with served(at_once=2) as caller:
        given = {key: await caller.link(key) for key in ("a", "b", "c", "d")}
        caller.emulator.set_latency(0.1)

        async def post(key: str) -> Answer:
            return await caller.post(given[key], multipart(fields(key, given[key]), b"content"))

        answers = await asyncio.gather(*map(post, given))

        assert sorted(answer.status for answer in answers) == [204, 204, 503, 503]
        assert all(b"<Code>SlowDown</Code>" in answer.body for answer in answers if answer.status == 503)
        assert len(caller.emulator.objects()) == 2


async def test_each_host_has_its_own_places(served: Served) -> None:
    """An upload that is under way takes a place from uploads alone, and gives it back when its sender hangs up."""
    async with served(at_once=1) as caller:
        link, other = await caller.link("a"), await caller.link("b")
        body = multipart(fields("a", link), b"content")
        _, writer = await begin(caller, link["url"], len(body), body[:-20])
        await until(lambda: caller.emulator.counters.at_once["cos"] == 1)

        refused = await caller.post(other, multipart(fields("b", other), b"content"))
        asked = await caller.link("b")
        writer.close()
        await until(lambda: caller.emulator.counters.at_once["cos"] == 0)
        taken = await caller.post(other, multipart(fields("b", other), b"content"))

        assert (refused.status, asked["errcode"], taken.status) == (503, 0, 204)


async def test_links_and_deletes_share_the_places(served: Served) -> None:
    """Calls of the API are one crowd."""
    async with served(latency_seconds=0.1, at_once=2) as caller:
        await caller.link("first")

        answers = await asyncio.gather(
            *(caller.link(f"{number}") for number in range(2)),
            caller.call("batchdeletefile", fileid_list=["cloud://x/a"]),
        )

        assert [answer["errcode"] for answer in answers].count(-501004) == 1


async def test_tokens_and_downloads_need_no_place(served: Served) -> None:
    """Those hosts have limits of their own."""
    async with served(at_once=1) as caller:
        await caller.upload("a", b"content")
        url = (await caller.downloads(f"cloud://{ENV}.7465-{ENV}-1265716355/a"))[0]["download_url"]
        caller.emulator.set_latency(0.1)

        asked = await asyncio.gather(
            *(caller.stable() for _ in range(4)), *(caller.request("GET", url) for _ in range(4))
        )

        assert all(isinstance(answer, dict) or answer.status == 200 for answer in asked)


async def test_the_limit_can_be_changed(served: Served) -> None:
    """By who has the emulator in his process, and over HTTP; what is no limit is refused; a reset takes it back."""
    async with served(latency_seconds=0.05, at_once=1) as caller:
        await caller.link("first")
        caller.emulator.set_at_once(2)
        by_hand = await links(caller, 4)
        answers = [
            (await caller.request("POST", "/_emulator/at-once", json={"limit": limit})).status
            for limit in (0, 1.5, True, "3", 3)
        ]
        over_http = await links(caller, 4)
        await caller.request("POST", "/_emulator/at-once", json={"limit": None})
        without = await links(caller, 4)
        caller.emulator.reset()
        caller.token = ""
        await caller.link("first")

        assert by_hand.count(0) == 2
        assert answers == [400, 400, 400, 400, 200]
        assert over_http.count(0) == 3
        assert without.count(0) == 4
        assert (await links(caller, 4)).count(0) == 1


async def test_a_refusal_takes_the_time_of_an_answer(served: Served) -> None:
    """Who is refused has waited as long as who is not: too many at once is no way to be quick."""
    async with served(latency_seconds=0.2, at_once=1) as caller:
        await caller.link("first")
        clock = asyncio.get_running_loop().time
        began = clock()

        await links(caller, 3)

        assert clock() - began >= 0.2
