"""Posts messages to one webhook, patiently: what it refuses or does not take is tried again, for some hours at most.

The rules: nothing that a webhook does, or leaves undone, keeps anything else waiting; what waits for it is bounded, and
the oldest of the same mirror gives way; one log line when messages no longer arrive, and one when they do again. Its
address is a secret: only scheme and host are ever shown, and nothing of what it answers but numbers.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from tcbsync.cloud.address import host_of
from tcbsync.cloud.answers import integer, json_object, retry_after
from tcbsync.cloud.wire import CloudSettings, Wire
from tcbsync.core.errors import CloudError
from tcbsync.notify import messages

if TYPE_CHECKING:
    from collections.abc import Callable

    from tcbsync.notify.transitions import Notice

log = logging.getLogger(__name__)

WAITING = 32
"""At most so many messages wait for one webhook."""
TRIES_OF_REFUSED = 3
"""What is refused, rather than not taken now, is tried so often: a gateway may have been in the way."""
ROBOT_MESSAGES, ROBOT_SECONDS = 18, 60.0
"""WeCom's documents: a robot takes 20 messages a minute. Some room is left for who else uses it."""
LONGEST_WISH_SECONDS = 3600.0
"""A webhook that wishes for a longer pause (Retry-After) is tried again after this."""
BUSY_CODES = (-1, 45009)
"""WeCom's documents: the system is busy; more than 20 messages a minute."""
MEANINGS = {
    40008: "it does not know this kind of message",
    40058: "it does not take such a message",
    45009: "more than 20 messages in a minute",
    93000: "there is no robot of this key; was it removed from its group?",
}
"""WeCom's documents, the table of return codes. What it says besides is not shown."""


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook, as it is configured. `about`: the kinds of message that it wants."""

    url: str = field(repr=False)
    form: Literal["json", "wecom"] = "json"
    about: tuple[str, ...] = ()
    language: Literal["en", "zh"] = "en"

    @property
    def origin(self) -> str:
        """As much of the address as may be shown."""
        return origin(self.url)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait before what was not taken is tried again, and when it is given up. In seconds."""

    first: float = 5.0
    longest: float = 900.0
    give_up: float = 6 * 3600.0

    def wait(self, failures: int) -> float:
        """Give the wait after so many failures in a row: it doubles, with jitter."""
        return min(self.longest, self.first * 2.0 ** min(failures - 1, 20)) * random.uniform(0.8, 1.2)  # noqa: S311


class Failure(NamedTuple):
    """Why a message was not taken. `wish`: how long the other side wants to be left alone, in seconds."""

    reason: str
    is_refusal: bool = False
    wish: float = 0.0


class Send(Protocol):
    """Makes a request and gives the whole answer, as `cloud.http.Http.send` does. Raises CloudError."""

    async def __call__(self, asked: str, method: str, url: str, body: bytes = b"", media_type: str = "") -> Any:
        """Make it."""


def origin(url: str) -> str:
    """Give as much of an address as may be shown: scheme and host."""
    return f"{url.partition('://')[0]}://{host_of(url)}"


def way_out(proxy: str | None, ca_file: str | None, places: int) -> Wire:
    """Open the way to so many webhooks. Loads what speaks HTTP when it is first used. Raises ConfigError."""
    return Wire(
        CloudSettings(
            connect_seconds=10,
            read_seconds=15,
            stall_seconds=10,
            total_seconds=20,
            max_connections=places,
            proxy=proxy,
            ca_file=ca_file,
        )
    )


async def attempt(send: Send, url: str, body: bytes | None, form: str = "json") -> Failure | None:
    """POST a message, or GET where there is none. Gives why that was no success, or None."""
    method, media_type = ("GET", "") if body is None else ("POST", "application/json")
    try:
        answer = await send("webhook", method, url, body or b"", media_type)
    except CloudError as error:
        return Failure(error.args[0].removeprefix(f"webhook: {host_of(url)}: "))
    except Exception as error:  # noqa: BLE001 - whatever it may be, nothing else suffers from it
        return Failure(f"{type(error).__name__}, a defect of this program")
    return _judged(answer, form)


def _judged(answer: Any, form: str) -> Failure | None:
    status, wish = answer.status_code, min(retry_after(answer) or 0.0, LONGEST_WISH_SECONDS)
    if not 200 <= status < 300:
        return Failure(f"HTTP {status}", status < 500 and status not in (408, 425, 429), wish)
    if form != "wecom":
        return None
    document = json_object(answer)
    code = None if document is None else integer(document.get("errcode"))
    if code is None:
        return Failure("the answer is none of a WeCom robot")
    if code == 0:
        return None
    meaning = MEANINGS.get(code)
    wish = max(wish, ROBOT_SECONDS) if code == 45009 else wish
    return Failure(f"errcode {code}{f': {meaning}' if meaning else ''}", code not in BUSY_CODES, wish)


