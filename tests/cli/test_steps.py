"""The next step that `check` names: the address, the directory, the very line to type."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tcbsync.cli import exits, steps
from tcbsync.emulator.server import Fault
from tests.cli.checking import wrong
from tests.cli.stage import ENV, POWERLESS, SECRET_VARIABLE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.stage import Stage


@pytest.mark.parametrize(
    ("errmsg", "address"),
    [
        ("invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist", "203.0.113.7"),
        ("invalid ip 2001:db8:0:1::7, not in whitelist", "2001:db8:0:1::7"),
    ],
)
def test_the_address_for_the_whitelist(stage: Stage, errmsg: str, address: str) -> None:
    """The service names the address that it saw: that one is to be added, and where is said."""
    stage.cloud.install(Fault(call="token", kind="errcode", errcode=40164, errmsg=errmsg))

    _, _, advice = wrong(stage, "credentials")

    assert (
        advice
        == f"add {address} to the IP whitelist in the WeChat console: mp.weixin.qq.com, 开发管理, 开发设置, IP白名单"
    )


def test_where_the_wrong_secret_came_from(stage: Stage) -> None:
    """Which appid it was, and which variable the secret was in; never the secret."""
    stage.cloud.install(Fault(call="token", kind="errcode", errcode=40125, errmsg="invalid appsecret"))

    code, _, advice = wrong(stage, "credentials")

    assert code == exits.CONFIG
    assert advice.endswith(f"; the appid is wx-test, the secret came from ${SECRET_VARIABLE}")


def test_a_proxy_of_the_environment(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is taken from the environment: where nobody answers and it names a proxy, that is said."""
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    stage.close_cloud()

    _, _, advice = wrong(stage, "credentials")

    assert "$https_proxy is set, and is not taken: set service.proxy" in advice


def test_mistakes_are_points(stage: Stage) -> None:
    """A configuration that is refused is told mistake by mistake, each with what to do: code 78."""
    fonts = {"name": "fonts", "root": str(stage.root / "fonts"), "env": ENV, "prefix": "site/fonts/"}
    stage.configure(mirrors=[fonts], colour="red")

    result = stage.run("check")

    advice = [line.strip() for line in result.lines if line.startswith("      ")]
    assert result.code == exits.CONFIG
    assert advice == [
        "correct that line; config.example.yaml shows every option",
        "give each mirror of an env a prefix of its own, such as site/ and fonts/",
        "mirror the outer folder alone, or leave the inner one out of it",
    ]
    assert result.lines[-1] == "3 of 3 points need you"


def test_a_volume_that_is_not_mounted(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where /etc/fstab has a volume at or above the root, and nothing is mounted there, the command is named."""
    fstab = tmp_path / "fstab"
    fstab.write_text(f"# a remark\nUUID=1 / ext4 defaults 0 1\nUUID=2 {stage.root} ext4 defaults 0 2\n")
    monkeypatch.setattr(steps, "FSTAB", fstab)
    stage.root.rmdir()

    code, _, advice = wrong(stage, "mirror site")

    assert code == exits.HELD
    assert f"Nothing is at {stage.root}, which /etc/fstab names: `mount {stage.root}`" in advice


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "right"),
    [("..", "x"), ("", "rX"), ("sub", "rX"), ("a.txt", "rX")],
    ids=["above", "root", "folder", "file"],
)
def test_who_is_let_in_where(stage: Stage, path: str, right: str) -> None:
    """The first part of the path that is closed to this user is named, with its mode, and the line that opens it."""
    stage.write(a="a", sub__b="b")
    nest = stage.root.with_name("nest")
    nest.mkdir()
    root = nest / "root"
    stage.root.rename(root)
    stage.configure(root=str(root))
    closed = nest if path == ".." else root / path
    closed.chmod(0)

    result = stage.spawn("check", before=POWERLESS)

    closed.chmod(0o700)
    (number,) = [number for number, line in enumerate(result.lines) if line.startswith("WRONG")]
    assert f" may not {'pass' if path == '..' else 'read'} {closed} (" in result.lines[number + 1]
    assert f"`setfacl -m u:{steps.user()}:{right} {closed}`" in result.lines[number + 1]
