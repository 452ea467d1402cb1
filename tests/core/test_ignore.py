"""Ignore rules mean what they mean to git. Where git is there, it is asked about every case."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcbsync.core.ignore import DEFAULTS, Rules, rule_problem

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Case:
    """Some rules, one file, and whether it is ignored."""

    description: str
    rules: list[str]
    path: str
    is_ignored: bool


def cases(description: str, rules: list[str], *, ignored: str = "", kept: str = "") -> list[Case]:
    """Return a case for each of the paths, which spaces part."""
    return [
        Case(f"{description}: {path}", rules, path, path in ignored.split()) for path in (ignored + " " + kept).split()
    ]


CASES = [
    *cases("a name matches anywhere", ["foo"], ignored="foo d/foo d/e/foo foo/a d/foo/a", kept="foobar d/afoo Foo"),
    *cases("a slash first anchors", ["/foo"], ignored="foo foo/a", kept="d/foo"),
    *cases("a slash in the middle anchors", ["d/foo"], ignored="d/foo d/foo/a", kept="foo e/d/foo"),
    *cases("a slash last wants a directory", ["foo/"], ignored="foo/a d/foo/a", kept="foo d/foo"),
    *cases("anchored and a directory", ["/d/foo/"], ignored="d/foo/a", kept="d/foo foo/a e/d/foo/a"),
    *cases("a star stops at slashes", ["*.psd"], ignored="a.psd d/a.psd .psd a.psd/b", kept="a.psd.png"),
    *cases("a star before a slash may be nothing", ["a*/b"], ignored="a/b ax/b", kept="ax/d/b b"),
    *cases("a star in an anchored rule", ["d/*.psd"], ignored="d/a.psd", kept="a.psd d/e/a.psd"),
    *cases("everything in a directory", ["d/*"], ignored="d/a d/e/b", kept="a e/d/a"),
    *cases("a question mark is one character", ["?.txt"], ignored="a.txt d/b.txt", kept="ab.txt .txt"),
    *cases("a range", ["[a-c].txt"], ignored="b.txt", kept="d.txt B.txt"),
    *cases("a negated range", ["[!a-c].txt"], ignored="d.txt", kept="b.txt"),
    *cases("a negated range is one name", ["a[!b]c"], ignored="axc d/axc", kept="a/c abc"),
    *cases("a range around a slash", ["a[+-9]c"], ignored="a.c a0c", kept="a/c"),
    *cases("a range in a longer rule", ["a*[b-d]/e[!f]"], ignored="ab/eg axc/ee", kept="a/b/eg ab/e/g a/eg"),
    *cases("a bracket in brackets", ["a[[]b", "[]]c"], ignored="a[b d/]c", kept="ab a[[]b"),
    *cases("a bracket that is escaped is none", ["\\[!a]c"], ignored="[!a]c", kept="xc a/c"),
    *cases("two stars first", ["**/foo"], ignored="foo d/foo d/e/foo foo/a", kept="afoo"),
    *cases("two stars last", ["foo/**"], ignored="foo/a foo/d/b", kept="foo d/foo/a"),
    *cases("two stars last want what is inside", ["foo/**", "!foo/keep"], ignored="foo/a foo/d/keep", kept="foo/keep"),
    *cases("two stars in the middle", ["d/**/foo"], ignored="d/foo d/e/foo d/e/f/foo", kept="foo e/d/foo"),
    *cases("two stars and no slash are one", ["a**b"], ignored="ab axb d/axxb", kept="a/b"),
    *cases("a later rule wins", ["*.log", "!keep.log"], ignored="a.log d/b.log", kept="keep.log d/keep.log"),
    *cases("and the one after that", ["*.log", "!keep.log", "/keep.log"], ignored="keep.log", kept="d/keep.log"),
    *cases("nothing comes back from an ignored directory", ["d/", "!d/keep"], ignored="d/keep d/a"),
    *cases("nor by a name alone", ["d", "!keep"], ignored="d/keep d/e/keep", kept="keep"),
    *cases("a directory comes back with all in it", ["d/", "!d/"], kept="d/a d/e/b"),
    *cases("what was ignored by name comes back by kind", ["d", "!d/"], ignored="d", kept="d/a"),
    *cases("all but one directory", ["/*", "!/keep/"], ignored="a d/b d/keep/c", kept="keep/a keep/d/b"),
    *cases("all but one part of a directory", ["d/*", "!d/keep/"], ignored="d/a d/e/b", kept="d/keep/a d/keep/e/b a"),
    *cases("all but the pictures of the root", ["*", "!*.png"], ignored="a.txt d/a.png", kept="a.png"),
    *cases(
        "all but the pictures",
        ["*", "!*/", "!*.png"],
        ignored="a.txt d/a.txt d/e/a.txt",
        kept="a.png d/a.png d/e/a.png",
    ),
    *cases(
        "all but the texts beneath a directory",
        ["logs/**", "!logs/**/", "!logs/**/*.txt"],
        ignored="logs/a logs/d/b",
        kept="logs/a.txt logs/d/e/b.txt a",
    ),
    *cases("an empty line and a comment are no rules", ["", "# a", "   "], kept="a #"),
    *cases("an escaped hash is a name", ["\\#a"], ignored="#a", kept="a"),
    *cases("an escaped exclamation mark is a name", ["\\!a"], ignored="!a", kept="a"),
    *cases("spaces at the end do not count", ["a  "], ignored="a"),
    *cases("nor do those behind the last slash", ["a/  "], ignored="a/b", kept="a"),
    *cases("a hidden file is a file", [".*"], ignored=".a d/.a .d/b", kept="a d/b.c"),
    *cases("braces are nothing special", ["{a,b}"], ignored="{a,b}", kept="a b"),
    *cases("a dot is a dot", ["a.b"], ignored="a.b", kept="axb"),
    *cases("a step is no part of a path", ["./a"], kept="a"),
    *cases("Chinese", ["图片/", "*.封面"], ignored="图片/a a.封面", kept="图片 封面"),
    *cases("a slash alone is nothing", ["/", "//"], kept="a d/b"),
    *cases("a bracket that is never closed is nothing", ["[a"], kept="a [a"),
    *cases("a range that runs backwards is nothing", ["[z-a]"], kept="a b"),
    *cases("a negation of nothing is nothing", ["!"], kept="a !"),
    Case("a space that is escaped counts", ["a\\ "], "a ", is_ignored=True),
    Case("a space before the last slash counts", ["a /"], "a /b", is_ignored=True),
    Case("a name without the space before the last slash", ["a /"], "a/b", is_ignored=False),
    Case("a space within a name", ["a b"], "d/a b", is_ignored=True),
]


def is_ignored(rules: Rules, path: str) -> bool:
    """Whether a file is ignored, by itself or by a directory above it."""
    return rules.ignores_below(path) or rules.ignores(path)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.description)
def test_rules(case: Case) -> None:
    """A file is ignored if the last rule that speaks of it, or of a directory above it, says so."""
    rules = Rules(case.rules)

    assert is_ignored(rules, case.path) is case.is_ignored


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an empty repository; skip where there is no git."""
    if shutil.which("git") is None:
        pytest.skip("needs git")
    root = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "-C", str(root), "init", "--quiet"], check=True, capture_output=True)
    return root


