"""From the configuration's words to a source of tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tcbsync.cloud.sources import CommandSource, FileSource, NoToken, SecretSource, UrlSource
from tcbsync.config.schema import CredentialsConfig, WebhookConfig
from tcbsync.core.errors import ConfigError
from tcbsync.daemon.credentials import address, token_source

if TYPE_CHECKING:
    from pathlib import Path

APPID = "wx0123456789abcdef"

SOURCES: dict[str, tuple[dict[str, Any], object]] = {
    "none": ({"no_token": True}, NoToken()),
    "file": ({"token_file": "/run/token"}, FileSource("/run/token")),
    "file in a variable": ({"token_file": "${PLACE}/token"}, FileSource("/place/token")),
    "command": ({"token_command": ("get-token", "--fast")}, CommandSource(("get-token", "--fast"))),
    "server": ({"token_url": "https://tokens.example/get"}, UrlSource("https://tokens.example/get")),
}


@pytest.mark.parametrize(("options", "source"), SOURCES.values(), ids=SOURCES)
def test_each_source_without_a_secret(monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], source: object) -> None:
    """What is configured is what is asked."""
    monkeypatch.setenv("PLACE", "/place")

    assert token_source(CredentialsConfig(**options)) == source


@pytest.mark.parametrize(("call", "kind"), [("stable_token", "stable"), ("token", "plain")])
@pytest.mark.parametrize("place", ["literal", "variable", "file", "file in a variable"])
def test_a_secret_from_wherever_it_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str, call: Any, kind: str
) -> None:
    """White space around it, as files and shells leave it, is not part of it."""
    (tmp_path / "secret").write_text("  s3cret\n")
    monkeypatch.setenv("SECRET", "s3cret\n")
    monkeypatch.setenv("PLACE", str(tmp_path))
    options: dict[str, dict[str, str]] = {
        "literal": {"secret": "s3cret"},
        "variable": {"secret_env": "SECRET"},
        "file": {"secret_file": str(tmp_path / "secret")},
        "file in a variable": {"secret_file": "${PLACE}/secret"},
    }

    source = token_source(CredentialsConfig(appid=APPID, token_call=call, **options[place]))  # type: ignore[arg-type]

    assert isinstance(source, SecretSource)
    assert (source.appid, source.secret, source.kind) == (APPID, "s3cret", kind)
    assert "s3cret" not in repr(source)


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "variable not set": ({"secret_env": "NOT_SET"}, "NOT_SET"),
    "variable empty": ({"secret_env": "EMPTY"}, "EMPTY"),
    "file missing": ({"secret_file": "/nowhere/secret"}, "No such file"),
    "file is a directory": ({"secret_file": "/"}, "directory"),
    "file empty": ({"secret_file": "${PLACE}/empty"}, "empty or missing"),
    "file is no text": ({"secret_file": "${PLACE}/binary"}, "not a text"),
    "literal empty": ({"secret": "  "}, "credentials.secret"),
}


@pytest.mark.parametrize(("options", "words"), MISTAKES.values(), ids=MISTAKES)
def test_a_secret_that_cannot_be_had(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    """It is a mistake of the configuration, which says where the secret was looked for."""
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    monkeypatch.setenv("PLACE", str(tmp_path))
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.delenv("NOT_SET", raising=False)

    with pytest.raises(ConfigError, match=words):
        token_source(CredentialsConfig(appid=APPID, **options))


@pytest.mark.parametrize("file", ["$HOOK", "${HOOK}", "/run/${HOOK}"])
def test_a_variable_that_holds_the_secret_itself_is_not_shown(monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    """Where the name of a file was asked for: the option is named as it is written."""
    monkeypatch.setenv("HOOK", "https://hooks.example/hush")

    with pytest.raises(ConfigError) as refused:
        address(WebhookConfig(url_file=file), "notify.webhooks[0]")

    assert str(refused.value).startswith(
        f"the address cannot be read from {file} (notify.webhooks[0].url_file): No such"
    )
    assert "hush" not in f"{refused.value!r} {refused.value}"
