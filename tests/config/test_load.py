"""A right configuration becomes frozen values; which file that is; nothing of it tells a secret."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tcbsync.config import load as loading
from tcbsync.config.load import find_config, load
from tcbsync.config.schema import Config, CredentialsConfig, GuardConfig, ServiceConfig
from tcbsync.core.errors import ConfigError
from tcbsync.local import glance
from tests.config.writing import MIRROR, RIGHT, changed, mistakes_of, write
from tests.dead import dead

if TYPE_CHECKING:
    from collections.abc import Callable

HUSH = "hush-hush"


def test_a_right_configuration_becomes_values(tmp_path: Path) -> None:
    """What is given is there, and what is not has its default."""
    path = write(tmp_path, RIGHT)

    config = load(path)

    (mirror,) = config.mirrors
    assert config.state_dir == Path("/var/lib/tcbsync-test")
    assert config.service == ServiceConfig(uploads=8)
    assert config.credentials == CredentialsConfig(appid="wx-test", secret_env="SECRET")
    assert (mirror.name, mirror.root, mirror.env) == ("site", Path("/srv/tcbsync-test/site"), "test-env")
    assert (mirror.prefix, mirror.guard, mirror.delete) == ("site/", GuardConfig(), "mirror")


def test_values_do_not_change(tmp_path: Path) -> None:
    """A configuration is what it was when it was read."""
    config = load(write(tmp_path, RIGHT))

    with pytest.raises(dataclasses.FrozenInstanceError):
        config.state_dir = Path("/else")  # type: ignore[misc]


def test_null_is_no_limit(tmp_path: Path) -> None:
    """`guard: null` lets any number of deletes go, and so does null for one of its limits, for that one."""
    none = load(write(tmp_path, changed("prefix: site/", "guard: null")))
    one = load(write(tmp_path, changed("prefix: site/", "guard: {max_deletes: null}")))

    guards = (none.mirrors[0].guard, one.mirrors[0].guard)

    assert guards == (None, GuardConfig(max_deletes=None, max_delete_percent=50.0))


def test_a_whole_number_does_for_a_time(tmp_path: Path) -> None:
    """Seconds may be written with or without a fraction."""
    config = load(write(tmp_path, changed("uploads: 8", "connect_seconds: 7")))

    seconds = config.service.connect_seconds

    assert (seconds, type(seconds)) == (7.0, float)


def test_an_empty_section_has_every_default(tmp_path: Path) -> None:
    """A section whose options are all commented out is as good as none."""
    config = load(write(tmp_path, changed("service:\n  uploads: 8", "service:\n  # uploads: 8")))

    service = config.service

    assert service == ServiceConfig()


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    """Editors that put one at the beginning of UTF-8 are borne."""
    path = tmp_path / "config.yaml"
    path.write_text(RIGHT, "utf-8-sig")

    config = load(path)

    assert config.mirrors[0].name == "site"


def test_anchors_and_merge_keys_are_understood(tmp_path: Path) -> None:
    """A mirror may take over another's options by `<<`; its own come first, and a nearer base before a farther one."""
    text = RIGHT.replace("  - name: site", "  - &site\n    name: site").replace(
        "prefix: site/", "prefix: site/\n    cache_control: max-age=1\n    quiet_seconds: 9"
    )
    text += "  - &two {<<: *site, name: two, root: /srv/two, prefix: two/, cache_control: max-age=2}\n"
    text += "  - {<<: [*two, *site], name: three, root: /srv/three, prefix: three/}\n"

    _, two, three = load(write(tmp_path, text)).mirrors

    assert (two.name, two.env, two.cache_control, two.quiet_seconds) == ("two", "test-env", "max-age=2", 9.0)
    assert (three.name, three.root, three.cache_control) == ("three", Path("/srv/three"), "max-age=2")


def test_a_merged_mistake_is_named_where_it_stands(tmp_path: Path) -> None:
    """What is wrong in the base of a merge is wrong in both, at the base's line."""
    text = RIGHT.replace("  - name: site", "  - &site\n    name: site").replace("prefix: site/", "uplods: 1")
    text += "  - {<<: *site, name: two, root: /srv/two, env: two-env}\n"

    found = mistakes_of(write(tmp_path, text))

    assert [mistake.partition(";")[0] for mistake in found] == [
        "12: mirrors[0].uplods: unknown key",
        "12: mirrors[1].uplods: unknown key",
    ]


def test_an_anchor_within_itself_ends(tmp_path: Path) -> None:
    """A merge that goes round in a circle is read once around."""
    text = RIGHT.replace("  - name: site", "  - &site\n    <<: *site\n    name: site")

    config = load(write(tmp_path, text))

    assert config.mirrors[0].name == "site"


# -- which file ------------------------------------------------------------------------------------------------------


