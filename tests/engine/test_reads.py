"""Files are taken up in groups: one visit to a thread for many, each with its own result, and no one waits for all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import pytest

from tcbsync.core.errors import FileVanished, Misconfigured
from tcbsync.core.model import State
from tcbsync.emulator.faults import Fault
from tcbsync.engine import uploads
from tcbsync.engine.heart import Heart
from tcbsync.engine.host import Host
from tcbsync.engine.reads import GROUP, SMALL, VISITS, Large, Reads, Whole, Young
from tcbsync.engine.stream import Stream
from tcbsync.local.digest import OpenFile
from tests.engine.test_heart import hanging
from tests.engine.world import ENV, eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tcbsync.emulator.server import Emulator
    from tcbsync.engine.mirror import Mirror
    from tcbsync.store.manifest import Job
    from tests.engine.world import World

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Slow(Host):
    """A host that counts the visits to its threads, and holds back those that begin while it is shut."""

    def __init__(self) -> None:
        super().__init__()
        self.visits = 0
        self.opened = asyncio.Event()
        self.opened.set()

    async def offload(
        self, work: Callable[Arguments, Result], *arguments: Arguments.args, **named: Arguments.kwargs
    ) -> Result:
        self.visits += 1
        await self.opened.wait()
        return await super().offload(work, *arguments, **named)


@pytest.fixture
async def mirror(world: World, emulator: Emulator) -> AsyncIterator[Mirror]:
    """Make a mirror whose rows want to be sent, and whose uploads were all refused for now."""
    for number in range(3 * GROUP):
        world.write(f"{number}", "x" * number)
    world.write("large", b"x" * (SMALL + 1))
    emulator.install(Fault(call="uploadfile", kind="errcode", errcode=-501005))
    async with world.assembly(grace=False) as assembly:
        await assembly.mirrors[0].once()
        await asyncio.sleep(0.05)  # no file is young any more
        yield assembly.mirrors[0]


def jobs_of(mirror: Mirror) -> list[Job]:
    """Give what wants to be sent, the large one last."""
    jobs = mirror.parts.manifest.jobs(State.UPLOAD, mirror.parts.host.now(), 1000)
    return sorted(jobs, key=lambda job: job.size)


async def test_those_who_come_together_share_a_visit(mirror: Mirror) -> None:
    """Sixteen files are one visit; each gets its own bytes, and of a large one nothing is read."""
    host, parts = Slow(), mirror.parts
    reads = Reads(host, parts.target, parts.manifest)

    taken = await asyncio.gather(*map(reads.take, jobs_of(mirror)[-GROUP:]))

    assert host.visits == 1
    assert isinstance(taken[-1], Large)
    assert [len(each.data) for each in taken if isinstance(each, Whole)] == list(range(2 * GROUP + 1, 3 * GROUP))


async def test_what_happens_to_one_file_is_no_matter_of_the_others(mirror: Mirror, world: World) -> None:
    """One is gone, one is wanted no more, one is written just now: each is told so, and the fourth is read."""
    parts = mirror.parts
    reads = Reads(parts.host, parts.target, parts.manifest)
    gone, unknown, young, good = jobs_of(mirror)[:4]
    (world.root / gone.local).unlink()
    world.write(young.local, "young")

    taken = await asyncio.gather(
        *map(reads.take, [gone, unknown._replace(path="unknown"), young, good]), return_exceptions=True
    )

    assert [type(each) for each in taken] == [FileVanished, type(None), Young, Whole]


async def test_a_visit_that_hangs_holds_up_no_other(mirror: Mirror) -> None:
    """A group whose disk does not answer keeps its own files; those who come later are read."""
    host, parts = Slow(), mirror.parts
    reads = Reads(host, parts.target, parts.manifest)
    first, second = jobs_of(mirror)[:2]
    host.opened.clear()
    hangs = reads.take(first)
    await eventually(lambda: host.visits == 1)
    hanging, host.opened = host.opened, asyncio.Event()
    host.opened.set()

    taken = await asyncio.wait_for(reads.take(second), 10)

    assert isinstance(taken, Whole)
    assert not hangs.done()
    hanging.set()
    assert isinstance(await hangs, Whole)


async def test_a_thread_that_hangs_is_named_after_its_root(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A visit is made for many; whichever of them asked first may have nothing to do with what hangs."""
    host, parts = Host(Heart()), mirror.parts
    reads = Reads(host, parts.target, parts.manifest)
    (job, *_) = jobs_of(mirror)
    with hanging(tmp_path) as pipe:
        monkeypatch.setattr("tcbsync.engine.reads.OpenFile", lambda *_: pipe.open("rb"))

        with host.heart.part("site: upload of the first that asked"):
            taking = reads.take(job)
            await eventually(lambda: host.heart.silent(0.2))
            silent = host.heart.silent(0.2)

    await asyncio.wait([taking])
    assert isinstance(taking.exception(), AttributeError)
    assert silent == [f"reading in {parts.target.root} (a thread hangs)"]


async def test_a_disk_that_hangs_takes_few_threads(mirror: Mirror) -> None:
    """However many files are asked for, one by one: the threads are there for the other mirrors too."""
    host, parts = Slow(), mirror.parts
    reads = Reads(host, parts.target, parts.manifest)
    host.opened.clear()

    waiting = []
    for job in jobs_of(mirror)[: 2 * VISITS]:
        waiting.append(reads.take(job))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    visits = host.visits
    host.opened.set()
    taken = await asyncio.gather(*waiting)

    assert visits == VISITS
    assert all(isinstance(each, Whole) for each in taken)


async def test_a_link_that_has_waited_too_long_is_asked_for_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Links expire: nothing is sent by one that may have, while it waited for its turn."""
    monkeypatch.setattr(uploads, "LINK_SECONDS", -1)
    world.write("a")

    await world.sync()

    assert world.is_equal()
    assert (world.calls()["uploadfile"], world.calls()["cos"]) == (2, 1)


async def test_who_waits_with_a_link_heeds_what_is_found_out_meanwhile(world: World, emulator: Emulator) -> None:
    """The environment turns out to be wrong while two wait for their turn: neither of them sends anything."""
    for number in range(4):
        world.write(f"{number}")
    emulator.install(Fault(call="cos", kind="stall", seconds=1))

    async with world.running(watches=False, uploads=2) as mirror:
        await eventually(lambda: world.calls().get("uploadfile") == 4 and emulator.counters.at_once["cos"] == 2)
        wrong = Misconfigured("no such env", code="-501005")
        wrong.env_only = True
        mirror.parts.pace.failed(ENV, wrong)
        await eventually(lambda: not mirror._flights)

        assert world.calls()["cos"] == 2
        assert mirror.parts.tally.failures == 0


async def test_a_stream_is_closed_only_when_nobody_reads_it_any_more(world: World) -> None:
    """Whoever gives up while a thread reads leaves the descriptor to it: it may be another file's afterwards."""
    world.write("a", b"x" * 10)
    host, file = Slow(), OpenFile(world.root, "a", "a")

    async def read() -> None:
        async with Stream(host, file) as stream:
            host.opened.clear()
            async for _ in stream.chunks():
                pass

    reading = asyncio.create_task(read())
    await eventually(lambda: host.visits == 1)
    reading.cancel()
    await asyncio.sleep(0.05)

    assert file._descriptor >= 0
    host.opened.set()
    await asyncio.wait([reading])
    assert file._descriptor < 0
