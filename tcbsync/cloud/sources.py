"""Where access tokens come from: a secret, a file, a command, a token server, or nowhere.

The rule: each source is a plain value from the configuration and is asked through `fetch`; none keeps a token,
that is `tokens`' business. The refusal: no secret and no token in any repr or error.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tcbsync.cloud.answers import integer, text_of
from tcbsync.cloud.tokens import ADVICE, Token
from tcbsync.core.errors import CloudError, Misconfigured, NoAnswer, RateLimited, TokenRejected, Transient

if TYPE_CHECKING:
    from collections.abc import Callable

    from tcbsync.cloud.wire import Wire

UNKNOWN_LIFETIME = 600.0
"""Seconds for which a token is taken to be good whose source does not say."""
DAY = 24 * 3600.0


@dataclass(slots=True)
class SecretSource:
    """The app's secret. API docs: `stable` shares one token with all who ask; `plain` ends the others' tokens."""

    appid: str
    secret: str = field(repr=False)
    kind: Literal["stable", "plain"] = "stable"
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    _forced: deque[float] = field(default_factory=lambda: deque(maxlen=20), init=False, repr=False)

    async def fetch(self, wire: Wire, rejected: str | None, /) -> Token:
        """Ask for a token. A stable one is forced only if the service goes on giving the rejected one."""
        if self.kind == "plain":
            if rejected is not None:
                self._permit()
            return await self._asked(wire, is_forced=False)
        token = await self._asked(wire, is_forced=False)
        if token.value == rejected:
            self._permit()
            token = await self._asked(wire, is_forced=True)
        return token

    async def _asked(self, wire: Wire, *, is_forced: bool) -> Token:
        credentials = {"grant_type": "client_credential", "appid": self.appid, "secret": self.secret}
        try:
            if self.kind == "plain":
                answer = await wire.ask("token", wire.api("/cgi-bin/token", **credentials))
            else:
                url = wire.api("/cgi-bin/stable_token")
                answer = await wire.ask("stable_token", url, {**credentials, "force_refresh": is_forced})
        except TokenRejected as error:  # API docs: 40001 from the token call itself
            rejection = error
        else:
            return replace(_token_from("token", answer), is_forced=is_forced)
        hint = "check that the secret belongs to this appid and is the latest"
        wrong = f"the secret of {self.appid} is not accepted [{rejection.code}]"
        raise Misconfigured(wrong, code=rejection.code, request_id=rejection.request_id, hint=hint)

    def _permit(self) -> None:
        """Count one renewal, if it may be. API docs: at most 20 forced renewals a day, 30 seconds apart."""
        now = self.clock()
        if self._forced and now - self._forced[-1] < 30:
            raise TokenRejected("the access token was renewed a moment ago, and is rejected again", hint=ADVICE)
        if len(self._forced) == self._forced.maxlen and now - self._forced[0] < DAY:
            error = RateLimited("the access token is rejected, and today's 20 renewals are used up", hint=ADVICE)
            error.pause_seconds = min(1800.0, DAY - (now - self._forced[0]))
            raise error
        self._forced.append(now)


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file that someone else renews, read again for each use (WeChat Cloud Run)."""

    path: str

    async def fetch(self, _wire: Wire, rejected: str | None, /) -> Token:
        """Read the file."""
        return _not_again(Token(self._text(), 0.0), rejected, f"token file {self.path}")

    def _text(self) -> str:
        # Some hundred bytes from a local disk: a thread would cost more than the read.
        try:
            text = Path(self.path).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not a text"
            raise Misconfigured(f"token file {self.path}: {reason}", hint="is the path right?") from None
        if not text:
            raise Transient(f"token file {self.path} is empty", hint="is it being written just now?")
        return text


@dataclass(frozen=True, slots=True)
class CommandSource:
    """A command that prints a token, bare or as `{"access_token": …, "expires_in": …}`. No shell."""

    argv: tuple[str, ...] = field(repr=False)
    timeout_seconds: float = 30.0

    async def fetch(self, _wire: Wire, rejected: str | None, /) -> Token:
        """Run the command. What it prints on stderr goes to ours."""
        text = await self._output()
        answer: Any = text
        if text.startswith("{"):
            try:
                answer = json.loads(text)
            except ValueError:
                raise Transient("token command: its output is not JSON") from None
        token = Token(text, UNKNOWN_LIFETIME) if answer is text else _token_from("token command", answer)
        return _not_again(token, rejected, "token command")

    async def _output(self) -> str:
        pipe = asyncio.subprocess.PIPE
        null = asyncio.subprocess.DEVNULL
        try:
            process = await asyncio.create_subprocess_exec(*self.argv, stdin=null, stdout=pipe)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "not a command"
            raise Misconfigured(f"token command: {reason}", hint="check the command's path") from None
        try:
            async with asyncio.timeout(self.timeout_seconds):
                output, _ = await process.communicate()
        except TimeoutError:
            raise Transient(f"token command: no answer in {self.timeout_seconds:g} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        text = output.decode("utf-8", "replace").strip()
        if process.returncode != 0 or not text:
            raise Transient(f"token command: exit status {process.returncode}, {len(text)} characters")
        return text


@dataclass(frozen=True, slots=True)
class UrlSource:
    """A team's own token server, which answers `{"access_token": …, "expires_in": …}`."""

    url: str = field(repr=False)

    async def fetch(self, wire: Wire, rejected: str | None, /) -> Token:
        """Ask the server."""
        try:
            answer = await wire.ask("token server", self.url)
        except TokenRejected as error:
            rejection = error
        else:
            return _not_again(_token_from("token server", answer), rejected, "token server")
        raise Misconfigured("the token server's own secret is not accepted", code=rejection.code)


@dataclass(frozen=True, slots=True)
class NoToken:
    """No token at all: the open API service inside WeChat Cloud Run."""

    async def fetch(self, _wire: Wire, rejected: str | None, /) -> Token:
        """Return the empty token, which leaves the parameter out."""
        if rejected is None:
            return Token("", math.inf)
        raise Misconfigured(
            "the service wants an access token, and none is configured",
            hint="configure credentials, or check service.api_base and the open API service",
        )


def _token_from(asked: str, answer: dict[str, Any]) -> Token:
    try:
        value = text_of(asked, answer, "access_token")
    except NoAnswer as error:
        error.hint = "is this the right address or command?"
        raise
    seconds = integer(answer.get("expires_in"))
    return Token(value, UNKNOWN_LIFETIME if seconds is None else float(max(0, seconds)))


def _not_again(token: Token, rejected: str | None, source: str) -> Token:
    if token.value == rejected:
        error: CloudError = TokenRejected(f"{source}: its access token is rejected", hint="who renews it?")
        raise error
    return token