def test_the_file_that_is_named_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """-c wins over $TCBSYNC_CONFIG, and that over ./config.yaml, and that over the one below /etc."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loading, "PLACES", (Path("config.yaml"), tmp_path / "etc.yaml"))
    monkeypatch.setenv("TCBSYNC_CONFIG", "/named/by/environment")
    (tmp_path / "etc.yaml").touch()

    found = [find_config(Path("given")), find_config(None)]
    monkeypatch.setenv("TCBSYNC_CONFIG", "")
    found.append(find_config(None))
    (tmp_path / "config.yaml").touch()
    found.append(find_config(None))

    wanted = ["given", "/named/by/environment", f"{tmp_path}/etc.yaml", "config.yaml"]
    assert [str(path) for path in found] == wanted


def test_without_any_file_the_error_says_where_it_looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has no configuration yet reads where one may lie, and which file shows every option."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TCBSYNC_CONFIG", raising=False)
    monkeypatch.setattr(loading, "PLACES", (Path("config.yaml"), tmp_path / "etc.yaml"))

    with pytest.raises(ConfigError) as caught:
        find_config(None)

    assert all(word in str(caught.value) for word in ("config.yaml", "etc.yaml", "-c CONFIG", "config.example.yaml"))


UNREADABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda _path: None, "No such file or directory"),
    "a directory": (lambda path: path.mkdir(), "Is a directory"),
    "a link to nowhere": (lambda path: path.symlink_to("nowhere"), "No such file or directory"),
    "a link to itself": (lambda path: path.symlink_to(path.name), "Too many levels of symbolic links"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path, name: str) -> None:
    """The error says which file, and in the system's words why not."""
    make, reason = UNREADABLE[name]
    path = tmp_path / "config.yaml"
    make(path)

    with pytest.raises(ConfigError) as caught:
        load(path)

    assert str(caught.value) == f"the configuration {path} cannot be read: {reason}"


# -- secrets ---------------------------------------------------------------------------------------------------------

SECRETS = {
    "secret": ("secret_env: SECRET", f"secret: {HUSH}"),
    "token_url": ("secret_env: SECRET", f"token_url: https://tokens.example/?key={HUSH}"),
    "token_command": ("secret_env: SECRET", f"token_command: [get-token, --key, {HUSH}]"),
    "proxy": ("uploads: 8", f"proxy: http://me:{HUSH}@proxy.example:3128"),
}


@pytest.mark.parametrize("name", SECRETS)
def test_no_repr_tells_a_secret(tmp_path: Path, name: str) -> None:
    """What may hold a secret is left out of every repr of the configuration."""
    config: Config = load(write(tmp_path, changed(*SECRETS[name])))

    shown = repr(config) + repr(config.credentials) + repr(config.service) + str(config)

    assert HUSH not in shown


WRONG_SECRETS = {
    "a list": ("secret_env: SECRET", f"secret: [{HUSH}]"),
    "a tag": ("secret_env: SECRET", f"secret: !{HUSH} x"),
    "an alias": ("secret_env: SECRET", f"secret: *{HUSH}"),
    "an anchor": ("secret_env: SECRET", f"secret: &{HUSH}"),
    "twice": ("secret_env: SECRET", f"secret: {HUSH}\n  secret: {HUSH}2"),
    "beside another source": ("secret_env: SECRET", f"secret: {HUSH}\n  secret_env: {HUSH.upper()}"),
    "a colon": ("secret_env: SECRET", f"secret: {HUSH}: {HUSH}"),
    "an open quote": ("secret_env: SECRET", f"secret: '{HUSH}"),
    "a key of two parts": ("  secret_env: SECRET", f"  ? [secret, {HUSH}]\n  : x"),
    "a proxy that is none": ("uploads: 8", f"proxy: me:{HUSH}@proxy.example"),
    "a server that is none": ("secret_env: SECRET", f"token_url: tokens.example/?key={HUSH}"),
}


@pytest.mark.parametrize("name", WRONG_SECRETS)
def test_no_mistake_tells_a_secret(tmp_path: Path, name: str) -> None:
    """However a secret is written wrongly, the mistakes that say so do not repeat it."""
    path = write(tmp_path, changed(*WRONG_SECRETS[name]))

    with pytest.raises(ConfigError) as caught:
        load(path)

    assert HUSH not in str(caught.value)
    assert HUSH not in repr(caught.value.mistakes)


def test_an_unreadable_place_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration that may be there and cannot be looked at is taken, so that reading it says what is wrong."""
    monkeypatch.delenv("TCBSYNC_CONFIG", raising=False)
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o000)
    monkeypatch.setattr(loading, "PLACES", (hidden / "config.yaml",))
    is_all_powerful = os.access(hidden, os.X_OK)

    if is_all_powerful:  # for this user nothing is hidden: then it surely is not there
        with pytest.raises(ConfigError, match="no configuration"):
            find_config(None)
    else:
        assert find_config(None) == hidden / "config.yaml"

    hidden.chmod(0o700)


def test_a_dead_disk_keeps_nobody_from_starting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Links in a root that does not answer are not followed; all else is checked, and what is wrong is told."""
    monkeypatch.setattr(glance, "ANSWER_SECONDS", 0.2)
    root = tmp_path / "disk"
    root.mkdir()
    path = write(tmp_path, RIGHT.replace("/srv/tcbsync-test/site", str(root)))
    wrong = RIGHT.replace("/srv/tcbsync-test/site", str(root)) + MIRROR.replace("/srv/tcbsync-test/other", f"{root}/in")

    with dead(root):
        config = load(path)
        mistakes = mistakes_of(write(tmp_path, wrong))

    assert config.mirrors[0].root == root
    assert any("is inside the root of mirror site" in mistake for mistake in mistakes)
