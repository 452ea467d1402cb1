"""The README is true, in both languages: its tour runs as it stands, what it names exists, and neither says less."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tcbsync.cli import exits
from tcbsync.cli.main import parser

HOUSE = Path(__file__).parent.parent
README = (HOUSE / "README.md").read_text("utf-8")
CHINESE = (HOUSE / "README.zh-CN.md").read_text("utf-8")
BOTH = pytest.mark.parametrize("text", [README, CHINESE], ids=["English", "Chinese"])
(VERBS,) = (frozenset(action.choices) for action in parser()._actions if action.choices)
ROOMS = frozenset(place.parent.name for place in (HOUSE / "tcbsync").glob("*/__init__.py"))
FUNCTIONS = frozenset({"reconcile"})
"""Words of the house table that are no modules."""
PROSE = frozenset({"is", "home", "tcbsync", "beside"})
"""Words of the text that follow the program's name and are none of its verbs."""


def blocks(text: str) -> list[str]:
    """Give the code blocks of a README, as they stand."""
    return re.findall(r"^```.*?^```$", text, re.DOTALL | re.MULTILINE)


def told(text: str) -> str:
    """Give a README without its code blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def words(text: str) -> list[str]:
    """Give what stands in backquotes, in whatever order a language has it."""
    return sorted(" ".join(word.split()) for word in re.findall(r"`([^`]+)`", text))


def table_rows(text: str) -> list[list[str]]:
    """Give for each row of each table, in order, what stands in backquotes in it."""
    return [words(line) for line in told(text).splitlines() if line.startswith("|")]


def headings(text: str) -> list[str]:
    """Give the headings with their depth."""
    return re.findall(r"^#+ .*", told(text), re.MULTILINE)


def verbs(text: str) -> set[str]:
    """Give the verbs that a README names, and whatever else stands where a verb would."""
    return set(re.findall(r"tcbsync ([a-z]+)\b", text)) - PROSE


def exit_codes(text: str) -> list[int]:
    """Give the exit codes that the paragraph about them names."""
    (paragraph,) = [each for each in told(text).split("\n\n") if " · 75 " in each]
    return [int(code) for code in re.findall(r"(?:^\D*|· )(\d+) ", paragraph)]


def anchor(heading: str) -> str:
    """Give the name by which a page links to a heading: GitHub's rule."""
    return re.sub(r"[^\w -]", "", heading.lstrip("# ").lower()).replace(" ", "-")


def free_port() -> int:
    """Give a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.slow
def test_the_tour_runs_as_it_stands(tmp_path: Path) -> None:
    """Pasted into a shell, it mirrors a folder, syncs again without a request, and mirrors a live change."""
    (tour,) = re.findall(r"```sh tour\n(.*?)```", README, re.DOTALL)
    commands = tmp_path / "commands"
    commands.mkdir()
    command = commands / "tcbsync"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m tcbsync "$@"\n')
    command.chmod(0o755)
    script = tour.replace("127.0.0.1:8070", f"127.0.0.1:{free_port()}").replace("./objects &", "./objects & sleep 3")
    script = f"set -e\ntrap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n{script}"
    environment = os.environ | {"PATH": f"{commands}:{os.environ['PATH']}", "PYTHONPATH": str(HOUSE)}

    result = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100, check=False
    )

    assert result.returncode == 0, result.stdout + result.stderr
    assert "site: 3 files uploaded" in result.stdout
    assert "site: nothing to do, 3 files in the cloud" in result.stdout
    assert "3 files as they should be" in result.stdout
    assert "site: in sync" in result.stdout
    assert result.stdout.rstrip().endswith("hello again")


@BOTH
def test_every_verb_that_is_named_exists(text: str) -> None:
    """`tcbsync VERB` in a README is a verb of the command line."""
    named = verbs(text)

    unknown = named - VERBS

    assert named
    assert not unknown


@BOTH
def test_every_make_target_that_is_named_exists(text: str) -> None:
    """`make TARGET` in a README is a target of the Makefile."""
    named = set(re.findall(r"^make ([a-z]+)", text, re.MULTILINE))

    targets = set(re.findall(r"^([a-z]+):", (HOUSE / "Makefile").read_text("utf-8"), re.MULTILINE))

    assert named
    assert named <= targets


@BOTH
def test_every_file_that_is_named_exists(text: str) -> None:
    """A path in backquotes or in a link's target is a path of this tree."""
    rooms = re.findall(rf"`((?:{'|'.join(ROOMS)})/[a-z_]*(?:\.py)?)`", text)
    links = re.findall(r"\]\(([a-zA-Z][\w./-]*)\)", text)

    missing = [path for path in rooms if not (HOUSE / "tcbsync" / path).exists()]
    missing += [path for path in links if not (HOUSE / path).exists()]

    assert rooms
    assert links
    assert not missing


@BOTH
def test_the_house_table_is_that_of_the_house(text: str) -> None:
    """Each room of the package has its row there, and each module that a row names is one of that room."""
    table = dict(re.findall(r"^\| \d \| `([a-z]+)/` \| (.*) \|$", text, re.MULTILINE))
    modules = {f"{room}/{module}.py" for room, row in table.items() for module in set(words(row)) - FUNCTIONS}

    missing = [module for module in modules if not (HOUSE / "tcbsync" / module).exists()]

    assert table.keys() == ROOMS
    assert len(modules) > len(ROOMS)
    assert not missing


@BOTH
def test_every_link_within_the_page_leads_to_a_heading(text: str) -> None:
    """A link that begins with # is the name of a heading of the same README."""
    named = set(re.findall(r"\]\(#([^)]+)\)", text))

    anchors = {anchor(heading) for heading in headings(text)}

    assert named
    assert named <= anchors


def test_each_readme_leads_to_the_other() -> None:
    """Who reads the other language finds it at the top."""
    english, chinese = (text.splitlines()[:4] for text in (README, CHINESE))

    assert any("](README.zh-CN.md)" in line for line in english)
    assert any("](README.md)" in line for line in chinese)


def test_both_languages_have_the_same_code_blocks() -> None:
    """What is pasted is the same, byte for byte and in the same order."""
    english, chinese = blocks(README), blocks(CHINESE)

    assert len(english) > 1
    assert chinese == english


def test_both_languages_have_the_same_sections() -> None:
    """A heading of one README has its counterpart in the other, as deep and in the same place."""
    english, chinese = ([heading.partition(" ")[0] for heading in headings(text)] for text in (README, CHINESE))

    assert len(english) > 1
    assert chinese == english


def test_both_languages_name_the_same_verbs_and_words() -> None:
    """Section by section, all that stands in backquotes in the English README is in the Chinese one as it is."""
    english, chinese = (re.split(r"^#+ .*", told(text), flags=re.MULTILINE) for text in (README, CHINESE))

    missing = [set(words(one)) - set(words(other)) for one, other in zip(english, chinese, strict=True)]

    assert verbs(CHINESE) & VERBS == verbs(README) & VERBS
    assert not any(missing), missing


def test_both_languages_have_the_same_tables() -> None:
    """Row by row, the states, commands, messages and options of a table are the same."""
    english, chinese = table_rows(README), table_rows(CHINESE)

    assert len(english) > 1
    assert chinese == english


@BOTH
def test_the_exit_codes_are_the_documented_ones(text: str) -> None:
    """The line of exit codes names each code of the program, and no other."""
    named = exit_codes(text)

    assert named == sorted({exits.USAGE, *exits.URGENCY})
