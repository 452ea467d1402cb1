"""Access tokens: two families per appid that do not disturb each other.

Rule (API docs, getAccessToken): each plain call replaces the token before it, which lives five more minutes;
2,000 calls a day. Rule (API docs, getStableAccessToken): repeated calls return the same token with what is left
of it; in its last five minutes it is renewed, and both are valid; force_refresh kills the old one at once, at
most 20 times a day and 30 seconds apart.
Refusal: tokens are not kept on disk. After a restart every old one is 40001, which clients must bear anyway.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tcbsync.emulator.replies import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tcbsync.emulator.settings import Behaviours

Family = Literal["plain", "stable"]

_DAY = 86_400
_BEIJING = 8 * 3600


@dataclass(slots=True)
class Grant:
    """What a token stands for. `is_latest` decides between expired (42001) and not latest (40001)."""

    token: str
    appid: str
    expires_at: float
    is_latest: bool = True


class Tokens:
    """Issues tokens and judges them."""

    def __init__(self, clock: Callable[[], float], behaviours: Behaviours) -> None:
        self._clock = clock
        self._behaviours = behaviours
        self._grants: dict[str, Grant] = {}
        self._current: dict[tuple[Family, str], Grant] = {}
        self._spent: dict[tuple[str, str], tuple[int, int]] = {}
        self._forced_at: dict[str, float] = {}

    def plain(self, appid: str) -> tuple[str, int]:
        """Issue a token of cgi-bin/token; returns it with its seconds to live. Raises ApiError 45009."""
        self._spend("token", appid, self._behaviours.token_calls_per_day)
        if old := self._current.get(("plain", appid)):
            old.expires_at = min(old.expires_at, self._clock() + self._behaviours.token_overlap_seconds)
            old.is_latest = False
        return self._issue("plain", appid)

    def stable(self, appid: str, *, force_refresh: bool) -> tuple[str, int]:
        """Return or renew the token of cgi-bin/stable_token. Raises ApiError 45009 (day), 45011 (too soon)."""
        current = self._current.get(("stable", appid))
        if force_refresh and self._may_force(appid):
            if current:
                del self._grants[current.token]
            return self._issue("stable", appid)
        remaining = current.expires_at - self._clock() if current else 0
        if current and remaining > self._behaviours.token_overlap_seconds:
            return current.token, int(remaining)
        return self._issue("stable", appid)

    def appid_of(self, token: str) -> str:
        """Say whose token it is. Raises ApiError: 41001 missing, 40001 not known or not latest, 42001 expired."""
        if not token:
            raise ApiError(41001)
        grant = self._grants.get(token)
        if grant is None:
            raise ApiError(40001)
        if self._clock() >= grant.expires_at:
            raise ApiError(42001 if grant.is_latest else 40001)
        return grant.appid

    def revoke(self, token: str | None = None) -> None:
        """Make one token invalid at once, or all of them."""
        doomed = list(self._grants) if token is None else [token]
        for name in doomed:
            self._grants.pop(name, None)
        self._current = {owner: grant for owner, grant in self._current.items() if grant.token not in doomed}

    def clear(self) -> None:
        """Forget all tokens and all that was spent of the daily limits."""
        self.revoke()
        self._spent.clear()
        self._forced_at.clear()

    def _issue(self, family: Family, appid: str) -> tuple[str, int]:
        now = self._clock()
        self._grants = {token: grant for token, grant in self._grants.items() if grant.expires_at > now - _DAY}
        lifetime = self._behaviours.token_lifetime_seconds
        # API docs: leave room for 512 characters. Real ones have some 150.
        grant = Grant(f"emulated_{secrets.token_urlsafe(96)}", appid, now + lifetime)
        self._grants[grant.token] = self._current[family, appid] = grant
        return grant.token, lifetime

    def _may_force(self, appid: str) -> bool:
        now = self._clock()
        if now - self._forced_at.get(appid, -_DAY) < self._behaviours.force_refresh_interval_seconds:
            if self._behaviours.too_soon_force_refresh == "error":
                raise ApiError(45011)
            return False
        self._spend("force_refresh", appid, self._behaviours.force_refreshes_per_day)
        self._forced_at[appid] = now
        return True

    def _spend(self, what: str, appid: str, limit: int) -> None:
        today = int((self._clock() + _BEIJING) // _DAY)
        day, spent = self._spent.get((what, appid), (today, 0))
        if day != today:
            spent = 0
        if spent >= limit:
            raise ApiError(45009)
        self._spent[what, appid] = (today, spent + 1)
