"""The command line as a whole: usage, help texts, exit codes of errors, and what is printed when things go wrong."""

from __future__ import annotations

import argparse
import io
import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tcbsync import __version__
from tcbsync.cli import exits, flush
from tcbsync.cli.main import main, parser
from tcbsync.core.errors import ConfigError, Misconfigured, NoAnswer, RateLimited, StateError, TcbsyncError
from tests.cli.stage import SECRET_VARIABLE, environment

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.stage import Stage

(VERBS,) = (action for action in parser()._actions if isinstance(action, argparse._SubParsersAction))
REPORTING = [
    *("sync", "plan", "status", "failed", "held", "url", "retry", "approve", "check", "verify"),
    *("reload", "pause", "resume", "rescan", "flush", "explain", "events", "forget"),
]
CONTRACT = {"run", *REPORTING, "manifest", "emulator", "demo"}
CONTRACT |= {"completion", "init"}


def test_the_verbs_are_those_of_the_contract() -> None:
    """No verb is missing, and none is there that nobody agreed on."""
    verbs = set(VERBS.choices)

    assert verbs == CONTRACT


@pytest.mark.parametrize("verb", sorted(CONTRACT))
def test_every_help_text_teaches(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`VERB --help` ends with 0, says in sentences what the verb does, and what every option of it means."""
    with pytest.raises(SystemExit) as caught:
        main([verb, "--help"])

    shown = " ".join(capsys.readouterr().out.split())
    described = VERBS.choices[verb]
    assert caught.value.code == exits.DONE
    assert len(described.description.split()) >= 12
    assert " ".join(described.description.split())[:60] in shown
    for action in described._actions:
        assert action.help or action.metavar in ("MIRROR", "PATH"), action.dest


def test_the_help_of_flush_names_every_code() -> None:
    """A build script goes by them: whatever keeps files from being proved ends with a code that its help explains."""
    states = ("offline", "paused", "blocked", "full")
    results = [{"why": why, "service": state} for why in ("", "not_mirrored", *flush.WHY) for state in states]

    described = re.findall(r"(\d+): ", VERBS.choices["flush"].description)

    assert sorted(map(int, described)) == sorted({flush._code(result) for result in results})


def test_the_help_of_all_names_every_verb_and_code(capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` alone lists each verb with a line, where the configuration is looked for, and every exit code."""
    with pytest.raises(SystemExit) as caught:
        main(["--help"])

    shown = capsys.readouterr().out
    assert caught.value.code == exits.DONE
    for verb in CONTRACT:
        assert re.search(rf"^    {verb}  +[A-Z]\w+", shown, re.MULTILINE), verb
    assert all(f"{code} " in shown for code in (0, 1, 2, 3, 4, 75, 78))
    assert "$TCBSYNC_CONFIG, ./config.yaml, /etc/tcbsync/config.yaml" in shown


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` prints it."""
    with pytest.raises(SystemExit):
        main(["--version"])

    assert capsys.readouterr().out == f"tcbsync {__version__}\n"


@pytest.mark.parametrize("verb", REPORTING)
def test_every_verb_that_reports_takes_json(verb: str) -> None:
    """Scripts need not learn which verb can and which cannot."""
    options = [option for action in VERBS.choices[verb]._actions for option in action.option_strings]

    assert "--json" in options


USAGE = {
    "no verb": [],
    "an unknown verb": ["synch"],
    "an unknown option": ["sync", "--fast"],
    "approve without a mirror": ["approve"],
    "url without a path": ["url"],
    "emulator without a folder": ["emulator"],
}


@pytest.mark.parametrize("name", USAGE)
def test_wrong_usage(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 2 with the usage, on standard error."""
    with pytest.raises(SystemExit) as caught:
        main(USAGE[name])

    written = capsys.readouterr()
    assert (caught.value.code, written.out) == (exits.USAGE, "")
    assert written.err.startswith("usage: tcbsync")


CODES = [
    (ConfigError("x"), exits.CONFIG),
    (StateError("x"), exits.FAILED),
    (NoAnswer("x"), exits.UNREACHABLE),
    (RateLimited("x"), exits.UNREACHABLE),
    (Misconfigured("x", code="40125"), exits.CONFIG),
    (Misconfigured("x", code="40013"), exits.CONFIG),
    (Misconfigured("x", code="40001"), exits.CONFIG),
    (Misconfigured("x", code="-501005"), exits.FAILED),
    (TcbsyncError("x"), exits.FAILED),
]


@pytest.mark.parametrize(("error", "code"), CODES, ids=lambda value: repr(value).replace("'", ""))
def test_each_error_has_its_code(error: TcbsyncError, code: int) -> None:
    """The class of an error, and for wrong credentials its code, decides how the process ends."""
    assert exits.code_of(error) == code


def test_no_configuration(tmp_path: Path) -> None:
    """Exit 78 where none is found, with where it was looked for."""
    command = [sys.executable, "-m", "tcbsync", "status"]

    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, encoding="utf-8", check=False)

    assert done.returncode == exits.CONFIG
    assert done.stderr.startswith(
        "tcbsync: no configuration: neither config.yaml nor /etc/tcbsync/config.yaml is there"
    )


def test_the_configuration_is_found_by_itself(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without -c, $TCBSYNC_CONFIG names it, or it lies in the current folder."""
    stage.write(a="a")
    monkeypatch.setenv("TCBSYNC_CONFIG", str(stage.config))

    named = main(["sync"])
    monkeypatch.delenv("TCBSYNC_CONFIG")
    monkeypatch.chdir(stage.config.parent)
    here = main(["status"])

    assert (named, here) == (exits.DONE, exits.DONE)
    assert stage.objects() == {"a.txt": b"a"}


def test_warnings_come_on_standard_error(stage: Stage) -> None:
    """What should be mended is told with every verb, and leaves the report alone."""
    stage.configure(credentials={"appid": "wx-test", "secret": "hush"})
    stage.config.chmod(0o644)

    result = stage.run("status", "--json")

    assert result.json["mirrors"]
    written_out, open_to_all = result.err.splitlines()
    assert written_out.startswith(f"tcbsync: warning: {stage.config}: credentials.secret is written out; ")
    assert open_to_all.startswith(f"tcbsync: warning: {stage.config} holds the secret, and everybody ")


def test_a_mistake_cannot_steer_the_terminal(stage: Stage) -> None:
    """A key with an escape sequence in it is shown escaped."""
    stage.config.write_text('"\\e[2J": 1\n', "utf-8")

    result = stage.run("status")

    assert r"\x1b[2J: unknown key" in result.err
    assert all(line.isprintable() for line in result.err.splitlines())


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "gbk"])
def test_a_terminal_that_lacks_letters(stage: Stage, encoding: str) -> None:
    """Where a name cannot be written in the terminal's encoding it is escaped, in plain text and as true JSON."""
    name = "\u6587\u4ef6 caf\u00e9 \U0001f600.txt"
    (stage.root / name).write_text("x", "utf-8")
    variables = environment(PYTHONIOENCODING=encoding)

    plain, as_json = (
        subprocess.run(stage.command("plan", *more), env=variables, capture_output=True, check=False)
        for more in ((), ("--json",))
    )

    assert (plain.returncode, as_json.returncode) == (exits.DONE, exits.DONE)
    assert plain.stdout.startswith(b"upload ")
    assert json.loads(as_json.stdout.decode(encoding))["mirrors"][0]["uploads"] == [{"path": name, "bytes": 1}]


def test_output_that_is_closed(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A verb whose standard output is closed does its work all the same."""
    stage.write(a="a")
    monkeypatch.setattr(sys, "stdout", None)

    code = main(["sync", "-c", str(stage.config)])

    assert code == exits.DONE
    assert stage.objects() == {"a.txt": b"a"}


def test_output_that_is_no_file(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever calls it from Python may put anything that has `write` in the place of standard output."""
    stage.write(a="a")
    output = io.StringIO()
    monkeypatch.setattr(sys, "stdout", output)

    main(["plan", "-c", str(stage.config)])

    assert output.getvalue().startswith("upload   a.txt")


def test_a_secret_that_is_missing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 78 with the name of the variable, for every verb that needs the secret; the others do without."""
    monkeypatch.delenv(SECRET_VARIABLE)

    codes = {verb: stage.run(verb).code for verb in ("sync", "verify", "status", "plan", "failed", "held", "retry")}

    assert codes == {
        "sync": exits.CONFIG,
        "verify": exits.CONFIG,
        "status": exits.DONE,
        "plan": exits.DONE,
        "failed": exits.DONE,
        "held": exits.DONE,
        "retry": exits.DONE,
    }
