"""What the tests of the configuration share: a right one, changed at one place, and what loading it says."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from tcbsync.config.load import load
from tcbsync.core.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

RIGHT = """\
state_dir: /var/lib/tcbsync-test
service:
  uploads: 8
credentials:
  appid: wx-test
  secret_env: SECRET
mirrors:
  - name: site
    root: /srv/tcbsync-test/site
    env: test-env
    prefix: site/
"""

MIRROR = """\
  - name: other
    root: /srv/tcbsync-test/other
    env: test-env
    prefix: other/
"""


def write(folder: Path, text: str) -> Path:
    """Write a configuration."""
    path = folder / "config.yaml"
    path.write_text(textwrap.dedent(text), "utf-8")
    return path


def mistakes_of(path: Path) -> list[str]:
    """Load a wrong configuration; give its mistakes as `LINE: KEY: WHAT`, the file's name taken off."""
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert all(mistake.startswith(f"{path}:") for mistake in caught.value.mistakes)
    assert all(mistake in str(caught.value) for mistake in caught.value.mistakes)
    return [mistake.removeprefix(f"{path}:") for mistake in caught.value.mistakes]


def check(folder: Path, text: str, *expected: str) -> None:
    """Load a wrong configuration: its mistakes are `expected`, each from `LINE: KEY: ` on."""
    found = mistakes_of(write(folder, text))

    assert len(found) == len(expected), found
    for sentence, start in zip(found, expected, strict=True):
        assert sentence.startswith(start), sentence


def changed(old: str, new: str) -> str:
    """Give the right configuration with one change."""
    assert RIGHT.count(old) == 1
    return RIGHT.replace(old, new)
