"""Fixtures: a stage to try verbs on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.stage import SECRET, SECRET_VARIABLE, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def stage(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """Serve a cloud for an empty folder, with a configuration that knows both."""
    monkeypatch.setenv(SECRET_VARIABLE, SECRET)
    stage = Stage(tmp_path, capsys)
    yield stage
    stage.close_cloud()
