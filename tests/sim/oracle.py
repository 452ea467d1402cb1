"""What should be: worked out from the disk in memory and the manifest's table alone, with no code of the product.

The rules are those that the README promises: the cloud ends as the disk; a row comes before its object and stays as
long; nothing is sent under a digest that claims to be sure; no delete surprises; a rename never leaves the cloud
without the bytes.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

from tests.sim.cloud import PREFIX

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

    from tests.sim.clock import Clock
    from tests.sim.cloud import SimCloud
    from tests.sim.disk import Disk
    from tests.sim.node import Node

DEFAULT_RULES = ("*.tmp", "/.tcbignore")
GLANCE_SECONDS = 1.5
"""Between the last look at a file that is gone and the call that deletes its object."""
CHAIN_SECONDS = 200.0
"""In which a delete call that failed is repeated, as one and the same operation."""
RULES_SECONDS = 120.0
"""After ignore rules have changed, not everything has been looked at under the new ones yet."""
UPLOAD, DELETE, HELD, KEPT = 1, 2, 3, 4


class Move(NamedTuple):
    """A file that was renamed."""

    old: str
    new: str
    content: bytes
    at: float


class Row(NamedTuple):
    """What the manifest says of a path."""

    state: int
    digest: bytes | None
    file_id: str | None
    since: float
    approved: int
    parked: int


def wanted(disk: Disk, top: Node | None) -> dict[str, Node]:
    """Give the files beneath `top` that should be mirrored, by path."""
    if top is None:
        return {}
    own = top.children.get(".tcbignore")
    rules = [*DEFAULT_RULES, *(own.content.decode().split("\n") if own is not None and own.is_file else ())]
    found: dict[str, Node] = {}
    _collect(top, "", [rule for rule in rules if rule], found)
    return found


def twins(disk: Disk, top: Node, path: str = "") -> Iterator[str]:
    """Give each name that meets another one in one key, but for the first of them."""
    seen: set[str] = set()
    for name, node in list(top.children.items()):
        where = f"{path}/{name}" if path else name
        if (normal := unicodedata.normalize("NFC", name)) in seen:
            yield where
        seen.add(normal)
        if node.is_directory:
            yield from twins(disk, node, where)


def _collect(directory: Node, path: str, rules: list[str], found: dict[str, Node]) -> None:
    names = Counter(unicodedata.normalize("NFC", name) for name in directory.children)
    for name, node in directory.children.items():
        normal = unicodedata.normalize("NFC", name)
        where = f"{path}/{normal}" if path else normal
        is_bad = any(letter == "\\" or "\x18" <= letter <= "\x1b" or "\ud800" <= letter <= "\udfff" for letter in name)
        if is_bad or names[normal] > 1 or _is_ignored(where, node, rules):
            continue
        if node.is_directory:
            _collect(node, where, rules, found)
        elif node.is_file:
            found[where] = node


def _is_ignored(path: str, node: Node, rules: list[str]) -> bool:
    """Whether a rule says so, of the few kinds that schedules use: NAME, *.END, /PATH, DIRECTORY/."""
    for rule in rules:
        pattern = rule.removesuffix("/")
        if rule.endswith("/") and not node.is_directory:
            continue
        if "/" in pattern:
            if path == pattern.removeprefix("/"):
                return True
        elif fnmatchcase(path.rpartition("/")[2], pattern):
            return True
    return False


class Oracle:
    """Watches one schedule. `fail` is told the first thing that should not be."""

    def __init__(
        self, disk: Disk, cloud: SimCloud, clock: Clock, connection: sqlite3.Connection, fail: Callable[[str], None]
    ) -> None:
        self._disk = disk
        self._cloud = cloud
        self._clock = clock
        self._connection = connection
        self._fail = fail
        self._standing: dict[str, float] = {}
        self._absent: dict[str, float] = {}
        self._calls: dict[tuple[str, ...], tuple[float, float]] = {}
        self._rules: bytes | None = b""
        self._rules_at = float("-inf")
        self._empty_since: float | None = None
        self.root_since = 0.0
        self.moves: dict[str, list[Move]] = {}
        self.is_muddled = False
        """Whether something made the mirror blind for a while, so that it may know one half of a rename only."""
        self.races = 0
        """How many deletes were sent while the file came back: unavoidable, and put right afterwards."""
        self.look()

    # -- what the disk does -------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Note since when which files have been there."""
        files = wanted(self._disk, self._disk.top)
        self._standing = {path: self._standing.get(path, self._clock.now) for path in files}
        own = self._disk.find(".tcbignore") if self._disk.top else None
        rules = own.content if own is not None else b""
        if rules != self._rules:
            self._rules, self._rules_at = rules, self._clock.now
        if files:
            self._empty_since = None
        elif self._empty_since is None:
            self._empty_since = self._clock.wall()

    def saw_nothing(self, path: str) -> None:
        """Note that the program has just been told that no file is at `path`."""
        self._absent[unicodedata.normalize("NFC", path)] = self._clock.now

    def moved(self, old: str, new: str) -> None:
        """Note that the files at and beneath `old` are at `new` now."""
        held = self._cloud.content()
        for path, node in wanted(self._disk, self._disk.top).items():
            if path == new or path.startswith(f"{new}/"):
                before = old + path[len(new) :]
                if held.get(before) == node.content and (row := self.row(before)) is not None and row.state == 0:
                    move = Move(before, path, node.content, self._clock.now)
                    self.moves.setdefault(before, []).append(move)

    # -- what the program does ----------------------------------------------------------------------------------------

    def called(self, operation: str, keys: tuple[str, ...]) -> None:
        """Judge a call as it arrives."""
        paths = [key.removeprefix(PREFIX) for key in keys]
        if operation == "send":
            self._judge_send(paths[0])
        elif operation == "delete":
            at, first = self._calls.get(keys, (float("-inf"), 0.0))
            first = first if self._clock.now - at < CHAIN_SECONDS else self._clock.now
            self._calls[keys] = (self._clock.now, first)
            for path in paths:
                self._judge_delete(path, first)
            self._judge_moves(paths)

    def _judge_send(self, path: str) -> None:
        row = self.row(path)
        if row is None or row.file_id is None:
            self._fail(f"{path} is sent, and no row names its object")
        elif row.digest is not None:
            self._fail(f"{path} is sent, and its row is sure of what the cloud holds")

    def _judge_delete(self, path: str, first: float) -> None:
        row = self.row(path)
        if row is None or row.file_id is None:
            return self._fail(f"{path} is deleted, and no row names its object")
        if row.digest is not None:
            return self._fail(f"{path} is deleted, and its row is sure of what the cloud holds")
        if row.state != DELETE and first == self._clock.now:
            return self._fail(f"{path} is deleted in state {row.state}")
        if not row.approved:
            self._judge_unapproved(path, row)
        if path in self._standing and self._clock.now - self._rules_at > RULES_SECONDS:
            seen = max((self._absent.get(above, -1e9) for above in _above(path)), default=-1e9)
            if first - seen > GLANCE_SECONDS and self._standing[path] < first:
                return self._fail(f"{path} is deleted, and its file is there; it was last missing at {seen:.3f}")
            self.races += 1
        return None

    def _judge_unapproved(self, path: str, row: Row) -> None:
        is_foreign = self._disk.top is not self._disk.home and not self._is_trusted()
        if is_foreign and row.since > self.root_since:
            self._fail(f"{path} is deleted, because it is not in what is at the root now; nobody approved")
        is_empty = self._disk.top is self._disk.home and self._empty_since is not None and not self.is_muddled
        if is_empty and self._empty_since is not None and row.since > self._empty_since + 0.5:
            self._fail(f"{path} is deleted, because the root was emptied; nobody approved")

    def _is_trusted(self) -> bool:
        """Whether what is at the root has become the mirror's own: it once lacked nothing, or a person said so."""
        (volumes,) = self._connection.execute("SELECT volumes FROM mirror").fetchone()
        return self._disk.top is not None and volumes == f'{{"": "{self._disk.top.device}"}}'

    def _judge_moves(self, paths: list[str]) -> None:
        moves = [move for path in paths for move in self.moves.get(path, ())]
        if not moves or self.is_muddled:
            return
        held = {content for path, content in self._cloud.content().items() if path not in paths}
        files = wanted(self._disk, self._disk.top)
        for move in moves:
            node, row = files.get(move.new), self.row(move.new)
            is_same = node is not None and node.content == move.content and self._standing[move.new] <= move.at
            if is_same and move.content not in held and not (row is not None and row.parked):
                self._fail(f"{move.old} is deleted, and the cloud does not hold its bytes under {move.new} yet")

    # -- what must hold at any time -----------------------------------------------------------------------------------

    def row(self, path: str) -> Row | None:
        """Give a row."""
        directory, _, name = path.rpartition("/")
        row = self._connection.execute(
            "SELECT state, digest, file_id, since, approved, parked FROM file"
            " WHERE mirror = 1 AND directory = ? AND name = ?",
            (directory, name),
        ).fetchone()
        return None if row is None else Row(*row)

    def rows(self) -> dict[str, Row]:
        """Give every row by path."""
        found = self._connection.execute(
            "SELECT directory, name, state, digest, file_id, since, approved, parked FROM file"
        ).fetchall()
        return {f"{directory}/{name}" if directory else name: Row(*row) for directory, name, *row in found}

    def judge_rows(self) -> None:
        """Every object has a row, and no row is sure of what the cloud does not hold."""
        held, rows = self._cloud.content(), self.rows()
        for path in held:
            if path not in rows or rows[path].file_id is None:
                self._fail(f"{path} is an orphan: the cloud holds it, and no row names it")
        for path, row in rows.items():
            if row.digest is not None:
                if row.digest not in self._disk.states:
                    self._fail(f"the row of {path} is sure of bytes that no file ever held at once")
                content = held.get(path)
                if content is None or hashlib.md5(content).digest() != row.digest:
                    self._fail(f"the row of {path} is sure of bytes that the cloud does not hold")

    def judge_end(self, *, deletes: bool) -> None:
        """Disk and cloud are equal, and every row says so."""
        self.judge_rows()
        held, rows = self._cloud.content(), self.rows()
        files = {path: node.content for path, node in wanted(self._disk, self._disk.top).items()}
        for path, content in files.items():
            if held.get(path) != content:
                what = "other bytes" if path in held else "nothing"
                self._fail(f"{path}: the cloud holds {what} at the end")
            elif rows[path].state != 0:
                self._fail(f"{path}: its row is in state {rows[path].state} at the end")
        for path in held.keys() - files.keys():
            if deletes:
                self._fail(f"{path}: the cloud still holds it at the end")
            elif rows[path].state != KEPT:
                self._fail(f"{path}: its file is gone, and its row is in state {rows[path].state}")
        for path in rows.keys() - held.keys():
            if rows[path].state == KEPT and rows[path].digest is None:
                continue  # its delete had left when a person said: never delete
            self._fail(f"{path}: a row in state {rows[path].state} without an object at the end")


def _above(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition("/")[0]
