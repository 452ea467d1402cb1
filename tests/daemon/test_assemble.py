"""What a configuration describes is put together, held, and let go of."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from tcbsync.config.schema import CredentialsConfig
from tcbsync.core.errors import ConfigError, StateLocked
from tcbsync.daemon.assemble import assembled, chosen
from tcbsync.store.lock import holder
from tests.engine.world import PREFIX

if TYPE_CHECKING:
    from tcbsync.config.schema import Config
    from tests.engine.world import World


@pytest.fixture
def config(world: World) -> Config:
    """Describe two mirrors."""
    return world.config(
        world.mirror(),
        world.mirror(name="fonts", root=world.root.parent / "fonts", prefix="fonts/", cache_control="max-age=60"),
        uploads=3,
        deletes=2,
    )


def test_all_mirrors_are_chosen_where_none_is_named(config: Config) -> None:
    """In the order of the configuration."""
    assert [mirror.name for mirror in chosen(config, ())] == ["site", "fonts"]
    assert [mirror.name for mirror in chosen(config, ["fonts"])] == ["fonts"]


def test_an_unknown_mirror_is_a_mistake_that_names_the_known_ones(config: Config) -> None:
    """Whoever mistyped sees what there is."""
    with pytest.raises(ConfigError, match=r"there is no mirror fots .*site, fonts"):
        chosen(config, ["fots"])


async def test_an_unknown_mirror_leaves_nothing_behind(config: Config) -> None:
    """No state directory is made for a mistake."""
    with pytest.raises(ConfigError):
        async with assembled(config, "test", ["none"], grace=True):
            pytest.fail("assembled")

    assert not config.state_dir.exists()


async def test_a_missing_secret_leaves_nothing_behind(config: Config) -> None:
    """The state directory is not touched before the credentials are there."""
    wrong = dataclasses.replace(config, credentials=CredentialsConfig(appid="wx", secret=" "))

    with pytest.raises(ConfigError):
        async with assembled(wrong, "test", grace=True):
            pytest.fail("assembled")

    assert not config.state_dir.exists()


async def test_the_parts_are_as_configured(config: Config) -> None:
    """Limits are shared by all mirrors; where files go is each mirror's own."""
    async with assembled(config, "test", grace=True) as assembly:
        site, fonts = assembly.mirrors

        assert (assembly.pace.upload_slots.limit, assembly.pace.delete_slots.limit) == (3, 2)
        assert site.parts.pace is fonts.parts.pace
        assert (site.parts.target.prefix, dict(site.parts.target.form)) == (PREFIX, {})
        assert (fonts.parts.target.prefix, dict(fonts.parts.target.form)) == ("fonts/", {"Cache-Control": "max-age=60"})
        assert site.parts.busy is not fonts.parts.busy


async def test_a_look_again_reaches_its_own_mirror(config: Config) -> None:
    """What a mirror's uploads want to be looked at is that mirror's path."""
    async with assembled(config, "test", grace=True) as assembly:
        site, fonts = assembly.mirrors

        fonts.parts.look_again("a.woff2")

        assert (len(site.settle), len(fonts.settle)) == (0, 1)


async def test_the_state_directory_is_held_by_one(config: Config) -> None:
    """The second one is told who holds it."""
    async with assembled(config, "first", grace=True):
        with pytest.raises(StateLocked, match="tcbsync first"):
            await hold(config, "second")


async def test_the_state_directory_is_let_go_of(config: Config) -> None:
    """At the end, and after an error too."""
    with pytest.raises(RuntimeError, match="amid"):
        await hold(config, "first", RuntimeError("amid"))

    assert holder(config.state_dir) is None
    await hold(config, "second")


async def hold(config: Config, what: str, error: Exception | None = None) -> None:
    """Hold the state directory for a moment, and maybe fail amid."""
    async with assembled(config, what, grace=True):
        assert what in (holder(config.state_dir) or "")
        if error is not None:
            raise error


async def test_grace_is_for_those_who_are_not_waited_for(config: Config) -> None:
    """A single pass deletes at once; a daemon waits."""
    async with assembled(config, "test", grace=True) as assembly:
        assert assembly.mirrors[0]._habits.grace_seconds == 0.2
    async with assembled(config, "test", grace=False) as assembly:
        assert assembly.mirrors[0]._habits.grace_seconds == 0.0


@pytest.mark.parametrize(("connections", "uploads"), [(64, 16), (16, 15), (4, 3), (1, 1)])
async def test_no_upload_is_begun_that_has_no_connection(world: World, connections: int, uploads: int) -> None:
    """It would wait for hours behind large files, and nobody could tell it from one that hangs."""
    async with assembled(world.config(connections=connections, uploads=16), "test", grace=True) as assembly:
        assert assembly.pace.upload_slots.limit == uploads