@pytest.mark.parametrize("rules", {"\n".join(case.rules): None for case in CASES}, ids=ascii)
def test_git_says_so_too(rules: str, repository: Path) -> None:
    """The table above is git's own, not our reading of it."""
    mine = [case for case in CASES if "\n".join(case.rules) == rules]

    answer = ignored_by_git(repository, rules, [case.path for case in mine])

    assert answer == {case.path for case in mine if case.is_ignored}


def ignored_by_git(repository: Path, rules: str, paths: list[str]) -> set[str]:
    """Ask git which of the paths these rules ignore."""
    (repository / ".git" / "info" / "exclude").write_text(rules + "\n", encoding="utf-8")
    answer = subprocess.run(
        ["git", "-C", str(repository), "-c", "core.excludesFile=", "check-ignore", "--no-index", "--stdin", "-z"],
        input="".join(f"{path}\0" for path in paths),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (answer.returncode in {0, 1}, answer.stderr) == (True, "")
    return set(answer.stdout.split("\0")[:-1])


PIECES = st.sampled_from(["a", "b", "ab", "*", "**", "?", "/", "/", "!", "[ab]", "[!a]", "#", "\\", " ", "."])
TWO_STARS = re.compile(r"[^/]\*\*")
"""Behind anything but a slash, older gits compare unrelated pointers for them, and answer by chance."""
RULE = (
    st.lists(PIECES, max_size=5)
    .map("".join)
    .filter(lambda rule: not TWO_STARS.search(rule) and rule_problem(rule) is None)
)
WAYS = [f"{above}{name}" for above in ("", "a/", "b/", "a/b/", "ab/a/") for name in ("a", "b", "ab", ".a", "#", "!a")]


@given(st.lists(RULE, max_size=4))
def test_git_says_so_of_any_rules(repository: Path, rules: list[str]) -> None:
    """Rules that nobody would write mean what they mean to git, too, or are told of as mistakes."""
    ours = Rules(rules)

    theirs = ignored_by_git(repository, "\n".join(rules), WAYS)

    assert {path for path in WAYS if is_ignored(ours, path)} == theirs


def test_a_question_mark_is_a_character() -> None:
    """To git it is a byte; names here are text."""
    rules = Rules(["?.txt"])

    assert rules.ignores("é.txt")
    assert not rules.ignores("éé.txt")


def test_a_directory_is_asked_about_as_one() -> None:
    """A rule that ends in a slash ignores a directory of that name, and no file."""
    rules = Rules(["foo/"])

    assert rules.ignores("d/foo", is_directory=True)
    assert not rules.ignores("d/foo")


def test_what_lies_in_an_ignored_directory_is_not_ignored_by_itself() -> None:
    """Whoever walks stops at the directory; whoever asks about a single path asks about those above it, too."""
    rules = Rules(["d"])

    assert not rules.ignores("d/a")
    assert rules.ignores_below("d/a")
    assert not rules.ignores_below("d")


def test_later_layers_win() -> None:
    """The configuration speaks after the defaults, and the root's own file last."""
    assert is_ignored(Rules(DEFAULTS, [], []), "a.tmp")
    assert not is_ignored(Rules(DEFAULTS, ["!*.tmp"], []), "a.tmp")
    assert is_ignored(Rules(DEFAULTS, ["!*.tmp"], ["a.tmp"]), "a.tmp")


DROPPINGS = [
    *(".DS_Store", "d/._a.png", "Thumbs.db", "desktop.ini", "$RECYCLE.BIN/a", "lost+found/a", "@eaDir/a"),
    *("a.png~", "d/.a.swp", ".a.png.swx", "4913", ".#a", "#a#", "a.tmp", ".~lock.a.odt#", "~$a.docx"),
    *("a.crdownload", "a.part", "d/a.partial", ".goutputstream-A1B2C3", ".git/config", "d/.git/HEAD", ".svn/entries"),
    *(".AppleDouble/a", ".Spotlight-V100/a", ".Trashes/a", ".fseventsd/a", "ehthumbs.db", "d/.directory", "a.swp"),
    *("System Volume Information/a", "#recycle/a", ".snapshot/a", "d/a.kate-swp"),
    *(".fuse_hidden0001", ".nfs0001", ".Trash-1000/files/a", "._a", ".hg/store"),
]
ASSETS = [
    *("a.png", "d/a.tmpl", ".well-known/security.txt", "49130", "d/4913.png", ".gitignore", ".github/a", "a~b"),
    *("#a", "a#", "temp/a", "tmp/a", "apart", "party.part.png", "a.swf", "~a", "$a"),
]


@pytest.mark.parametrize("path", DROPPINGS)
def test_droppings_are_ignored(path: str) -> None:
    """What editors, systems and downloads leave behind does not go into the cloud."""
    assert is_ignored(Rules(DEFAULTS), path)


@pytest.mark.parametrize("path", ASSETS)
def test_assets_are_not(path: str) -> None:
    """Names that only resemble droppings are files like others."""
    assert not is_ignored(Rules(DEFAULTS), path)


@pytest.mark.parametrize("rules", [[], ["!.tcbignore"], ["!/.tcbignore"], ["!*"], ["*", "!.*"]])
def test_the_file_of_rules_is_never_mirrored(rules: list[str]) -> None:
    """Whatever it says itself; one further below is a file like others."""
    everything = Rules(DEFAULTS, rules)

    assert everything.ignores(".tcbignore")
    assert not Rules(DEFAULTS).ignores("d/.tcbignore")


def test_rules_are_compared_in_composed_form() -> None:
    """A rule that was written on a system which decomposes names ignores what paths are called here."""
    rules = Rules(["caf\u0065\u0301/"])

    assert is_ignored(rules, "caf\u00e9/a")


def test_bytes_that_are_no_text_do_no_harm() -> None:
    """A line of the root's own file may be anything."""
    rules = Rules(["a\udcff", "*.psd"])

    assert rules.ignores("a\udcff")
    assert rules.ignores("a.psd")


def test_the_digest_tells_sets_of_rules_apart() -> None:
    """It changes with each rule and with their order, and with nothing else."""
    sets = [[], ["a"], ["b"], ["ab"], ["a", "b"], ["b", "a"], ["a", "!b"]]

    digests = [Rules(DEFAULTS, rules).digest for rules in sets]

    assert len(set(digests)) == len(sets)
    assert digests == [Rules(DEFAULTS, rules).digest for rules in sets]
    assert Rules(["a"], ["b"]).digest == Rules(["a", "b"]).digest


@pytest.mark.parametrize(
    "line", ["", "  ", "# comment", "a", "!a", "*.psd", "d/", "/", "a\\ ", "[a", "[a-z]", "a:b", "[:a]"]
)
def test_lines_that_may_be_written(line: str) -> None:
    """Rules, and what git passes over."""
    assert rule_problem(line) is None


@pytest.mark.parametrize("line", ["!", "\\", "a\\", "[z-a]", "[[:digit:]]", "*.[ch[:digit:]]"])
def test_lines_that_are_no_rules(line: str) -> None:
    """A mistake is told in words; in the root's own file it is passed over, as git does, and remembered."""
    rules = Rules(["*.psd", line])

    problem = rule_problem(line)

    assert problem
    assert rules.mistakes == (f"{line}: {problem}",)
    assert rules.ignores("a.psd")
    assert not rules.ignores("1")
