"""Access tokens: the two families, expiry, overlap, force_refresh, limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tcbsync.emulator.server import Behaviours

if TYPE_CHECKING:
    from tests.emulator.caller import Caller, Clock
    from tests.emulator.conftest import Served


async def errcode_with(caller: Caller, token: str) -> int:
    """Ask for a link with this token; returns the errcode."""
    caller.token = token
    errcode: int = (await caller.link("a"))["errcode"]
    return errcode


async def test_stable_is_stable(caller: Caller, clock: Clock) -> None:
    """Repeated calls give the same stable token, with what is left of it, and no errcode."""
    first = await caller.stable()

    clock.now += 1000
    second = await caller.stable()

    assert first["expires_in"] == 7200
    assert second == {"access_token": first["access_token"], "expires_in": 6200}


async def test_stable_overlap(caller: Caller, clock: Clock) -> None:
    """In its last five minutes a stable token is renewed, and both are valid until the old one ends (42001)."""
    old = (await caller.stable())["access_token"]

    clock.now += 6901
    new = (await caller.stable())["access_token"]

    assert new != old
    assert [await errcode_with(caller, old), await errcode_with(caller, new)] == [0, 0]
    clock.now += 300
    assert [await errcode_with(caller, old), await errcode_with(caller, new)] == [42001, 0]


async def test_force_refresh(caller: Caller) -> None:
    """force_refresh kills the old stable token at once."""
    old = (await caller.stable())["access_token"]

    new = (await caller.stable(force_refresh=True))["access_token"]

    assert [await errcode_with(caller, old), await errcode_with(caller, new)] == [40001, 0]


async def test_force_refresh_limits(caller: Caller, clock: Clock) -> None:
    """force_refresh works 30 seconds apart (45011) and 20 times a day (45009)."""
    await caller.stable(force_refresh=True)
    too_soon = await caller.stable(force_refresh=True)

    for _ in range(19):
        clock.now += 30
        assert "access_token" in await caller.stable(force_refresh=True)
    clock.now += 30
    too_often = await caller.stable(force_refresh=True)

    assert [too_soon["errcode"], too_often["errcode"]] == [45011, 45009]


async def test_force_refresh_too_soon_can_be_silent(served: Served) -> None:
    """By switch, a force_refresh that comes too soon gives the token that is there."""
    behaviours = Behaviours(too_soon_force_refresh="same_token")

    async with served(behaviours=behaviours) as caller:
        first, second = [await caller.stable(force_refresh=True) for _ in range(2)]

    assert first == second


async def test_plain_replaces(caller: Caller, clock: Clock) -> None:
    """Each plain call replaces the token before it, which lives five more minutes."""
    old = (await caller.plain())["access_token"]
    new = (await caller.plain())["access_token"]

    assert [await errcode_with(caller, old), await errcode_with(caller, new)] == [0, 0]
    clock.now += 300
    assert [await errcode_with(caller, old), await errcode_with(caller, new)] == [40001, 0]


async def test_plain_limit(served: Served, clock: Clock) -> None:
    """Plain calls are counted by the day."""
    async with served(behaviours=Behaviours(token_calls_per_day=2)) as caller:
        codes = [(await caller.plain()).get("errcode", 0) for _ in range(3)]
        clock.now += 86_400
        codes.append((await caller.plain()).get("errcode", 0))

    assert codes == [0, 0, 45009, 0]


async def test_families_do_not_disturb_each_other(caller: Caller) -> None:
    """A refresh in one family leaves the other's token alone."""
    plain = (await caller.plain())["access_token"]
    stable = (await caller.stable())["access_token"]

    await caller.stable(force_refresh=True)
    for_plain = await errcode_with(caller, plain)
    await caller.plain()

    assert for_plain == 0
    assert await errcode_with(caller, stable) == 40001


@pytest.mark.parametrize(
    ("change", "errcode"),
    [
        ({"appid": "wx2"}, 40013),
        ({"secret": "other"}, 40125),
        ({"grant_type": "password"}, 40002),
        ({"appid": None}, 41002),
        ({"secret": None}, 41004),
        ({"force_refresh": "yes"}, 40097),
    ],
)
async def test_credentials(served: Served, change: dict[str, str], errcode: int) -> None:
    """Each wrong credential has its own errcode."""
    async with served(appid="wx1", secret="s") as caller:
        answer = await caller.stable(**change)

    assert answer["errcode"] == errcode


async def test_methods(caller: Caller) -> None:
    """The stable call wants POST (43002), the plain one GET (43001)."""
    stable = await caller.request("GET", "/cgi-bin/stable_token")
    plain = await caller.request("POST", "/cgi-bin/token")

    assert [stable.json["errcode"], plain.json["errcode"]] == [43002, 43001]
