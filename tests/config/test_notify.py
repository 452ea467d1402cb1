"""Who is told: every mistake is named by its key, and an address by nothing but that."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tcbsync.config.changes import changes
from tcbsync.config.load import load
from tcbsync.config.schema import HeartbeatConfig, NotifyConfig, WebhookConfig
from tests.config.test_advice import warnings_of
from tests.config.writing import RIGHT, mistakes_of, write

if TYPE_CHECKING:
    from pathlib import Path

HOOK = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=hush-hush"


def notify(*lines: str) -> str:
    """Give the right configuration with a section `notify`; its first line is the 12th."""
    return RIGHT + "notify:\n" + "".join(f"  {line}\n" for line in lines)


def test_nobody_is_told_by_default(tmp_path: Path) -> None:
    """Neither without the section nor with an empty one."""
    absent, empty = (load(write(tmp_path, text)).notify for text in (RIGHT, f"{RIGHT}notify:\n"))

    assert absent == empty == NotifyConfig()
    assert absent.webhooks == ()


def test_who_is_told(tmp_path: Path) -> None:
    """Each webhook with its own address, form, choice and language; and a heartbeat."""
    text = notify(
        "settle_seconds: 5",
        "webhooks:",
        f"  - {{url: '{HOOK}', format: wecom, language: zh, about: [held, recovered]}}",
        "  - url_file: ${CREDENTIALS_DIRECTORY}/hook",
        "heartbeat: {url_env: BEAT, seconds: 60}",
    )

    config = load(write(tmp_path, text))

    assert config.notify == NotifyConfig(
        5.0,
        (
            WebhookConfig(HOOK, format="wecom", about=("held", "recovered"), language="zh"),
            WebhookConfig(url_file="${CREDENTIALS_DIRECTORY}/hook"),
        ),
        HeartbeatConfig(url_env="BEAT", seconds=60.0),
    )
    assert config.notify.webhooks[1].about == ("held", "failed", "offline", "blocked", "quota", "recovered")


WRONG = {
    "no address": ("webhooks: [{format: json}]", "13: notify.webhooks[0]: give exactly one of url, url_env, url_file;"),
    "two addresses": (
        f"webhooks: [{{url: '{HOOK}', url_env: A}}]",
        "13: notify.webhooks[0]: give exactly one of url, url_env, url_file; found url and url_env",
    ),
    "no web address": ("webhooks: [{url: hush-hush}]", "13: notify.webhooks[0].url: must be a URL that begins with"),
    "a login": ("webhooks: [{url: 'https://a:hush@b/'}]", "13: notify.webhooks[0].url: must be a URL that begins with"),
    "a port that is none": ("webhooks: [{url: 'https://h:x/hush'}]", "13: notify.webhooks[0].url: must be a URL"),
    "an address for a name": (
        f"webhooks: [{{url_env: '{HOOK}'}}]",
        "13: notify.webhooks[0].url_env: must be the name of where the address is, and looks like the address itself",
    ),
    "an address without https:// for a variable": (
        "webhooks: [{url_env: 'h.example/x?key=hush-hush'}]",
        "13: notify.webhooks[0].url_env: must be the name of a variable of the environment",
    ),
    "an address without https:// for a file": (
        "heartbeat: {url_file: 'h.example/x?key=hush-hush'}",
        "13: notify.heartbeat.url_file: must be the name of where the address is, and looks like the address itself",
    ),
    "an address for a key": (
        f"webhooks: [{{'{HOOK}': json}}]",
        "13: notify.webhooks[0].?: unknown key; known are url, url_env",
    ),
    "an address for a key, without https://": (
        "webhooks: [h.example/hush-hush: ]",
        "13: notify.webhooks[0].?: unknown key; known are url, url_env",
    ),
    "an empty name": ("webhooks: [{url_file: ''}]", "13: notify.webhooks[0].url_file: must be the name of where"),
    "an unknown format": (
        f"webhooks: [{{url: '{HOOK}', format: slack}}]",
        "13: notify.webhooks[0].format: must be one",
    ),
    "an unknown choice": (f"webhooks: [{{url: '{HOOK}', about: [all]}}]", "13: notify.webhooks[0].about[0]: must be"),
    "no list": (f"webhooks: {HOOK}", "13: notify.webhooks: must be a list"),
    "no mapping": (f"webhooks: ['{HOOK}']", "13: notify.webhooks[0]: must be a mapping of keys to values"),
    "an unknown key": (
        f"webhooks: [{{urll: '{HOOK}'}}]",
        "13: notify.webhooks[0].urll: unknown key; did you mean url?",
    ),
    "too often": ("heartbeat: {url_env: A, seconds: 0}", "13: notify.heartbeat.seconds: must be at least 1"),
    "no address of a heartbeat": ("heartbeat: {seconds: 9}", "13: notify.heartbeat: give exactly one of url, url_env"),
    "a negative time": ("settle_seconds: -1", "13: notify.settle_seconds: must be at least 0"),
}


@pytest.mark.parametrize("name", WRONG)
def test_mistakes_are_named(tmp_path: Path, name: str) -> None:
    """By line and key, and without any address."""
    option, expected = WRONG[name]

    found = mistakes_of(write(tmp_path, notify(option)))

    assert any(each.startswith(expected) for each in found), found
    assert "hush" not in str(found)


def test_what_is_different_shows_no_address(tmp_path: Path) -> None:
    """Of webhooks and heartbeat only the key; of the rest the values."""
    config = load(write(tmp_path, RIGHT))
    told = NotifyConfig(5.0, (WebhookConfig(url=HOOK),), HeartbeatConfig(url=HOOK))

    (change,) = changes(config, replace(config, notify=told))

    assert str(change) == "notify: changed (settle_seconds 90.0 → 5.0, webhooks, heartbeat)"
    assert "hush" not in repr(told) + repr(told.webhooks) + repr(told.heartbeat)


@pytest.mark.parametrize(("mode", "is_warned"), [(0o600, False), (0o640, False), (0o644, True)])
def test_an_address_that_all_may_read_is_warned_of(tmp_path: Path, mode: int, is_warned: bool) -> None:
    """It is a secret like another: in the configuration, and in a file of its own."""
    file = tmp_path / "hook"
    file.write_text(HOOK)
    file.chmod(mode)

    written = warnings_of(tmp_path, notify(f"webhooks: [{{url: '{HOOK}'}}]"), mode)
    named = warnings_of(tmp_path, notify(f"heartbeat: {{url_file: {file}}}"))

    assert any("FILE holds the address of a webhook" in each for each in written) is is_warned
    assert any(f"{file} holds the address of a webhook" in each for each in named) is is_warned


def test_an_address_in_the_clear_is_warned_of(tmp_path: Path) -> None:
    """To a public host; within a private network it is the operator's choice."""
    public = warnings_of(tmp_path, notify("webhooks: [{url: 'http://hooks.example.com/hush'}]"))
    private = warnings_of(tmp_path, notify("webhooks: [{url: 'http://10.0.0.7:9093/hush'}]"))

    assert public == ["FILE: a url of notify is http:// to a public host: its key travels in the clear; use https://"]
    assert private == []
