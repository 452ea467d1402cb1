"""What is different between two configurations: by key, in words, and with no secret among them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tcbsync.config.changes import changes
from tcbsync.config.schema import Config, CredentialsConfig, GuardConfig, MirrorConfig, ServiceConfig

SITE = MirrorConfig("site", Path("/srv/site"), "env", "site/")
FONTS = MirrorConfig("fonts", Path("/srv/fonts"), "env", "fonts/")
CONFIG = Config(Path("/state"), (SITE, FONTS), CredentialsConfig(appid="wx", secret="hush"), ServiceConfig())


def words(config: Config) -> list[str]:
    """Say what is different from the one above."""
    return list(map(str, changes(CONFIG, config)))


def test_nothing() -> None:
    """The same values, the same configuration; the order of the mirrors means nothing."""
    assert words(replace(CONFIG, mirrors=(FONTS, SITE))) == []


def test_mirrors_come_and_go() -> None:
    """What goes is said first, with what becomes of its objects; what comes, with where it goes."""
    told = words(replace(CONFIG, mirrors=(FONTS, replace(SITE, name="web"))))

    assert told == [
        "mirror site: removed (its objects stay in the cloud: `tcbsync forget site` gives them up)",
        "mirror web: added (/srv/site to env/site/)",
    ]


def test_a_mirror_that_is_changed() -> None:
    """Each key with its old and its new value; groups and lists are written out."""
    changed = replace(SITE, ignore=("a", "b"), guard=GuardConfig(5, None), cache_control="max-age=1")

    (change,) = changes(CONFIG, replace(CONFIG, mirrors=(changed, FONTS)))

    assert (change.what, change.kind, change.keys) == ("mirror site", "changed", ("ignore", "guard", "cache_control"))
    assert change.words == (
        "ignore [] → [a, b], guard {max_deletes: 1000, max_delete_percent: 50.0} → {max_deletes: 5,"
        " max_delete_percent: null}, cache_control null → max-age=1"
    )


def test_a_mirror_that_moves() -> None:
    """Another prefix or env leaves objects behind: that is said."""
    (told,) = words(replace(CONFIG, mirrors=(replace(SITE, prefix="new/"), FONTS)))

    assert told == (
        "mirror site: changed (prefix site/ → new/; at the old place its objects stay in the cloud:"
        " `tcbsync forget site` gives them up)"
    )


def test_service_and_state() -> None:
    """The other sections, by their keys."""
    told = words(replace(CONFIG, service=ServiceConfig(uploads=3, attempts=1), state_dir=Path("/other")))

    assert told == ["service: changed (uploads 32 → 3, attempts 5 → 1)", "state_dir: changed (/state → /other)"]


def test_no_secret_is_shown() -> None:
    """Of credentials, and of a proxy with its password, only the key."""
    credentials = CredentialsConfig(appid="wx2", secret="psst", token_url="http://user:pw@host/")
    service = ServiceConfig(proxy="http://user:pw@host:1")

    told = words(replace(CONFIG, credentials=credentials, service=service))

    assert told == ["service: changed (proxy)", "credentials: changed (appid, secret, token_url)"]
