"""What works and should be mended all the same is told as a warning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tcbsync.config.advice import warnings
from tcbsync.config.load import load
from tests.config.writing import RIGHT, changed, write

if TYPE_CHECKING:
    from pathlib import Path


def warnings_of(folder: Path, text: str, mode: int = 0o600) -> list[str]:
    """Load a configuration from a file of that mode; give its warnings, without the file's name."""
    path = write(folder, text)
    path.chmod(mode)
    return [warning.replace(str(path), "FILE") for warning in warnings(load(path), path)]


@pytest.mark.parametrize("mode", [0o600, 0o644], ids=oct)
def test_a_good_configuration_has_no_warnings(tmp_path: Path, mode: int) -> None:
    """Everybody may read a configuration that holds no secret."""
    found = warnings_of(tmp_path, RIGHT, mode)

    assert found == []


def test_a_secret_that_is_written_out_is_warned_of(tmp_path: Path) -> None:
    """A literal secret works, with the advice to take it out; the warning does not repeat it."""
    found = warnings_of(tmp_path, changed("secret_env: SECRET", "secret: hush"))

    (warning,) = found
    assert warning.startswith("FILE: credentials.secret is written out; secret_file or secret_env keep it out")
    assert "hush" not in warning


@pytest.mark.parametrize(("mode", "is_warned"), [(0o600, False), (0o640, False), (0o604, True), (0o644, True)])
def test_a_literal_secret_that_all_may_read_is_warned_of(tmp_path: Path, mode: int, is_warned: bool) -> None:
    """The file with the secret should not be readable for everybody; for a group is the operator's choice."""
    found = warnings_of(tmp_path, changed("secret_env: SECRET", "secret: hush"), mode)

    assert ("FILE holds the secret, and everybody on this machine can read it: chmod o-rwx FILE" in found) is is_warned


@pytest.mark.parametrize(("mode", "is_warned"), [(0o600, False), (0o640, False), (0o644, True)])
def test_a_secret_file_that_all_may_read_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, is_warned: bool
) -> None:
    """The same for secret_file; ${VARIABLES} in its path are filled in."""
    monkeypatch.setenv("TCBSYNC_TEST_DIRECTORY", str(tmp_path))
    secret = tmp_path / "secret"
    secret.write_text("hush")
    secret.chmod(mode)

    found = warnings_of(tmp_path, changed("secret_env: SECRET", "secret_file: ${TCBSYNC_TEST_DIRECTORY}/secret"))

    expected = f"{secret} holds the secret, and everybody on this machine can read it: chmod o-rwx {secret}"
    assert found == ([expected] if is_warned else [])


def test_a_secret_file_that_is_not_there_is_no_warning(tmp_path: Path) -> None:
    """Who needs the secret says that it is missing; until then nobody does."""
    found = warnings_of(tmp_path, changed("secret_env: SECRET", "secret_file: ${TCBSYNC_TEST_UNSET}/secret"))

    assert found == []


@pytest.mark.parametrize(
    ("option", "what"), [("secret_file", "the secret"), ("token_file", "the access token")], ids=["secret", "token"]
)
def test_a_secret_below_a_root_is_warned_of(tmp_path: Path, option: str, what: str) -> None:
    """A secret that lies among the assets would be published with them, by whatever link it is reached."""
    root = tmp_path / "assets"
    root.mkdir()
    (root / "hush").write_text("hush")
    (root / "hush").chmod(0o600)
    (tmp_path / "link").symlink_to("assets")
    text = RIGHT.replace("/srv/tcbsync-test/site", str(root))

    found = warnings_of(tmp_path, text.replace("secret_env: SECRET", f"{option}: {tmp_path}/link/hush"))

    where = f"{tmp_path}/link/hush"
    assert found == [f"{where} holds {what} and lies in the root of mirror site: it would be published"]


PUBLIC = ["http://api.weixin.qq.com", "http://8.8.8.8:80/x", "http://[2606:4700::1111]"]
PRIVATE = [
    "https://api.weixin.qq.com",
    "http://127.0.0.1:8070",
    "http://localhost:8070",
    "http://emulator:8070",
    "http://10.1.2.3",
    "http://[::1]:8070",
    "http://tokens.internal",
]


@pytest.mark.parametrize("address", [*PUBLIC, *PRIVATE])
@pytest.mark.parametrize(
    ("old", "option"), [("uploads: 8", "api_base"), ("secret_env: SECRET", "token_url")], ids=["api_base", "token_url"]
)
def test_tokens_in_the_clear_are_warned_of(tmp_path: Path, old: str, option: str, address: str) -> None:
    """Plain http to a public host would carry access tokens for everybody on the way to read; at home it may be."""
    found = warnings_of(tmp_path, changed(old, f"{option}: {address}"))

    assert len(found) == (address in PUBLIC)
    assert all(f"{option} is http:// to a public host: access tokens travel in the clear" in line for line in found)


def test_http_without_tokens_is_right(tmp_path: Path) -> None:
    """Service, Cloud Run: its open API service is plain http and needs no token."""
    text = changed("uploads: 8", "api_base: http://api.weixin.qq.com").replace("secret_env: SECRET", "no_token: true")

    found = warnings_of(tmp_path, text)

    assert found == []


def test_a_prefix_that_is_no_folder_is_warned_of(tmp_path: Path) -> None:
    """A prefix without a slash at its end works, and is rarely what was meant; an empty one is."""
    without = warnings_of(tmp_path, changed("prefix: site/", "prefix: site"))
    empty = warnings_of(tmp_path, changed("prefix: site/", "prefix: ''"))

    expected = ["FILE: the prefix of mirror site does not end in /: a.txt becomes sitea.txt in the cloud"]
    assert (without, empty) == (expected, [])
