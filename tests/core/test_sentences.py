"""What the log says of each event, how much it matters, and what it does not say twice."""

from __future__ import annotations

import pytest

from tcbsync.core.events import (
    KINDS,
    Approved,
    Deleted,
    Drifted,
    Dropped,
    Event,
    Failed,
    Forgotten,
    Held,
    LeftOut,
    Level,
    Paused,
    Recovered,
    Released,
    Reloaded,
    ReloadRefused,
    Rested,
    Resumed,
    Retried,
    ServiceChanged,
    Started,
    StateChanged,
    Stopping,
    Uploaded,
    WatchingChanged,
)
from tcbsync.core.sentences import TROUBLES, Troubles, level_of, sentence

MIB = 1024 * 1024
SAID: list[tuple[Event, Level, str]] = [
    (Started(["site", "fonts"]), Level.NOTICE, "started: site, fonts"),
    (Stopping(), Level.NOTICE, "stopping: what is in flight gets a few seconds"),
    (StateChanged("syncing", "in_sync", ""), Level.DEBUG, "syncing, was in_sync"),
    (StateChanged("held", "syncing", "why"), Level.DEBUG, "held, was syncing: why"),
    (StateChanged("held", "scanning", "why"), Level.NOTICE, "held, was scanning: why"),
    (StateChanged("paused", "starting", "by hand"), Level.NOTICE, "paused, was starting: by hand"),
    (ServiceChanged("offline", "ok", "no answer"), Level.WARNING, "service offline: no answer"),
    (ServiceChanged("paused", "ok", "quota [45009]"), Level.WARNING, "service paused: quota [45009]"),
    (ServiceChanged("blocked", "ok", "secret [40125]"), Level.ERROR, "service blocked: secret [40125]"),
    (ServiceChanged("full", "ok", "storage"), Level.ERROR, "service full: storage"),
    (ServiceChanged("ok", "full", ""), Level.NOTICE, "service ok again, after full"),
    (Uploaded("a", 3 * MIB, "ff"), Level.DEBUG, "a: uploaded, 3.0 MiB"),
    (Deleted("a"), Level.DEBUG, "a: deleted"),
    (Failed("a", "upload", "x", "no", is_parked=False), Level.WARNING, "a: no"),
    (Failed("a", "upload", "x", "no", is_parked=True), Level.ERROR, "a: no; it waits for `tcbsync retry`"),
    (Failed("a", "upload", "x", "No.", is_parked=True), Level.ERROR, "a: No; it waits for `tcbsync retry`"),
    (Failed("a", "delete", "x", "no", is_parked=False), Level.WARNING, "a: could not be deleted: no"),
    (Recovered("a", "upload"), Level.NOTICE, "a: uploaded after all"),
    (Recovered("a", "delete"), Level.NOTICE, "a: deleted after all"),
    (
        Rested("in_sync", 1204, 3 * MIB, 12, 0, 120.0),
        Level.INFO,
        "in sync: 1,204 uploaded (3.0 MiB), 12 deleted in 2 min",
    ),
    (Rested("in_sync", 1, 3, 0, 0, 0.0), Level.INFO, "in sync: 1 uploaded (3 bytes) in 1 s"),
    (Rested("in_sync", 0, 0, 0, 0, 7.0), Level.INFO, "in sync: nothing was to be done"),
    (
        Rested("syncing", 0, 0, 2, 1, 7.0),
        Level.INFO,
        "syncing: 2 deleted in 7 s; 1 file failed: `tcbsync failed` says why",
    ),
    (
        Held("6 objects would be deleted"),
        Level.ERROR,
        "deletes are held: 6 objects would be deleted; `tcbsync held` lists them, `tcbsync approve` lets them go",
    ),
    (Held("root /r is missing", is_approvable=False), Level.ERROR, "held: root /r is missing"),
    (Released("root /r is back"), Level.NOTICE, "deletes are held no longer: root /r is back"),
    (Approved(1), Level.NOTICE, "1 held delete approved by hand"),
    (Retried(2), Level.NOTICE, "2 failed files tried again by hand"),
    (Paused(), Level.NOTICE, "paused by hand; `tcbsync resume` lets it go on"),
    (Resumed(), Level.NOTICE, "goes on, resumed by hand"),
    (Reloaded(["one", "two"]), Level.NOTICE, "the configuration was reloaded: one; two"),
    (Reloaded([]), Level.NOTICE, "the configuration was reloaded: nothing is different"),
    (
        ReloadRefused("it is wrong"),
        Level.ERROR,
        "the configuration is not reloaded, the one before stays in force: it is wrong",
    ),
    (Forgotten("env", "p/", 1, 0), Level.NOTICE, "forgotten: 1 row of env/p/, no object deleted"),
    (Forgotten("env", "", 2, 2), Level.NOTICE, "forgotten: 2 rows of env/, 2 objects deleted"),
    (WatchingChanged("degraded", "3 are not watched"), Level.WARNING, "watching (degraded): 3 are not watched"),
    (WatchingChanged("inotify", ""), Level.INFO, "watching (inotify)"),
    (WatchingChanged("waiting", "no root"), Level.DEBUG, "watching (waiting): no root"),
    (Drifted(1), Level.WARNING, "the rescan found 1 change that no event had told of"),
    (
        LeftOut("failed", 1203, 60, "z: no"),
        Level.WARNING,
        (
            "\u2026 and 1,203 more of this kind in the last minute, the last of them: z: no;"
            " `tcbsync failed` lists the files"
        ),
    ),
    (
        LeftOut("service_changed", 4, 240, "service ok again, after offline"),
        Level.WARNING,
        "\u2026 and 4 more of this kind in the last 4 min, the last of them: service ok again, after offline",
    ),
    (Dropped(2), Level.DEBUG, "2 events not told: the reader was too slow"),
]


