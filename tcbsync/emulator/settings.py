"""What the emulator is told: where it listens, where it keeps objects, whom it lets in, how it behaves.

Rule: a fact about the service that is not documented is a switch in `Behaviours`, never a line in the code.
Refusal: nothing here reads the environment or a file; the caller builds the values.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tcbsync.emulator.faults import Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviours:
    """How the service behaves where the documents leave it open, and the limits that they state."""

    # Documented limits, adjustable so that tests need not wait.
    token_lifetime_seconds: int = 7200
    token_overlap_seconds: int = 300
    """A replaced plain token lives so much longer; a stable token is renewed in so many last seconds."""
    token_calls_per_day: int = 2000
    force_refreshes_per_day: int = 20
    force_refresh_interval_seconds: float = 30
    link_lifetime_seconds: int = 900
    batch_cap: int = 50
    max_object_bytes: int = 5 * 1024**3

    # Undocumented: the request.
    is_token_required: bool = True
    """False: WeChat Cloud Run's "open API service", which adds the token itself."""
    is_token_checked_first: bool = True
    """Whether a wrong token is told before a wrong method, and both before a wrong body."""
    too_soon_force_refresh: Literal["error", "same_token"] = "error"
    """A second force_refresh within the interval: 45011, or silently the token that is there."""
    over_cap_errcode: int = 40097
    empty_batch_errcode: int = 40097
    bad_path_errcode: int = -501007
    is_path_checked_by_link: bool = True
    """False: uploadfile gives a link for any name and only the object store refuses it."""
    default_max_age_seconds: int | None = 7200
    """None: max_age is a required field (40101 without it)."""
    max_age_range: tuple[int, int] = (1, 31_536_000)
    is_escaped_path_lost: bool = True
    r"""A path that arrives with `\uXXXX` escapes in its JSON uploads, but cannot be downloaded."""

    # Undocumented: the answers.
    missing_delete_status: int = 1
    """Of an item that does not exist, with STORAGE_FILE_NONEXIST; 0 says ok instead."""
    is_download_url_unescaped: bool = True
    is_upload_url_unescaped: bool = False

    # Undocumented: the object store and the download host.
    link_checked: Literal["start", "end"] = "start"
    """When the link's time counts: as the upload's fields have arrived, or its last byte."""
    are_extra_fields_accepted: bool = True
    """False: form fields that the link did not ask for (Cache-Control, x-cos-meta-*, …) are AccessDenied."""
    is_private: bool = False
    """True: downloads need `sign` and `t`. False: everyone may read, which is the service's default."""
    crc64_max_bytes: int = 4 * 1024
    """Larger objects come without x-cos-hash-crc64ecma: Python computes it at some 70 MB/s at best, which would
    be a third of the time of a 10 KiB upload."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One emulator. `appid`, `secret` and `env` narrow whom it serves; None takes any."""

    data: Path
    listen: str = "127.0.0.1:0"
    appid: str | None = None
    secret: str | None = None
    env: str | None = None
    public_url: str | None = None
    """What links start with, such as `http://emulator:8080`. None: what the request's Host header says."""
    behaviours: Behaviours = field(default_factory=Behaviours)
    faults: tuple[Fault, ...] = ()
    latency_seconds: float = 0.0
    at_once: int | None = None
    """How many uploads, and how many calls of the API, may be under way at once; None: any number. See `places`."""
    seed: int = 0
    """Of the dice that a fault's probability throws."""
    log_entries: int = 10_000
    clock: Callable[[], float] = time.time
    """Unix seconds. Only rules look at it (tokens, links, days); delays are real."""

    def address(self) -> tuple[str, int]:
        """Split `listen` into host and port; port 0 takes a free one. `[::1]:0` names an IPv6 address."""
        host, separator, port = self.listen.rpartition(":")
        if not separator or not port.isdecimal():
            raise ValueError(f"listen address {self.listen!r} is not HOST:PORT")
        return host.strip("[]"), int(port)
