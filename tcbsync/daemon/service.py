"""The service as the configuration describes it now. A reload puts another client in its place amid calls.

Rule: a call is finished by the client that began it, and a client is closed after its last call. So a reload drops
nothing: what was asked with the old limits and the old secret gets its answer, and what is asked next uses the new.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from typing import TYPE_CHECKING, Any, TypeVar

from tcbsync.cloud.client import HttpCloud, open_cloud
from tcbsync.cloud.retry import Retry
from tcbsync.cloud.wire import CloudSettings
from tcbsync.core.errors import CloudError, ConfigError, Misconfigured
from tcbsync.daemon.credentials import token_source

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from tcbsync.cloud.api import Body, Deletion, Download, Head, Link, Receipt
    from tcbsync.config.schema import Config, ServiceConfig
    from tcbsync.engine.parts import Patience
    from tcbsync.engine.tally import Tally

T = TypeVar("T")

log = logging.getLogger(__name__)

WRONG_CREDENTIALS = ("40001", "40013", "40125")
"""API docs: the token call refuses the secret or the appid. No waiting mends that."""
SIGN_IN_SECONDS = 2.0
"""At least so long between two tries to get the first token."""
TRIAL_SECONDS = 20.0
"""New credentials are tried for so long before they are taken; no answer is no reason against them."""


class Client:
    """One client, how patient it is, and how many calls are under way in it."""

    def __init__(self, config: Config) -> None:
        """Build it; sends nothing. Raises ConfigError where the credentials cannot be had."""
        self.settings = _settings(config)
        self.source = token_source(config.credentials)
        self.cloud = open_cloud(self.settings, self.source)
        self.retry = _retry(config.service)
        self._calls = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def __enter__(self) -> HttpCloud:
        """Keep it open until the end of the block."""
        self._calls += 1
        self._idle.clear()
        return self.cloud

    def __exit__(self, *_: object) -> None:
        self._calls -= 1
        if not self._calls:
            self._idle.set()

    async def close_when_idle(self) -> None:
        """Close it after its last call."""
        await self._idle.wait()
        await self.cloud.close()

    def knows(self, other: Client) -> bool:
        """Whether both sign in with the same credentials, the secret itself included."""
        return _given(self.source) == _given(other.source)

    async def sign_in(self) -> None:
        """Ask for a token. That the secret is wrong is believed the second time: a damaged request looks the same.

        Raises ConfigError where it is, CloudError.
        """
        try:
            return await self.cloud.sign_in()
        except Misconfigured as error:
            if error.code not in WRONG_CREDENTIALS:
                raise
        await asyncio.sleep(SIGN_IN_SECONDS)
        try:
            return await self.cloud.sign_in()
        except Misconfigured as error:
            if error.code not in WRONG_CREDENTIALS:
                raise
            raise ConfigError(str(error)) from None


class Service:
    """A Cloud that may be exchanged. Belongs to the event loop it was made in."""

    def __init__(self, config: Config) -> None:
        """Begin with one client; sends nothing. Raises ConfigError."""
        self.client = Client(config)
        self._retired: set[asyncio.Task[None]] = set()

    def replace(self, client: Client) -> None:
        """Let calls go to `client` from now on. The one before it is closed after its last call."""
        closing = asyncio.create_task(self.client.close_when_idle(), name="old client")
        self._retired.add(closing)
        closing.add_done_callback(self._retired.discard)
        self.client = client

    async def close(self) -> None:
        """Close every client."""
        for closing in list(self._retired):
            closing.cancel()
            await asyncio.wait([closing])
        await self.client.cloud.close()

    async def sign_in(self) -> None:
        """Ask for a token: see `Client.sign_in`."""
        client = self.client
        with client:
            await client.sign_in()

    def retry_for(self, tally: Tally) -> Patience:
        """Give what makes an attempt as patiently as the configuration says then; `tally` counts what failed."""

        def on_retry(error: CloudError, seconds: float) -> None:
            tally.retries[type(error).__name__] += 1
            log.debug("tried again in %.1f s: %s", seconds, error)

        patience: tuple[Retry, Retry] | None = None

        async def retry(attempt: Callable[[], Awaitable[T]], /) -> T:
            nonlocal patience
            if patience is None or patience[0] is not self.client.retry:
                patience = self.client.retry, dataclasses.replace(self.client.retry, on_retry=on_retry)
            return await patience[1](attempt)

        return retry

    # -- the six calls: see `cloud.api.Cloud` -------------------------------------------------------------------------

    async def link(self, env: str, key: str) -> Link:
        """Ask for a link."""
        with self.client as cloud:
            return await cloud.link(env, key)

    async def send(self, link: Link, body: Body) -> Receipt:
        """Send a body."""
        with self.client as cloud:
            return await cloud.send(link, body)

    async def downloads(self, env: str, file_ids: Sequence[str], max_age: int = 7200) -> list[Download]:
        """Ask for download links."""
        with self.client as cloud:
            return await cloud.downloads(env, file_ids, max_age)

    async def head(self, url: str) -> Head | None:
        """Ask what is at a download link."""
        with self.client as cloud:
            return await cloud.head(url)

    async def delete(self, env: str, file_ids: Sequence[str]) -> list[Deletion]:
        """Delete objects."""
        with self.client as cloud:
            return await cloud.delete(env, file_ids)


async def try_out(client: Client) -> None:
    """See whether the service takes the credentials of a new client. Raises ConfigError where it surely does not."""
    try:
        async with asyncio.timeout(TRIAL_SECONDS):
            await client.sign_in()
    except (CloudError, TimeoutError) as error:
        log.warning("the new credentials could not be tried, and are taken as they are: %s", error or "no answer")


def _given(source: object) -> list[Any]:
    """Give what a source was made of. It holds the secret: for comparisons only."""
    if not dataclasses.is_dataclass(source):
        return [type(source)]
    return [type(source), *(getattr(source, each.name) for each in dataclasses.fields(source) if each.init)]


def _retry(service: ServiceConfig) -> Retry:
    return Retry(attempts=service.attempts, base_seconds=service.retry_seconds, cap_seconds=service.retry_max_seconds)


def _settings(config: Config) -> CloudSettings:
    service = config.service
    return CloudSettings(
        api_base=service.api_base,
        token_parameter=config.credentials.token_parameter,
        connect_seconds=service.connect_seconds,
        read_seconds=service.read_seconds,
        stall_seconds=service.write_stall_seconds,
        total_seconds=service.request_seconds,
        slowest_bytes_per_second=service.min_bytes_per_second,
        max_connections=service.connections,
        proxy=service.proxy,
        ca_file=None if service.ca_file is None else str(service.ca_file),
    )