@pytest.mark.parametrize(("event", "level", "words"), SAID, ids=[str(each[0]) for each in SAID])
def test_what_is_said_and_how_loudly(event: Event, level: Level, words: str) -> None:
    """ERROR is for a person, WARNING heals, NOTICE is an act or an end of trouble; a mirror's name stands in front."""
    told = level_of(event), sentence(event), sentence(event, "site")

    assert told == (level, words, f"site: {words}")


def test_every_event_is_said() -> None:
    """None is left without a sentence."""
    said = {type(event) for event, _, _ in SAID}

    assert said == set(KINDS)


def failed(path: str = "a", *, is_parked: bool = False, action: str = "upload") -> Failed:
    """Make a failure."""
    return Failed(path, action, "500", "no", is_parked=is_parked)


def told(troubles: Troubles, *events: Event, mirror: str = "site") -> list[tuple[str, Level]]:
    """Let events happen. Gives what the log shows of them: nothing at DEBUG."""
    judged = [each for event in events for each in troubles.judge(event, mirror)]
    return [(type(event).__name__, level) for event, level in judged if level > Level.DEBUG]


def test_a_file_that_fails_for_hours_is_three_lines() -> None:
    """When it begins, when it is parked, and when it is over: whatever number of attempts lies between."""
    troubles = Troubles()

    lines = told(troubles, *[failed()] * 500, failed(is_parked=True), Uploaded("a", 1, ""), Uploaded("a", 1, ""))

    assert lines == [("Failed", Level.WARNING), ("Failed", Level.ERROR), ("Recovered", Level.NOTICE)]
    assert repr(troubles) == "<Troubles 0 files fail>"


def test_what_recovers_may_fail_again() -> None:
    """The next trouble is told like the first one."""
    troubles = Troubles()

    lines = told(troubles, failed(), Uploaded("a", 1, ""), failed())

    assert [name for name, _ in lines] == ["Failed", "Recovered", "Failed"]


def test_each_file_action_and_mirror_is_for_itself() -> None:
    """Nothing that belongs to another is taken for the same trouble, nor for its end."""
    troubles = Troubles()

    lines = told(troubles, failed(), failed("b"), failed(action="delete"), Uploaded("c", 1, ""))
    of_another = told(troubles, failed(), Deleted("a"), mirror="fonts")
    ended = told(troubles, Deleted("a"))

    assert [name for name, _ in lines] == ["Failed"] * 3
    assert [name for name, _ in of_another] == ["Failed"]
    assert ended == [("Recovered", Level.NOTICE)]


def test_a_persons_retry_wants_an_answer() -> None:
    """What fails again after `tcbsync retry` is told again, in that mirror."""
    troubles = Troubles()
    told(troubles, failed())
    told(troubles, failed(), mirror="fonts")

    again = told(troubles, Retried(1), failed())
    elsewhere = told(troubles, failed(), mirror="fonts")

    assert [name for name, _ in again] == ["Retried", "Failed"]
    assert elsewhere == []


def test_a_mirror_that_is_in_sync_has_no_troubles() -> None:
    """What became of a file that is not there any more is over, and what fails later is told."""
    troubles = Troubles()
    told(troubles, failed())

    told(troubles, Rested("in_sync", 1, 1, 0, 0, 1.0))
    lines = told(troubles, failed())

    assert [name for name, _ in lines] == ["Failed"]


def test_what_is_remembered_is_bounded() -> None:
    """A million files that fail take no more room than ten thousand."""
    troubles = Troubles()

    told(troubles, *(failed(f"{number}") for number in range(TROUBLES + 10)))
    again = told(troubles, failed("0"), failed(f"{TROUBLES + 5}"))

    assert len(troubles) == TROUBLES
    assert again == [("Failed", Level.WARNING)]
