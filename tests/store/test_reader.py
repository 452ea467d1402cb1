"""Queries: from the last commit, one at a time, from any thread; nothing is made or changed by asking."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tcbsync.core.errors import StateError
from tcbsync.store import reader
from tcbsync.store.database import MIGRATIONS, open_database
from tcbsync.store.reader import open_reader


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a manifest that is there, in a directory with a name that an address has to quote."""
    directory = tmp_path / "a?b#c%20d \u00e9"
    directory.mkdir()
    open_database(directory / "manifest.db").close()
    return directory / "manifest.db"


def test_what_is_not_there_is_not_made(tmp_path: Path) -> None:
    """Asking for the status of nothing leaves nothing behind."""
    with pytest.raises(StateError, match="unable to open database file"):
        open_reader(tmp_path / "manifest.db")

    assert list(tmp_path.iterdir()) == []


def test_asking_changes_nothing(path: Path) -> None:
    """Even a query that would is refused."""
    manifest = open_reader(path)

    with pytest.raises(StateError, match="readonly database"):
        manifest.rows("INSERT INTO mirror (name, env, prefix) VALUES ('a', 'b', 'c')")

    manifest.close()


def test_answers_come_from_the_last_commit(path: Path) -> None:
    """Not from what is being written, and not from what was there before."""
    writer = open_database(path)
    manifest = open_reader(path)
    insert = "INSERT INTO mirror (name, env, prefix) VALUES (?, '', '')"

    writer.execute("BEGIN")
    writer.execute(insert, ("a",))
    while_written = manifest.value("SELECT count(*) FROM mirror")
    writer.execute("COMMIT")
    afterwards = manifest.value("SELECT count(*) FROM mirror")

    assert (while_written, afterwards) == (0, 1)
    manifest.close()
    writer.close()


def test_an_older_schema_is_not_guessed_at(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who only asks does not bring it up to date, and says who does."""
    monkeypatch.setattr(reader, "MIGRATIONS", (*MIGRATIONS, "a later step"))

    with pytest.raises(StateError, match=f"has schema {len(MIGRATIONS)}.*brings it up to date"):
        open_reader(path)


def test_an_empty_file_is_not_guessed_at(tmp_path: Path) -> None:
    """A manifest that was never finished has no tables to ask."""
    (tmp_path / "manifest.db").touch()

    with pytest.raises(StateError, match="has schema 0"):
        open_reader(tmp_path / "manifest.db")


def test_a_newer_schema_is_refused(path: Path) -> None:
    """As it is for whoever writes."""
    connection = open_database(path)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()

    with pytest.raises(StateError, match="upgrade tcbsync"):
        open_reader(path)


def test_damage_that_is_met_while_asking(path: Path) -> None:
    """A page that is broken is told with the file's name and what next, not as an accident of the program."""
    connection = open_database(path)
    connection.execute("INSERT INTO mirror (id, name, env, prefix) VALUES (1, '', '', '')")
    values = ((f"directory-{number:05}",) for number in range(3000))
    connection.executemany(
        "INSERT INTO file VALUES (1, ?, 'a', 1, 1, 1, 1, 1, NULL, NULL, NULL, 0, 0, 0, 0, 0, '', '')", values
    )
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    content = bytearray(path.read_bytes())
    content[5 * 4096 :] = b"\xa5" * (len(content) - 5 * 4096)
    path.write_bytes(content)
    manifest = open_reader(path)

    with pytest.raises(StateError) as caught:
        manifest.rows("SELECT directory, size FROM file WHERE mirror = 1")

    assert str(path) in str(caught.value)
    assert "do not delete it" in caught.value.hint
    manifest.close()


def test_a_name_that_is_no_text_has_no_row(path: Path) -> None:
    """Bytes that are no UTF-8 can be asked for; the answer is that nothing is known."""
    manifest = open_reader(path)

    answer = manifest.rows("SELECT * FROM file WHERE mirror = ? AND directory = ? AND name = ?", (1, "a\udcff", "b"))

    assert answer == []
    manifest.close()


ASK = """
import os, sys
from pathlib import Path
from tcbsync.store.reader import open_reader
assert not os.access(Path(sys.argv[1]).parent, os.W_OK)
print(open_reader(Path(sys.argv[1])).value("SELECT name FROM mirror"))
"""


@pytest.mark.parametrize("is_in_use", [True, False])
def test_in_a_directory_that_may_not_be_written(path: Path, *, is_in_use: bool) -> None:
    """Whoever may only read it gets the newest answer, beside a daemon and without one, and leaves nothing behind."""
    powerless = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"]
    if (
        shutil.which("setpriv") is None
        or subprocess.run([*powerless, "true"], check=False, capture_output=True).returncode
    ):
        pytest.skip("cannot take powers away")
    connection = open_database(path)
    connection.execute("INSERT INTO mirror (name, env, prefix) VALUES ('site', '', '')")
    if not is_in_use:
        connection.close()
    before = {file.name for file in path.parent.iterdir()}
    path.parent.chmod(0o500)

    answer = subprocess.run(
        [*powerless, sys.executable, "-c", ASK, str(path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )

    assert (answer.stdout, answer.stderr) == ("site\n", "")
    assert {file.name for file in path.parent.iterdir()} == before
    assert ("manifest.db-wal" in before) is is_in_use
    connection.close()


def test_after_closing(path: Path) -> None:
    """A question that comes too late is an error like others, and not one of the manifest's."""
    manifest = open_reader(path)
    manifest.close()

    with pytest.raises(StateError) as caught:
        manifest.rows("SELECT 1")

    assert caught.value.hint == ""


def test_first_row_and_only_value(path: Path) -> None:
    """A row that is not there is None; a value has to be there."""
    manifest = open_reader(path)

    assert manifest.row("SELECT 1, 2 UNION SELECT 3, 4 ORDER BY 1") == (1, 2)
    assert manifest.row("SELECT 1 WHERE 0") is None
    assert manifest.value("SELECT 7") == 7
    manifest.close()


def test_many_threads_ask_the_same_question(path: Path) -> None:
    """Each gets the answer to its own values, and none sees less than was committed before it asked."""
    writer = open_database(path)
    manifest = open_reader(path)
    committed = 0
    stop = threading.Event()

    def ask(asker: int) -> int:
        asked = 0
        while not stop.is_set() or asked < 100:
            at_least = committed
            who, count = manifest.row("SELECT ?, count(*) FROM mirror", (asker,))
            assert who == asker
            assert count >= at_least
            asked += 1
        return asked

    with ThreadPoolExecutor(4) as threads:
        askers = [threads.submit(ask, asker) for asker in range(4)]
        for number in range(100):
            writer.execute("INSERT INTO mirror (name, env, prefix) VALUES (?, '', '')", (number,))
            committed = number + 1
        stop.set()

        assert all(asker.result() >= 100 for asker in askers)
    manifest.close()
    writer.close()
