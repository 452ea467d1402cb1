"""`emulator`: the stand-in cloud as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from tcbsync.cli import exits
from tcbsync.cli.main import main
from tests.cli.stage import environment

if TYPE_CHECKING:
    from pathlib import Path


def post(url: str, **body: str) -> dict[str, Any]:
    """Send JSON, and give the JSON that comes back."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_it_says_where_it_listens_and_ends_on_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    """The first line holds the address, at once, also in a pipe; a signal ends it with 0."""
    command = [sys.executable, "-m", "tcbsync", "emulator", "--listen", "127.0.0.1:0", "--data", str(tmp_path)]
    faults = tmp_path / "faults.json"
    faults.write_text('[{"call": "token", "kind": "errcode", "errcode": 45009, "count": 1}]')
    command += ["--secret", "right", "--faults", str(faults)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8", env=environment())
    assert process.stdout is not None

    line = process.stdout.readline()
    url = line.removeprefix("the emulator listens on ").partition(";")[0] + "/cgi-bin/stable_token"
    asked = {"grant_type": "client_credential", "appid": "wx-test"}
    answers = [post(url, **asked, secret=secret) for secret in ("right", "wrong", "right")]
    process.send_signal(number)

    assert process.wait(30) == exits.DONE
    process.stdout.close()
    assert line.endswith(f"; objects lie in {tmp_path}\n")
    assert answers[0]["errcode"] == 45009
    assert answers[1]["errcode"] in (40001, 40125)
    assert answers[2]["access_token"]


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--listen", "8070"),
        ("--listen", "127.0.0.1:http"),
        ("--listen", "127.0.0.1:99999"),
        ("--latency", "-1"),
        ("--latency", "slow"),
        ("--latency", "nan"),
        ("--at-once", "0"),
        ("--at-once", "many"),
    ],
)
def test_what_it_cannot_be_told(option: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 2 for an address, a latency or a number that is none."""
    with pytest.raises(SystemExit) as caught:
        main(["emulator", "--data", str(tmp_path), option, text])

    assert caught.value.code == exits.USAGE
    assert f"{text!r} is" in capsys.readouterr().err


def test_a_port_that_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 1 with the address, where somebody else listens already."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"

        code = main(["emulator", "--data", str(tmp_path / "data"), "--listen", address])

    shown = capsys.readouterr().err
    assert code == exits.FAILED
    assert shown.startswith(f"tcbsync: the emulator cannot serve on {address} from {tmp_path}/data: ")
    assert os.strerror(98).lower() in shown.lower()


def test_a_folder_that_is_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 1 where objects cannot lie."""
    data = tmp_path / "data"
    data.write_text("a file")

    code = main(["emulator", "--data", str(data), "--listen", "127.0.0.1:0"])

    assert code == exits.FAILED
    assert f"cannot serve on 127.0.0.1:0 from {data}: " in capsys.readouterr().err


@pytest.mark.parametrize("text", ["{", "{}", '[{"call": "tokens", "kind": "errcode"}]', '[{"kind": "errcode"}]'])
def test_faults_that_are_none(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 78 for a file of faults that cannot be read, with its name."""
    faults = tmp_path / "faults.json"
    faults.write_text(text)

    code = main(["emulator", "--data", str(tmp_path / "data"), "--faults", str(faults)])

    assert code == exits.CONFIG
    assert f"the faults in {faults} cannot be read: " in capsys.readouterr().err
