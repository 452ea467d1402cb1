"""Whatever is logged or printed, at whatever level: no secret, no token, no signed address."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tcbsync.emulator.server import Fault
from tests.cli.stage import PREFIX, SECRET, environment, eventually

if TYPE_CHECKING:
    from tests.cli.stage import Stage

pytestmark = pytest.mark.slow

SIGNED = ("access_token=", "q-signature", "q-ak=", "sign=", "x-cos-security-token")


def issued(stage: Stage) -> set[str]:
    """Give every access token that the cloud has ever given out."""
    return {grant.token for grant in stage.cloud._service.tokens._grants.values()}


def assert_hushed(shown: str, tokens: set[str]) -> None:
    """Fail if a text tells what it must not."""
    assert tokens
    assert SECRET not in shown
    assert not [token for token in tokens if token in shown or token.removeprefix("emulated_")[:40] in shown]
    assert not [word for word in SIGNED if word in shown]


TROUBLES = [
    Fault(call="uploadfile", kind="stale_token", count=1, skip=1),
    Fault(call="uploadfile", kind="cut_after", count=1),
    Fault(call="uploadfile", kind="errcode", errcode=40097, key=f"{PREFIX}bad*"),
    Fault(call="cos", kind="http", status=403, code="AccessDenied", count=1),
    Fault(call="cos", kind="cut_amid", count=1),
    Fault(call="cos", kind="http", status=502, body="html", count=1),
    Fault(call="batchdownloadfile", kind="cut_json", count=1),
    Fault(call="download", kind="http", status=403, count=1),
]


def test_the_verbs_keep_secrets(stage: Stage) -> None:
    """Every verb at its most talkative, through every kind of trouble, tells no secret and no token."""
    stage.write(**{f"f{number}": "x" * number for number in range(8)}, bad="bad")
    stage.cloud.install(*TROUBLES)
    verbs = ["check", "plan", "sync", "status", "failed", "retry", "sync", "verify", "url", "plan"]

    results = [stage.spawn(verb, "--verbose", *(["f1.txt"] if verb == "url" else [])) for verb in verbs]

    shown = "".join(result.out + result.err for result in results)
    assert "f1.txt" in shown
    assert len(stage.objects()) == 8
    assert_hushed(shown, issued(stage))


def test_the_daemons_log_keeps_secrets(stage: Stage) -> None:
    """A daemon at its most talkative, through trouble and a new token, logs no secret and no token."""
    stage.cloud.install(*TROUBLES)
    stage.write(**{f"f{number}": "x" * number for number in range(8)}, bad="bad")
    log = stage.config.with_name("verbose.log")
    command = [sys.executable, "-m", "tcbsync", "run", "--verbose", "-c", str(stage.config)]
    tokens: set[str] = set()
    with (
        log.open("wb") as output,
        subprocess.Popen(command, stdout=output, stderr=output, env=environment()) as process,
    ):
        eventually(lambda: len(stage.objects()) == 8)
        tokens |= issued(stage)
        stage.cloud.revoke_tokens()
        stage.write(late="late")
        eventually(lambda: "late.txt" in stage.objects())
        tokens |= issued(stage)
        process.terminate()
        process.wait(60)

    shown = log.read_text("utf-8")
    assert "bad.txt: uploadfile site/bad.txt: invalid arguments [40097]" in shown
    assert_hushed(shown, tokens)


def test_the_state_directory_keeps_secrets(stage: Stage) -> None:
    """Nothing that is left on the disk holds the secret or a token."""
    stage.write(a="a", bad="bad")
    stage.cloud.install(*TROUBLES)
    stage.run("sync")

    shown = "".join(path.read_bytes().decode("latin-1") for path in stage.state_dir.rglob("*") if path.is_file())

    assert_hushed(shown, issued(stage))
