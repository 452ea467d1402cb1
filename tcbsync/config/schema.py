"""Every option there is, with its default. `config.example.yaml` says the same to people, and a test compares the two.

Only the daemon and the command line read these; the rooms below take plain values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

POSITIVE = {"min": 0.001}
COUNT = {"min": 1}
SLOWEST = 1024
"""Bytes a second: a smaller limit is more likely one in KB than meant."""


def _option(default: Any, **bounds: float) -> Any:
    return field(default=default, metadata=bounds)


@dataclass(frozen=True, slots=True)
class ServiceConfig:
    """The cloud's API, and how it is called. Times in seconds."""

    api_base: str = "https://api.weixin.qq.com"
    uploads: int = _option(32, **COUNT)
    bandwidth: int | Mapping[str, int | None] | None = _option(None, min=SLOWEST)
    deletes: int = _option(4, **COUNT)
    connections: int = _option(96, **COUNT)
    connect_seconds: float = _option(10.0, **POSITIVE)
    read_seconds: float = _option(60.0, **POSITIVE)
    write_stall_seconds: float = _option(30.0, **POSITIVE)
    request_seconds: float = _option(120.0, **POSITIVE)
    min_bytes_per_second: int = _option(16_384, **COUNT)
    attempts: int = _option(5, **COUNT)
    retry_seconds: float = _option(0.5, **POSITIVE)
    retry_max_seconds: float = _option(30.0, **POSITIVE)
    proxy: str | None = field(default=None, repr=False)
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class CredentialsConfig:
    """Where access tokens come from: a secret, a file, a command, a token server, or nowhere."""

    appid: str | None = None
    secret_env: str | None = None
    secret_file: str | None = None
    secret: str | None = field(default=None, repr=False)
    token_call: Literal["stable_token", "token"] = "stable_token"
    token_file: str | None = None
    token_command: tuple[str, ...] | None = field(default=None, repr=False)
    token_url: str | None = field(default=None, repr=False)
    no_token: bool = False
    token_parameter: Literal["access_token", "cloudbase_access_token"] = "access_token"


@dataclass(frozen=True, slots=True)
class GuardConfig:
    """How many deletes may go without asking, at once or within ten minutes. None: any number."""

    max_deletes: int | None = _option(1000, min=0)
    max_delete_percent: float | None = _option(50.0, min=0, max=100)


@dataclass(frozen=True, slots=True)
class MirrorConfig:
    """One folder and where it goes. Times in seconds."""

    name: str
    root: Path
    env: str
    prefix: str = ""
    ignore: tuple[str, ...] = ()
    delete: Literal["mirror", "never"] = "mirror"
    guard: GuardConfig | None = field(default_factory=GuardConfig)
    delete_grace_seconds: float = _option(3.0, min=0)
    quiet_seconds: float = _option(2.0, min=0)
    rescan_seconds: float = _option(3600.0, min=1)
    blind_rescan_seconds: float = _option(60.0, min=1)
    content_type: Literal["auto", "none"] = "auto"
    cache_control: str | None = None


@dataclass(frozen=True, slots=True)
class WebConfig:
    """The status page, metrics and health, by HTTP. `hosts`: further names that it may be called by."""

    listen: str = "127.0.0.1:8071"
    hosts: tuple[str, ...] = ()


What = Literal["held", "failed", "offline", "blocked", "quota", "recovered"]
"""What a message may be about."""


@dataclass(frozen=True, slots=True)
class WebhookConfig:
    """A place that messages are posted to. Its address comes from exactly one of the first three, and is a secret."""

    url: str | None = field(default=None, repr=False)
    url_env: str | None = None
    url_file: str | None = None
    format: Literal["json", "wecom"] = "json"
    about: tuple[What, ...] = get_args(What)
    language: Literal["en", "zh"] = "en"


@dataclass(frozen=True, slots=True)
class HeartbeatConfig:
    """An address that is asked for every so many seconds while every part moves; where from: see WebhookConfig."""

    url: str | None = field(default=None, repr=False)
    url_env: str | None = None
    url_file: str | None = None
    seconds: float = _option(300.0, min=1)


@dataclass(frozen=True, slots=True)
class NotifyConfig:
    """Who is told of troubles. Times in seconds."""

    settle_seconds: float = _option(90.0, min=0)
    webhooks: tuple[WebhookConfig, ...] = field(default=(), repr=False)
    heartbeat: HeartbeatConfig | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Config:
    """A whole configuration."""

    state_dir: Path
    mirrors: tuple[MirrorConfig, ...]
    credentials: CredentialsConfig = field(default_factory=CredentialsConfig)
    service: ServiceConfig = field(default_factory=ServiceConfig)
    web: WebConfig | None = field(default_factory=WebConfig)
    notify: NotifyConfig = field(default_factory=NotifyConfig)
