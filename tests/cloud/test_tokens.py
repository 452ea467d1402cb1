"""The cache of the access token: margins, single flight, and what happens when a token is rejected."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from tcbsync.cloud.tokens import APART_SECONDS, CONTESTED, SECOND_THOUGHT, Token, Tokens
from tcbsync.core.errors import CloudError, NoAnswer, RateLimited, TokenRejected

WIRE = cast("Any", None)


class Clock:
    """A clock that stands still until it is moved."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Source:
    """Gives `token-1`, `token-2`, … or what it was told to; remembers what was rejected."""

    def __init__(self, expires_in: float = 7200) -> None:
        self.expires_in = expires_in
        self.asked: list[str | None] = []
        self.errors: list[CloudError] = []
        self.stays_the_same = 0
        self.count = 0
        self.is_forced = False

    async def fetch(self, _wire: object, rejected: str | None, /) -> Token:
        self.asked.append(rejected)
        await asyncio.sleep(0.001)
        if self.errors:
            raise self.errors.pop(0)
        if self.stays_the_same:
            self.stays_the_same -= 1
        else:
            self.count += 1
        return Token(f"token-{self.count}", self.expires_in, self.is_forced)


async def test_one_call_for_64_who_wait() -> None:
    """However many callers find no token, the source is asked once."""
    source = Source()
    tokens = Tokens(source, WIRE)

    values = await asyncio.gather(*(tokens.current() for _ in range(64)))

    assert set(values) == {"token-1"}
    assert source.asked == [None]


async def test_one_failure_for_64_who_wait() -> None:
    """A token call that fails fails for all who wait, and the next caller asks again."""
    source = Source()
    source.errors = [NoAnswer("cut off")]
    tokens = Tokens(source, WIRE)

    results = await asyncio.gather(*(tokens.current() for _ in range(64)), return_exceptions=True)

    assert {type(result) for result in results} == {NoAnswer}
    assert await tokens.current() == "token-1"
    assert len(source.asked) == 2


async def test_a_caller_that_gives_up_does_not_end_the_others_call() -> None:
    """Cancelling one of those who wait leaves the token call to the rest."""
    source = Source()
    tokens = Tokens(source, WIRE)
    first, second = asyncio.create_task(tokens.current()), asyncio.create_task(tokens.current())
    await asyncio.sleep(0)

    first.cancel()

    assert await second == "token-1"
    assert first.cancelled()
    assert len(source.asked) == 1


@pytest.mark.parametrize(
    ("expires_in", "still_good", "renewed"), [(7200, 6899, 6901), (600, 299, 301), (300, 149, 151), (10, 4.9, 5.1)]
)
async def test_the_margin(expires_in: float, still_good: float, renewed: float) -> None:
    """A token is renewed when less than min(300, expires_in / 2) is left, so that short ones make no loop."""
    clock, source = Clock(), Source(expires_in)
    tokens = Tokens(source, WIRE, clock)
    await tokens.current()

    clock.now = 1000 + still_good
    before = await tokens.current()
    clock.now = 1000 + renewed
    after = await tokens.current()

    assert (before, after) == ("token-1", "token-2")


async def test_a_token_that_is_not_kept() -> None:
    """A token that expires at once is fetched for each use."""
    source = Source(expires_in=0)
    tokens = Tokens(source, WIRE)

    values = [await tokens.current() for _ in range(3)]

    assert values == ["token-1", "token-2", "token-3"]


@pytest.mark.parametrize("error", [NoAnswer("cut off"), RateLimited("wait")])
async def test_a_renewal_that_fails_early(error: CloudError) -> None:
    """While the old token is still valid a failed renewal stops nobody, and is not tried again at once."""
    clock, source = Clock(), Source(expires_in=600)
    tokens = Tokens(source, WIRE, clock)
    await tokens.current()
    source.errors = [error]
    clock.now += 400

    values = [await tokens.current() for _ in range(5)]

    assert set(values) == {"token-1"}
    assert len(source.asked) == 2
    clock.now += SECOND_THOUGHT + 1
    assert await tokens.current() == "token-2"


async def test_a_renewal_that_fails_too_late() -> None:
    """Once the old token has expired a failed renewal is an error."""
    clock, source = Clock(), Source(expires_in=600)
    tokens = Tokens(source, WIRE, clock)
    await tokens.current()
    source.errors = [NoAnswer("cut off")]
    clock.now += 601

    with pytest.raises(NoAnswer):
        await tokens.current()


async def test_64_rejections_make_one_renewal() -> None:
    """However many calls are rejected with the same token, one new token is fetched for all of them."""
    source = Source()
    tokens = Tokens(source, WIRE)
    await tokens.current()

    values = await asyncio.gather(*(tokens.instead_of("token-1") for _ in range(64)))

    assert set(values) == {"token-2"}
    assert source.asked == [None, "token-1"]