async def post(send: Send, hook: Hook, notice: Notice, host: str) -> Failure | None:
    """Write a message as a webhook wants it, and POST it. `host`: the name of this one. Gives as `attempt` does."""
    write = messages.wecom if hook.form == "wecom" else messages.generic
    try:
        body = write(notice, host, hook.language)
    except Exception as error:  # noqa: BLE001 - whatever it may be, no other message suffers from it
        return Failure(f"{type(error).__name__}, a defect of this program", is_refusal=True)
    return await attempt(send, hook.url, body, hook.form)


@dataclass(slots=True, eq=False)
class _Waiting:
    notice: Notice
    refusals: int = 0


class Post:
    """One webhook, and what waits for it. Belongs to the event loop."""

    def __init__(
        self,
        hook: Hook,
        host: str,
        patience: Patience | None = None,
        clock: Callable[[], float] = time.time,
        waiting: int = WAITING,
    ) -> None:
        self.hook = hook
        self.on_sent: Callable[[Notice], None] = lambda _: None
        """Is called with each message that has arrived."""
        self.trouble = ""
        """Why messages do not arrive; empty: they do, as far as is known."""
        self.counts: Counter[str] = Counter()
        """Messages `sent` and `given_up`, and tries that `failed`."""
        self._host = host
        self._patience = patience or Patience()
        self._clock = clock
        self._most = waiting
        self._waiting: deque[_Waiting] = deque()
        self._news = asyncio.Event()
        self._sent: deque[float] = deque(maxlen=ROBOT_MESSAGES)
        self._failures = 0
        self._on_its_way: _Waiting | None = None

    def __repr__(self) -> str:
        return f"<Post to {self.hook.origin}, {len(self._waiting)} waiting>"

    @property
    def is_done(self) -> bool:
        """Whether nothing waits."""
        return not self._waiting

    @property
    def has_given_up(self) -> bool:
        """Whether it has given up what it was told last."""
        return bool(self.trouble) and self.is_done

    def wants(self, notice: Notice) -> bool:
        """Whether this webhook asks for it; for an end, whether it asks for what is over, or for nothing but ends."""
        troubles = set(self.hook.about) - {"recovered"}
        if notice.what not in self.hook.about:
            return False
        return notice.what != "recovered" or not troubles or not troubles.isdisjoint(notice.told)

    def put(self, notice: Notice) -> None:
        """Let a message wait for its turn, if this webhook wants it. Never waits."""
        if not self.wants(notice):
            return
        if len(self._waiting) >= self._most:
            idle = [each for each in self._waiting if each is not self._on_its_way]
            same = (each for each in idle if each.notice.mirror == notice.mirror)
            self._give_up(next(same, idle[0]), "too many wait")
        self._waiting.append(_Waiting(notice))
        self._news.set()

    async def deliver(self, send: Send) -> None:
        """Post what waits, and what comes, until cancelled."""
        while True:
            self._news.clear()
            while self._waiting:
                await self._keep_to_the_robots_pace()
                waiting = self._on_its_way = self._waiting[0]
                try:
                    failure = await post(send, self.hook, waiting.notice, self._host)
                finally:
                    self._on_its_way = None
                if failure is None:
                    self._arrived(waiting)
                else:
                    await asyncio.sleep(self._failed(waiting, failure))
            await self._news.wait()

    async def _keep_to_the_robots_pace(self) -> None:
        if self.hook.form != "wecom":
            return
        now = time.monotonic()
        if len(self._sent) == ROBOT_MESSAGES:
            await asyncio.sleep(max(0.0, self._sent[0] + ROBOT_SECONDS - now))
        self._sent.append(time.monotonic())

    def _arrived(self, waiting: _Waiting) -> None:
        self.counts["sent"] += 1
        self._failures = 0
        if self.trouble:
            log.info("notifications to %s arrive again", self.hook.origin)
            self.trouble = ""
        self._waiting.remove(waiting)
        self.on_sent(waiting.notice)

    def _failed(self, waiting: _Waiting, failure: Failure) -> float:
        """Note a failure. Gives how long to wait before the next try."""
        self.counts["failed"] += 1
        self._failures += 1
        waiting.refusals += failure.is_refusal
        if not self.trouble:
            log.warning("notifications to %s do not arrive: %s; they are tried again", self.hook.origin, failure.reason)
        self.trouble = failure.reason
        is_old = self._clock() - waiting.notice.at >= self._patience.give_up
        if is_old or waiting.refusals >= TRIES_OF_REFUSED:
            self._give_up(waiting, failure.reason)
        return max(failure.wish, self._patience.wait(self._failures))

    def _give_up(self, waiting: _Waiting, reason: str) -> None:
        self._waiting.remove(waiting)
        self.counts["given_up"] += 1
        log.warning(
            "a notification to %s is given up (%s, %s): %s",
            self.hook.origin,
            waiting.notice.what,
            waiting.notice.mirror or "all mirrors",
            reason,
        )
