"""Says what should be in the cloud, from the disk alone; and what is wrong with what is there.

Rule: it shares no code with what it judges. Git says what is ignored.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import unicodedata
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

DEFAULT_RULES = ("*.tmp", "*~", ".git/")
"""As much of the program's own as the work has names for."""
MAX_KEY_BYTES = 850


class Row(NamedTuple):
    """As much of a manifest row as is judged."""

    path: str
    state: int
    digest: str | None
    was_sent: bool


def expected(root: Path, rules: tuple[str, ...], prefix: str) -> dict[str, bytes]:
    """Give every file that should be mirrored, by its path in the cloud."""
    found = {os.fsencode(path.relative_to(root)): path for path in _regular_files(root)}
    ignored = _ignored(root, list(found), rules)
    wanted = {}
    for raw, path in found.items():
        if raw not in ignored and (name := _cloud_path(raw, prefix)) is not None:
            assert name not in wanted, f"two names meet in {name!r}"
            wanted[name] = path.read_bytes()
    return wanted


def _regular_files(directory: Path) -> Iterator[Path]:
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _regular_files(directory / entry.name)
            elif stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
                yield directory / entry.name


def _cloud_path(raw: bytes, prefix: str) -> str | None:
    """Give the path in the cloud, or None for a name that it does not take."""
    try:
        path = unicodedata.normalize("NFC", raw.decode())
    except UnicodeDecodeError:
        return None
    is_refused = "\\" in path or "${filename}" in path or any("\x18" <= letter <= "\x1b" for letter in path)
    return None if is_refused or len((prefix + path).encode()) > MAX_KEY_BYTES else path


def _ignored(root: Path, paths: list[bytes], rules: tuple[str, ...]) -> set[bytes]:
    """Ask git which of the paths are ignored."""
    own = root / ".tcbignore"
    lines = [*DEFAULT_RULES, *rules, *(own.read_text().splitlines() if own.exists() else ()), "/.tcbignore"]
    scratch = root.with_name("oracle.git")
    if not scratch.exists():
        subprocess.run(["git", "init", "-q", "--bare", scratch], check=True)
    (scratch / "info" / "exclude").write_text("".join(f"{line}\n" for line in lines))
    command = ["git", f"--git-dir={scratch}", f"--work-tree={root}", "-c", "core.bare=false"]
    answer = subprocess.run(
        [*command, "check-ignore", "--no-index", "-z", "--stdin"],
        input=b"\0".join(paths),
        capture_output=True,
        check=False,
        cwd=root,
    )
    assert answer.returncode in (0, 1), answer.stderr
    return {path for path in answer.stdout.split(b"\0") if path}


def differences(wanted: Mapping[str, bytes], held: Mapping[str, bytes]) -> dict[str, str]:
    """Say of each path that is not as it should be in the cloud, what is wrong."""
    wrong = dict.fromkeys(wanted.keys() - held.keys(), "the cloud does not have it")
    wrong |= dict.fromkeys(held.keys() - wanted.keys(), "the cloud has it, and should not")
    for path in wanted.keys() & held.keys():
        if wanted[path] != held[path]:
            sizes = f"{len(held[path])} bytes there, {len(wanted[path])} here"
            wrong[path] = f"the cloud has other bytes ({sizes})"
    return wrong


def read_rows(manifest: Path) -> list[Row]:
    """Read the manifest as it is on the disk. Nobody may be writing to it."""
    connection = sqlite3.connect(manifest)
    try:
        found = connection.execute(
            "SELECT directory, name, state, lower(hex(digest)), file_id IS NOT NULL FROM file"
        ).fetchall()
    finally:
        connection.close()
    return [
        Row(f"{directory}/{name}" if directory else name, state, digest or None, bool(was_sent))
        for directory, name, state, digest, was_sent in found
    ]


def false_claims(rows: list[Row], held: Mapping[str, str]) -> dict[str, str]:
    """Say which rows claim what is not so, and which objects have no row. `held`: path to MD5, in the cloud.

    This holds at any moment at which nobody is at work, however the last one who was has ended.
    """
    known = {row.path for row in rows if row.was_sent}
    wrong = dict.fromkeys(held.keys() - known, "the cloud has it, and no row knows: an orphan")
    for row in rows:
        if row.digest is not None and held.get(row.path) != row.digest:
            wrong[row.path] = f"its row is sure of {row.digest}; the cloud has {held.get(row.path)}"
    return wrong
