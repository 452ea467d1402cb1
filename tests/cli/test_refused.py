"""What keeps verbs from working at all: the configuration, the service's refusals, another process."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tcbsync.cli import exits
from tcbsync.emulator.server import Fault
from tcbsync.store.lock import StateLock
from tests.cli.stage import SECRET_VARIABLE

if TYPE_CHECKING:
    from tests.cli.stage import Stage

REFUSALS = {
    "wrong env": (-501005, exits.FAILED, "nothing can be done until a person mends this; left for the next sync: 1 up"),
    "wrong secret": (
        40125,
        exits.CONFIG,
        "nothing can be done until a person mends this; left for the next sync: 1 up",
    ),
    "storage full": (-501017, exits.INCOMPLETE, "the environment's storage is full; left for the next sync: 1 upload"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_a_person_must_mend_is_named(stage: Stage, name: str) -> None:
    """Where no waiting helps, sync ends at once, with a code by whose fault it is, the service's words and a hint."""
    errcode, code, sentence = REFUSALS[name]
    words = "in the service's words"
    fault = Fault(call="uploadfile", kind="errcode", errcode=errcode, errmsg=words)
    stage.cloud.install(replace(fault, call="token") if name == "wrong secret" else fault)
    stage.write(a="a")

    result = stage.run("sync")

    assert result.code == code
    assert f"site: {sentence}" in result.err
    assert f"[{errcode}]: {words}" in result.err


ADDRESSES = {
    "both": ("invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist rid: 65a0c1d2-1f2e3d4c", "203.0.113.7"),
    "IPv6": (
        "invalid ip 2001:db8:85a3:1234:5678:8a2e:370:7334 ipv6 2001:db8:85a3:1234:5678:8a2e:370:7334, not in whitelist",
        "2001:db8:85a3:1234:5678:8a2e:370:7334",
    ),
    "in full": (
        "invalid ip 2001:0db8:85a3:0000:0000:8a2e:0370:7334, not in whitelist hint: [aB3dE6gH9jK2] rid: 1-2-3",
        "2001:0db8:85a3:0000:0000:8a2e:0370:7334",
    ),
}


@pytest.mark.parametrize("name", ADDRESSES)
@pytest.mark.parametrize("verb", ["check", "sync"])
def test_the_address_that_is_not_allowed_is_named(stage: Stage, name: str, verb: str) -> None:
    """40164: whoever reads it knows which address to put on the list, and where that list is."""
    words, address = ADDRESSES[name]
    stage.cloud.install(Fault(call="token", kind="errcode", errcode=40164, errmsg=words))
    stage.write(a="a")

    result = stage.run(verb)

    assert result.code == exits.FAILED
    assert f"invalid ip {address}" in result.out + result.err
    added = address if verb == "check" else "the IP"
    assert f"add {added} to the IP whitelist in the WeChat console" in result.out + result.err


def test_a_wrong_secret_is_a_wrong_configuration(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 78 when the service does not take the secret, whose text appears nowhere."""
    monkeypatch.setenv(SECRET_VARIABLE, "not-the-right-one")
    stage.write(a="a")

    result = stage.run("sync")

    assert result.code == exits.CONFIG
    assert "check credentials.appid and the secret" in result.err
    assert "not-the-right-one" not in result.out + result.err


@pytest.mark.parametrize("verb", ["sync", "plan", "status", "failed", "held", "retry", "check", "verify", "url", "run"])
def test_a_wrong_configuration_stops_every_verb(stage: Stage, verb: str) -> None:
    """Exit 78 with every mistake, before anything else is done."""
    stage.config.write_text(stage.config.read_text("utf-8").replace("state_dir:", "state:"), "utf-8")

    result = stage.run(verb, *(["a"] if verb == "url" else []))

    assert result.code == exits.CONFIG
    told = result.out if verb == "check" else result.err
    assert told.startswith("WRONG configuration: " if verb == "check" else "tcbsync: the configuration is wrong:\n")
    assert ": state: unknown key; did you mean state_dir?\n" in told
    assert ": state_dir: is missing\n" in told


@pytest.mark.parametrize("verb", ["sync", "plan", "status", "failed", "held", "retry", "verify"])
def test_a_mirror_that_is_not_there_is_named_with_those_that_are(stage: Stage, verb: str) -> None:
    """Exit 78 for `--mirror` with an unknown name."""
    result = stage.run(verb, "--mirror", "sight")

    assert result.code == exits.CONFIG
    assert result.err == "tcbsync: there is no mirror sight (the configuration has site)\n"


@pytest.mark.parametrize("verb", ["sync", "retry", "approve", "run"])
def test_another_process_keeps_it_out(stage: Stage, verb: str) -> None:
    """Exit 1 where another process holds the state directory, which the message names."""
    lock = StateLock(stage.state_dir, "sync")

    result = stage.run(verb, *(["site"] if verb == "approve" else []))

    lock.close()
    assert result.code == exits.FAILED
    assert f"the state directory {stage.state_dir} is in use by tcbsync sync (process " in result.err
