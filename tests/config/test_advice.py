"""What works and should be mended all the same is told as a warning."""

from __future__ import annotations

import os
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

    assert ("FILE holds the secret, and everybody on this host can read it: chmod o-rwx FILE" in found) is is_warned


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

    expected = f"{secret} holds the secret, and everybody on this host can read it: chmod o-rwx {secret}"
    assert found == ([expected] if is_warned else [])


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("uploads: 8", "proxy: http://user:hush@proxy:1", "the proxy's password"),
        ("secret_env: SECRET", "token_url: https://tokens/?key=hush", "what the token server is asked with"),
    ],
    ids=["proxy", "token_url"],
)
def test_other_secrets_in_the_configuration_are_warned_of(tmp_path: Path, old: str, new: str, what: str) -> None:
    """A password in an address is a secret like any other."""
    found = warnings_of(tmp_path, changed(old, new), 0o644)

    assert found == [f"FILE holds {what}, and everybody on this host can read it: chmod o-rwx FILE"]


def test_a_token_file_that_all_may_read_is_warned_of(tmp_path: Path) -> None:
    """Whoever has the token can do all that we can."""
    token = tmp_path / "token"
    token.write_text("hush")
    token.chmod(0o644)

    found = warnings_of(tmp_path, changed("secret_env: SECRET", f"token_file: {token}"))

    assert found == [f"{token} holds the access token, and everybody on this host can read it: chmod o-rwx {token}"]


def test_a_configuration_that_all_may_change_is_warned_of(tmp_path: Path) -> None:
    """It names programs that we run and addresses that we send the token to."""
    (found,) = warnings_of(tmp_path, RIGHT, 0o646)

    assert found == "FILE is the configuration, and everybody on this host can change it: chmod o-w FILE"


@pytest.mark.parametrize(("mode", "is_warned"), [(0o755, False), (0o775, False), (0o777, True), (0o1777, False)])
def test_a_folder_in_which_all_may_put_another_file_is_warned_of(tmp_path: Path, mode: int, is_warned: bool) -> None:
    """What cannot be changed can be replaced there; but not under a sticky bit, as in /tmp."""
    folder = tmp_path / "open" / "deep"
    folder.mkdir(parents=True)
    folder.parent.chmod(mode)

    found = warnings_of(folder, RIGHT)

    place = f"everybody on this host can put another in its place: chmod o-w {folder.parent}"
    assert found == ([f"FILE is the configuration, and {place}"] if is_warned else [])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("where", ["config.yaml", "."])
def test_a_configuration_of_another_user_is_warned_of(tmp_path: Path, where: str) -> None:
    """Who owns the file, or a folder above it, can change it; root may, and so may we ourselves."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    path = write(folder, RIGHT)
    os.chown(folder / where, 65534, 65534)

    (found,) = warnings(load(path), path)

    owned = path if where == "config.yaml" else folder
    assert found == f"{path} is the configuration, and user 65534 can change it, who owns {owned}: chown root {owned}"


@pytest.mark.parametrize(
    ("mode", "what"), [(0o700, ""), (0o750, "read"), (0o755, "read"), (0o770, "changed"), (0o707, "changed")]
)
def test_a_state_directory_of_many_is_warned_of(tmp_path: Path, mode: int, what: str) -> None:
    """What is in it decides what is deleted. It is used all the same: systemd or the operator made it so."""
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(mode)

    found = warnings_of(tmp_path, changed("/var/lib/tcbsync-test", str(state)))

    expected = f"the state directory {state} can be {what} by others: chmod 700 {state}"
    assert found == ([expected] if what else [])


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


@pytest.mark.parametrize(
    ("web", "is_warned"),
    [
        ("null", False),
        ("{listen: '127.0.0.1:8071'}", False),
        ("{listen: '127.1.2.3:8071'}", False),
        ("{listen: '[::1]:8071'}", False),
        ("{listen: 'localhost:8071'}", False),
        ("{listen: '0.0.0.0:8071'}", True),
        ("{listen: '[::]:8071'}", True),
        ("{listen: '10.1.2.3:8071'}", True),
        ("{listen: 'nas.local:8071'}", True),
    ],
)
def test_a_page_for_everybody_is_warned_of(tmp_path: Path, web: str, *, is_warned: bool) -> None:
    """It asks for no login: names of files, and images, are for whoever reaches it."""
    found = warnings_of(tmp_path, f"{RIGHT}web: {web}\n")

    assert len(found) == is_warned
    assert all("web.listen is not on loopback" in line and "no login" in line for line in found)
