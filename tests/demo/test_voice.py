"""How it looks: columns, no colour where none is wanted, and nothing that could steer a terminal."""

from __future__ import annotations

import io

import pytest

from tcbsync.core.words import printable
from tcbsync.demo.compare import File, Tree
from tcbsync.demo.stage import Proof
from tcbsync.demo.voice import SHOWN, Voice


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.fixture(autouse=True)
def _colour_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)


def tell(stream: io.StringIO) -> str:
    """Say one of everything."""
    voice = Voice(stream)
    tree = Tree({"a": File("/a", (1_234_567, 0, 0, 1))})
    voice.title("title")
    voice.facts(folder="/srv", service="http://127.0.0.1:1")
    voice.step("do something")
    voice.equal(Proof(tree, 0.25, 1, 0))
    voice.note("a note")
    voice.trouble("trouble")
    voice.listing([("a", "only on disk"), ("longer", "other bytes")])
    return stream.getvalue()


def test_lines_are_aligned() -> None:
    """Every line has its place, and columns stand under one another."""
    stream = io.StringIO()

    told = tell(stream)

    assert told.splitlines() == [
        "title",
        "  folder    /srv",
        "  service   http://127.0.0.1:1",
        "",
        " 1  do something",
        "    equal after  0.25 s      1 files    1,234,567 bytes      1 sent      0 gone",
        "    a note",
        "    trouble",
        "      a       only on disk",
        "      longer  other bytes",
    ]


@pytest.mark.parametrize(
    ("stream", "no_color", "has_colour"),
    [
        pytest.param(Terminal(), None, True, id="terminal"),
        pytest.param(Terminal(), "", True, id="terminal, NO_COLOR empty"),
        pytest.param(Terminal(), "1", False, id="terminal, NO_COLOR"),
        pytest.param(io.StringIO(), None, False, id="file"),
    ],
)
def test_colour(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, no_color: str | None, *, has_colour: bool
) -> None:
    """Colour is for terminals whose owner did not forbid it; the words are the same with and without."""
    if no_color is not None:
        monkeypatch.setenv("NO_COLOR", no_color)

    told = tell(stream)

    assert ("\x1b[" in told) is has_colour


def test_stream_that_cannot_say_it() -> None:
    """A name that the terminal's encoding does not have is escaped; nothing is raised."""
    raw = io.BytesIO()

    with io.TextIOWrapper(raw, encoding="ascii") as stream:
        Voice(stream).say("说明.txt")
        written = raw.getvalue()

    assert written == b"\\u8bf4\\u660e.txt\n"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plain 说明.txt", "plain 说明.txt"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("new\nline", "new\\nline"),
        ("\udcff", "\\udcff"),
    ],
)
def test_printable(name: str, shown: str) -> None:
    """What is no text, or would steer the terminal, is escaped."""
    given = printable(name)

    assert given == shown


def test_long_list() -> None:
    """Of a long list the first dozen are shown, and the rest is counted."""
    stream = io.StringIO()

    Voice(stream).listing([(f"{number:04}", "only on disk") for number in range(1000)])

    assert stream.getvalue().splitlines()[SHOWN - 1 :] == ["      0011  only on disk", "      and 988 more"]


def test_sights() -> None:
    """Each place has its name once; a long line is folded under itself, and a place without lines is passed over."""
    stream = io.StringIO()

    Voice(stream).sights(
        {"status": ["In sync."], "log": [], "systemd": ["site: in_sync", f"  {'word ' * 30}".rstrip()]}
    )

    assert stream.getvalue().splitlines() == [
        "       status    In sync.",
        "       systemd   site: in_sync",
        f"                   {'word ' * 21}".rstrip(),
        f"                     {'word ' * 9}".rstrip(),
    ]
