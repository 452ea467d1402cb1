"""Whatever is logged or printed, at whatever level: no secret, no token, no signed address."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tcbsync.emulator.server import Fault
from tests.cli.journald import Journald
from tests.cli.stage import PREFIX, SECRET, SECRET_VARIABLE, Result, environment, eventually
from tests.hushed import every_byte, leaks

if TYPE_CHECKING:
    from tests.cli.stage import Stage

pytestmark = pytest.mark.slow

PASSWORD = "hush-pass/word+1"
TOKEN = "hush-token-" * 8


def issued(stage: Stage) -> set[str]:
    """Give every access token that the cloud has ever given out."""
    return {grant.token.removeprefix("emulated_") for grant in stage.cloud._service.tokens._grants.values()}


def assert_hushed(shown: str, tokens: set[str]) -> None:
    """Fail if a text tells what it must not."""
    assert tokens
    assert not leaks(shown.encode(), {SECRET, *tokens})


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


UNDER_JOURNAL = """
import os, sys
from tcbsync.cli import journal
from tcbsync.cli.main import main
journal.send.__defaults__ = (sys.argv[1],)
status = os.fstat(2)
os.environ["JOURNAL_STREAM"] = f"{status.st_dev}:{status.st_ino}"
sys.exit(main(sys.argv[2:]))
"""
"""A daemon whose standard error is the journal's stream, as systemd would have it."""


@pytest.mark.parametrize("form", ["text", "json", "journal"])
def test_the_daemons_log_keeps_secrets(stage: Stage, form: str) -> None:
    """A daemon at its most talkative, through trouble and a new token, logs no secret and no token, in any form."""
    stage.cloud.install(*TROUBLES)
    stage.write(**{f"f{number}": "x" * number for number in range(8)}, bad="bad")
    log = stage.config.with_name("verbose.log")
    socket = stage.config.with_name("socket")
    start = ["-c", UNDER_JOURNAL, str(socket)] if form == "journal" else ["-m", "tcbsync"]
    asked = "auto" if form == "journal" else form
    command = [sys.executable, *start, "run", "--verbose", "--log-format", asked, "-c", str(stage.config)]
    tokens: set[str] = set()
    with (
        Journald(socket) as journald,
        journald.gathering() as entries,
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

    shown = log.read_text("utf-8") + "".join(map(repr, entries)) + b"".join(entries).decode()
    assert bool(entries) == (form == "journal")
    assert "bad.txt: invalid arguments [40097]" in shown
    assert_hushed(shown, tokens)


def test_the_state_directory_keeps_secrets(stage: Stage) -> None:
    """Nothing that is left on the disk holds the secret or a token."""
    stage.write(a="a", bad="bad")
    stage.cloud.install(*TROUBLES)
    stage.run("sync")

    shown = "".join(path.read_bytes().decode("latin-1") for path in stage.state_dir.rglob("*") if path.is_file())

    assert_hushed(shown, issued(stage))


CLOSED = "http://127.0.0.1:9"
CREDENTIALS: dict[str, dict[str, object]] = {
    "a command that fails": {"token_command": ["sh", "-c", f"echo '{TOKEN}'; exit 3"]},
    "a command that is not there": {"token_command": ["/no/such/command", TOKEN]},
    "a command that prints half": {"token_command": ["echo", f'{{"access_token": "{TOKEN}"']},
    "a file that is not there": {"token_file": "/no/such/file"},
    "a file that is no text": {"token_file": "/bin/true"},
    "a server that is not there": {"token_url": f"{CLOSED}/token?key={PASSWORD}"},
    "a server of another kind": {"token_url": f"{{cloud}}/cgi-bin/token?secret={PASSWORD}"},
    "an address that is none": {"token_url": f"http://[::1/{PASSWORD}"},
    "a secret where its name belongs": {"appid": "wx-test", "secret_env": "0123456789abcdef" * 2},
    "a secret that is a number": {"appid": "wx-test", "secret": 123456789012345678901234567890},
    "a secret that is a list": {"appid": "wx-test", "secret": [PASSWORD]},
    "two sources": {"appid": "wx-test", "secret": PASSWORD, "token_url": f"{CLOSED}/?key={PASSWORD}"},
}
SERVICE: dict[str, dict[str, object]] = {
    "nobody listens": {"api_base": CLOSED},
    "no such host": {"api_base": "http://no-such-host.invalid"},
    "no TLS": {"api_base": "https://{host}"},
    "a dead proxy": {"proxy": f"http://user:{PASSWORD}@127.0.0.1:9"},
    "a proxy that is the cloud": {"proxy": f"http://user:{PASSWORD}@{{host}}"},
    "TLS through a proxy that is none": {
        "api_base": "https://api.weixin.qq.com",
        "proxy": f"http://user:{PASSWORD}@{{host}}",
    },
    "a proxy that is no address": {"proxy": f"http://user:{PASSWORD}@a b"},
    "a login in the address": {"api_base": f"http://user:{PASSWORD}@127.0.0.1:9"},
}
ANSWERS = {
    "HTML": Fault(call="token", kind="http", status=200, body="html"),
    "a redirect": Fault(call="token", kind="http", status=302, headers={"Location": f"http://h/?access_token={TOKEN}"}),
    "half of it": Fault(call="token", kind="cut_json"),
    "an echo": Fault(call="token", kind="errcode", errcode=40125, errmsg=f"secret {TOKEN}"),
    "no answer": Fault(call="token", kind="cut_amid"),
}


def talkative(stage: Stage, verb: str) -> Result:
    """Run a verb with all logs, asyncio's debug mode and every warning, with a secret that has to be quoted."""
    command = [sys.executable, "-X", "dev", *stage.command(verb, "--verbose")[1:]]
    surroundings = environment(**{SECRET_VARIABLE: f"{PASSWORD}"})
    done = subprocess.run(command, capture_output=True, text=True, env=surroundings, timeout=100, check=False)
    return Result(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("name", [*CREDENTIALS, *SERVICE, *ANSWERS])
def test_what_keeps_it_from_starting_tells_no_secret(stage: Stage, name: str) -> None:
    """Wrong credentials, wires and answers: `check` says what is wrong, and neither secret, token nor password."""
    places = {"cloud": stage.cloud.url, "host": stage.cloud.url.removeprefix("http://")}
    credentials, service = filled(CREDENTIALS.get(name), places), filled(SERVICE.get(name), places)
    stage.configure(**({"credentials": credentials} if credentials else {}), service=service)
    stage.cloud.install(*([ANSWERS[name]] if name in ANSWERS else []))
    stage.write(a="a")

    result = talkative(stage, "check")

    said = (result.out + result.err).encode()
    assert result.code != 0
    assert "WRONG credentials: " in result.out or "WRONG configuration: " in result.out
    assert not leaks(said + every_byte(stage.state_dir), {PASSWORD, TOKEN, "0123456789abcdef", "12345678901234567890"})


def filled(options: dict[str, object] | None, places: dict[str, str]) -> dict[str, object]:
    """Put the cloud's address where it belongs."""
    return {
        name: value.replace("{cloud}", places["cloud"]).replace("{host}", places["host"])
        if isinstance(value, str)
        else value
        for name, value in (options or {}).items()
    }
