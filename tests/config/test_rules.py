"""What is wrong with the meaning of a configuration: options that are each of their type, and make no sense."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tcbsync.config.load import host_and_port, load
from tcbsync.config.schema import WebConfig
from tests.config.writing import MIRROR, RIGHT, changed, check, mistakes_of, write

if TYPE_CHECKING:
    from pathlib import Path

ONE_SOURCE = "give exactly one of secret_env, secret_file, secret, token_file, token_command, token_url, no_token; "

CREDENTIALS = {
    "two": ("secret_env: SECRET\n  token_file: /t", f"4: credentials: {ONE_SOURCE}found secret_env and token_file"),
    "three": (
        "secret: s\n  token_url: http://t\n  no_token: true",
        f"4: credentials: {ONE_SOURCE}found secret and token_url and no_token",
    ),
    "none": ("token_call: token", f"4: credentials: {ONE_SOURCE}found none"),
    "no_token: false": ("no_token: false", f"4: credentials: {ONE_SOURCE}found none"),
    "an empty one": ("secret_env: ''", "6: credentials.secret_env: must not be empty"),
    "an empty secret": ("secret: ''", "6: credentials.secret: must not be empty"),
    "an empty command": ("token_command: []", "6: credentials.token_command: must not be empty"),
    "a server that is none": ("token_url: tokens.example", "6: credentials.token_url: must be a URL that begins with"),
}


@pytest.mark.parametrize("name", CREDENTIALS)
def test_tokens_have_exactly_one_source(tmp_path: Path, name: str) -> None:
    """Two sources of tokens, none, or one that says nothing are a mistake that lists what there is to choose from."""
    source, expected = CREDENTIALS[name]

    check(tmp_path, changed("secret_env: SECRET", source), expected)


@pytest.mark.parametrize("source", ["secret_env: SECRET", "secret_file: /secret", "secret: hush"])
def test_a_secret_needs_an_appid(tmp_path: Path, source: str) -> None:
    """A secret without an appid is a mistake; the other sources need none."""
    text = RIGHT.replace("  appid: wx-test\n", "").replace("secret_env: SECRET", source)

    check(tmp_path, text, "4: credentials.appid: is missing; a secret needs it")


def test_no_credentials_at_all_are_a_mistake(tmp_path: Path) -> None:
    """Nothing is guessed: without the section there is no source."""
    text = changed("credentials:\n  appid: wx-test\n  secret_env: SECRET\n", "")

    check(tmp_path, text, f"1: credentials: {ONE_SOURCE}found none")


@pytest.mark.parametrize(
    ("listen", "where"),
    [
        ("127.0.0.1:8071", ("127.0.0.1", 8071)),
        ("localhost:0", ("localhost", 0)),
        ("0.0.0.0:80", ("0.0.0.0", 80)),
        ("'[::1]:8071'", ("::1", 8071)),
    ],
)
def test_where_the_page_may_be_served(tmp_path: Path, listen: str, where: tuple[str, int]) -> None:
    """A name or an address, and a port."""
    config = load(write(tmp_path, f"{RIGHT}web:\n  listen: {listen}\n  hosts: [status.example, '[::1]', 10.0.0.7]\n"))

    assert config.web is not None
    assert host_and_port(config.web.listen) == where


@pytest.mark.parametrize(
    "listen",
    ["'8071'", "127.0.0.1", "':8071'", "'::1:8071'", "127.0.0.1:80710", "http://127.0.0.1:8071", "a/b:1", "a@b:1"],
)
def test_where_it_cannot(tmp_path: Path, listen: str) -> None:
    """What is half an address, or more than one."""
    check(tmp_path, f"{RIGHT}web: {{listen: {listen}}}\n", "12: web.listen: must be HOST:PORT, with an IPv6 address")


@pytest.mark.parametrize("host", ["status.example:8071", "http://status.example", "a b", "'*'"])
def test_names_of_the_page_are_names(tmp_path: Path, host: str) -> None:
    """Without a port: a proxy may listen at another."""
    check(tmp_path, f"{RIGHT}web: {{hosts: [{host}]}}\n", "12: web.hosts[0]: must be a host's name or address")


def test_no_page(tmp_path: Path) -> None:
    """It is on loopback where nothing is said, and switched off by null."""
    default, none = load(write(tmp_path, RIGHT)), load(write(tmp_path, f"{RIGHT}web: null\n"))

    assert default.web == WebConfig("127.0.0.1:8071", ())
    assert none.web is None


ADDRESSES = {
    "no scheme": (
        "api_base: api.weixin.qq.com",
        "3: service.api_base: must be a URL that begins with https:// or http",
    ),
    "another scheme": ("api_base: ftp://api.example", "3: service.api_base: must be a URL that begins with https://"),
    "a query": ("api_base: https://api.example/?a=b", "3: service.api_base: must be a URL that begins with https://"),
    "a login": ("api_base: https://me:hush@api.example", "3: service.api_base: must be a URL that begins with https:"),
    "no host": ("api_base: https://", "3: service.api_base: must be a URL that begins with https:// or http://"),
    "a proxy without scheme": ("proxy: proxy.example:3128", "3: service.proxy: must be http://HOST:PORT, maybe with"),
    "a proxy with a path": ("proxy: http://proxy.example/x", "3: service.proxy: must be http://HOST:PORT, maybe with"),
}


@pytest.mark.parametrize("name", ADDRESSES)
def test_addresses_are_addresses(tmp_path: Path, name: str) -> None:
    """What cannot be called, or would leak a login, is refused before anything is called."""
    option, expected = ADDRESSES[name]

    check(tmp_path, changed("uploads: 8", option), expected)


BEFORE_KEYS = "11: mirrors[0].prefix: cannot stand before a key: "

MIRRORS = {
    "name with a space": ("name: site", "name: my site", "8: mirrors[0].name: must be letters, digits, dots"),
    "name too long": ("name: site", f"name: {'n' * 65}", "8: mirrors[0].name: must be letters, digits, dots"),
    "relative root": ("root: /srv/tcbsync-test/site", "root: site", "9: mirrors[0].root: must be an absolute path"),
    "root at home": ("root: /srv/tcbsync-test/site", "root: ~/site", "9: mirrors[0].root: must be an absolute path"),
    "relative state": ("/var/lib/tcbsync-test", "state", "1: state_dir: must be an absolute path"),
    "empty env": ("env: test-env", "env: ''", "10: mirrors[0].env: must not be empty"),
    "slash before": ("prefix: site/", "prefix: /site/", f"{BEFORE_KEYS}the path has an empty part"),
    "two slashes": ("prefix: site/", "prefix: a//", f"{BEFORE_KEYS}the path has an empty part"),
    "climbing": ("prefix: site/", "prefix: ../site/", f"{BEFORE_KEYS}the path has a . or .. part"),
    "backslash": ("prefix: site/", "prefix: a\\b/", f"{BEFORE_KEYS}the name holds a backslash"),
    "too long": ("prefix: site/", f"prefix: {'p' * 850}", f"{BEFORE_KEYS}the path has 851 bytes; the cloud takes at"),
    "replaced": ("prefix: site/", "prefix: ${filename}/", f"{BEFORE_KEYS}the name holds ${{filename}}"),
    "rule that is none": ("prefix: site/", "ignore: [ok, '!']", "11: mirrors[0].ignore[1]: is no gitignore rule: "),
    "no mirror": (RIGHT[RIGHT.index("mirrors:") :], "mirrors: []\n", "7: mirrors: name at least one"),
    "state is the root": ("/var/lib/tcbsync-test", "/srv/tcbsync-test/site", "1: state_dir: must not be inside"),
    "state in the root": ("/var/lib/tcbsync-test", "/srv/tcbsync-test/site/.s", "1: state_dir: must not be inside the"),
}  # fmt: skip


@pytest.mark.parametrize("name", MIRRORS)
def test_a_mirror_makes_sense(tmp_path: Path, name: str) -> None:
    """A name, root, env, prefix or rule that could not work is named with its line; the state must not be mirrored."""
    old, new, expected = MIRRORS[name]

    check(tmp_path, changed(old, new), expected)


OVERLAPS = "mirrors[1].prefix: overlaps with that of mirror site in the same env"

PAIRS = {
    "name twice": ("name: other", "name: site", "12: mirrors[1].name: site is there twice"),
    "same prefix": ("prefix: other/", "prefix: site/", f"15: {OVERLAPS}"),
    "prefix within": ("prefix: other/", "prefix: site/img/", f"15: {OVERLAPS}"),
    "prefix that begins alike": ("prefix: other/", "prefix: si", f"15: {OVERLAPS}"),
    "prefix around, by default": ("    prefix: other/\n", "", f"12: {OVERLAPS}"),
    "same root": ("test/other", "test/./site", "13: mirrors[1].root: is the same as the root of mirror site"),
    "root inside": ("test/other", "test/site/img", "13: mirrors[1].root: is inside the root of mirror site"),
    "root around": ("tcbsync-test/other", "", "13: mirrors[1].root: is around the root of mirror site"),
    "root inside by ..": ("test/other", "test/x/../site/y", "13: mirrors[1].root: is inside the root of mirror site"),
}


@pytest.mark.parametrize("name", PAIRS)
def test_mirrors_keep_out_of_each_others_way(tmp_path: Path, name: str) -> None:
    """Two mirrors of one name, with overlapping prefixes in one env, or with roots in each other, are a mistake."""
    old, new, expected = PAIRS[name]

    check(tmp_path, RIGHT + MIRROR.replace(old, new), expected)


def test_the_same_prefix_in_another_env_is_right(tmp_path: Path) -> None:
    """Prefixes are compared within one environment only."""
    text = RIGHT + MIRROR.replace("test-env", "prod-env").replace("other/", "site/").replace("name: other", "name: a b")

    check(tmp_path, text, "12: mirrors[1].name: must be letters")  # and nothing about the prefix


def test_a_root_inside_another_is_seen_through_links(tmp_path: Path) -> None:
    """A symbolic link on the way does not hide that one root lies in another, nor that the state lies in a root."""
    (tmp_path / "assets" / "img").mkdir(parents=True)
    (tmp_path / "link").symlink_to("assets/img")
    text = RIGHT.replace("/srv/tcbsync-test/site", f"{tmp_path}/assets")
    text = text.replace("/var/lib/tcbsync-test", f"{tmp_path}/link/state")
    text += MIRROR.replace("/srv/tcbsync-test/other", f"{tmp_path}/link")

    check(
        tmp_path,
        text,
        "1: state_dir: must not be inside the root of mirror other: it would be mirrored too",
        "1: state_dir: must not be inside the root of mirror site: it would be mirrored too",
        "13: mirrors[1].root: is inside the root of mirror site",
    )


@pytest.mark.parametrize("option", ["secret_env", "secret_file", "token_file"])
def test_a_secret_in_the_place_of_its_name(tmp_path: Path, option: str) -> None:
    """It is taken for what it is, and not shown: a name that is "not found" would be."""
    secret = "0123456789abcdef" * 2

    found = mistakes_of(write(tmp_path, changed("secret_env: SECRET", f"{option}: '{secret}'")))

    assert found == [f"6: credentials.{option}: must be a name, and looks like the secret itself"]


@pytest.mark.parametrize("address", ["http://[::1/", "http://host:port", "http://host:99999", "http://host:0/"])
@pytest.mark.parametrize(
    ("old", "option", "line"),
    [
        ("uploads: 8", "service.api_base", 3),
        ("uploads: 8", "service.proxy", 3),
        ("secret_env: SECRET", "credentials.token_url", 6),
    ],
)
def test_an_address_whose_host_cannot_be_told(tmp_path: Path, old: str, option: str, line: int, address: str) -> None:
    """Half a bracket, or a port that is none, is a mistake of the configuration, and no surprise later."""
    (found,) = mistakes_of(write(tmp_path, changed(old, f"{option.partition('.')[2]}: '{address}'")))

    assert found.startswith(f"{line}: {option}: must be ".removeprefix(" "))
