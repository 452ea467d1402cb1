"""Slots in front of a service that takes only so many at once: they settle there, on virtual time."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import pytest

from tcbsync.engine.slots import LAST_TRIAL_SECONDS, Slots
from tests.engine.settling import Scene, best_fixed, virtually

pytestmark = pytest.mark.slow

SERVICES = {
    "few, quick": (4, 16, 0.02),
    "some": (8, 16, 0.05),
    "some of many": (8, 64, 0.05),
    "most": (12, 16, 0.1),
}
"""How many the service takes at once, how many are configured, and the seconds that a request takes."""


class Span(NamedTuple):
    """What happened in a while: files a second, the share of requests that were refused, the limit at its end."""

    rate: float
    refused: float
    limit: int


async def watched(scene: Scene, seconds: float) -> Span:
    """Let time pass, and say what happened."""
    scene.reset()
    await asyncio.sleep(seconds)
    return Span(scene.files / seconds, scene.refusals / scene.requests, scene.slots.limit)


@pytest.mark.parametrize("name", SERVICES)
def test_they_settle_where_the_service_says(name: str) -> None:
    """Once settled: hardly a request is refused, and as much goes through as with the best fixed number."""
    at_once, most, latency = SERVICES[name]
    scene = Scene(at_once, latency, Slots(most))

    async def live() -> Span:
        living = asyncio.create_task(scene.live(60))
        await asyncio.sleep(20)
        span = await watched(scene, 30)
        await living
        return span

    span = virtually(live())

    assert abs(span.limit - at_once) <= 1
    assert span.refused < 0.01
    assert span.rate > 0.9 * best_fixed(at_once, latency, 20)


def test_they_find_out_that_the_service_takes_more() -> None:
    """Within the time between two trials, and a few seconds for the climb."""
    scene = Scene(4, 0.05, Slots(16))

    async def live() -> list[int]:
        living = asyncio.create_task(scene.live(40 + LAST_TRIAL_SECONDS))
        limits = [(await watched(scene, 30)).limit]
        scene.at_once = 16
        limits.append((await watched(scene, LAST_TRIAL_SECONDS + 9)).limit)
        await living
        return limits

    assert virtually(live()) == [4, 16]


def test_they_follow_a_service_that_takes_fewer() -> None:
    """It takes three of twelve from now on: within seconds we ask for no more."""
    scene = Scene(12, 0.05, Slots(16))

    async def live() -> Span:
        living = asyncio.create_task(scene.live(60))
        await asyncio.sleep(20)
        scene.at_once = 3
        await asyncio.sleep(15)
        span = await watched(scene, 20)
        await living
        return span

    span = virtually(live())

    assert abs(span.limit - 3) <= 1
    assert span.refused < 0.02