async def test_a_rejected_token_that_is_no_longer_cached() -> None:
    """Whoever was rejected with an older token just gets the cached one."""
    source = Source()
    tokens = Tokens(source, WIRE)
    await tokens.current()
    await tokens.instead_of("token-1")

    value = await tokens.instead_of("token-1")

    assert value == "token-2"
    assert len(source.asked) == 2


async def test_a_rejection_during_a_renewal() -> None:
    """A renewal that began before the rejection and brings the rejected token is followed by another."""
    clock, source = Clock(), Source(expires_in=600)
    tokens = Tokens(source, WIRE, clock)
    await tokens.current()
    clock.now += 400
    source.stays_the_same = 1
    renewal = asyncio.create_task(tokens.current())
    await asyncio.sleep(0)

    value = await tokens.instead_of("token-1")

    assert await renewal == "token-1"
    assert value == "token-2"
    assert source.asked == [None, None, "token-1"]


async def test_a_rejected_token_is_not_given_to_others() -> None:
    """Nobody is given a token that is known to be rejected, while a new one is on its way."""
    source = Source()
    tokens = Tokens(source, WIRE)
    await tokens.current()
    renewal = asyncio.create_task(tokens.instead_of("token-1"))
    await asyncio.sleep(0)

    value = await tokens.current()

    assert value == await renewal == "token-2"


async def test_a_source_without_another_token() -> None:
    """A source that goes on giving the rejected token ends in TokenRejected, not in a loop."""
    source = Source()
    tokens = Tokens(source, WIRE)
    await tokens.current()
    source.stays_the_same = 99

    with pytest.raises(TokenRejected):
        await tokens.instead_of("token-1")

    assert len(source.asked) == 3


async def ended(tokens: Tokens, clock: Clock, times: int) -> None:
    """Have the token of the moment rejected so often, a minute apart."""
    for _ in range(times):
        clock.now += 60
        await tokens.instead_of(await tokens.current())


async def test_a_token_that_somebody_else_ends_is_named() -> None:
    """Some tokens in a row that were rejected before their time are another service's doing: it is said what to do."""
    clock = Clock()
    tokens = Tokens(Source(), WIRE, clock)
    await ended(tokens, clock, CONTESTED - 1)
    before = tokens.notice

    await ended(tokens, clock, 1)

    assert before == ""
    assert tokens.notice.startswith("another service seems to renew the token of this appid: ")
    assert "use stable_token without force_refresh" in tokens.notice


async def test_a_contested_token_is_renewed_no_more_often_than_each_30_seconds() -> None:
    """Whoever ends it at once again and again makes no loop of us; later there is another try."""
    clock, source = Clock(), Source()
    tokens = Tokens(source, WIRE, clock)
    await ended(tokens, clock, CONTESTED)
    asked = len(source.asked)
    token = await tokens.current()

    for _ in range(64):
        with pytest.raises(TokenRejected, match="another service"):
            await tokens.instead_of(token)
        with pytest.raises(TokenRejected, match="another service"):
            await tokens.current()
    clock.now += APART_SECONDS
    after = await tokens.current()

    assert len(source.asked) == asked + 1
    assert after != token


async def test_a_token_that_lives_to_its_end_takes_the_notice_back() -> None:
    """Once the others have been put right, nothing is left to be said."""
    clock = Clock()
    tokens = Tokens(Source(), WIRE, clock)
    await ended(tokens, clock, CONTESTED)

    clock.now += 7000
    await tokens.current()

    assert tokens.notice == ""


async def test_a_token_that_the_service_itself_disowns_is_nobodys_doing() -> None:
    """Where the service rejects the very token that it gives, and we have to force another, nobody else is blamed."""
    clock, source = Clock(), Source()
    tokens = Tokens(source, WIRE, clock)

    for _ in range(CONTESTED + 1):
        clock.now += 60
        source.is_forced = True
        await tokens.instead_of(await tokens.current())

    assert tokens.notice == ""


@pytest.mark.parametrize(("expires_in", "seconds"), [(0, 0), (7200, 6950)], ids=["not kept", "old"])
async def test_a_token_that_was_old_is_nobodys_doing(expires_in: float, seconds: float) -> None:
    """A token that is fetched for each use has no time of its own, and one at its end may be rejected."""
    clock, source = Clock(), Source(expires_in)
    tokens = Tokens(source, WIRE, clock)

    for _ in range(CONTESTED + 1):
        token = await tokens.current()
        clock.now += seconds
        await tokens.instead_of(token)

    assert tokens.notice == ""


async def test_closing_abandons_a_renewal() -> None:
    """close() leaves no task behind."""
    source = Source()
    tokens = Tokens(source, WIRE)
    waiting = asyncio.create_task(tokens.current())
    await asyncio.sleep(0)

    await tokens.close()

    with pytest.raises(asyncio.CancelledError):
        await waiting


def test_a_token_is_not_shown() -> None:
    """The repr of a token holds no token."""
    token = Token("not-to-be-seen", 7200)

    shown = repr(token)

    assert "not-to-be-seen" not in shown
