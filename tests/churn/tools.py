"""What programs of the system do to a folder: git, tar, rsync, cp. Each works as it would for a person."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from tests.churn.ground import REPOSITORY, is_directory, is_file, remove

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.churn.ground import Ground

WHO = ("-c", "user.name=tester", "-c", "user.email=tester@example.invalid", "-c", "init.defaultBranch=main")


def missing() -> list[str]:
    """List the programs that are needed and not there. Without one of them, a seed would mean other work."""
    return [name for name in ("cp", "git", "rsync", "tar") if shutil.which(name) is None]


def run(*command: str | Path, cwd: Path | None = None) -> None:
    """Run a command to its end."""
    subprocess.run(command, check=True, capture_output=True, cwd=cwd)


def git_checkout(ground: Ground) -> str:
    """Check out the other branch of a repository; the first time, make it."""
    place = ground.root / REPOSITORY
    if not place.is_dir():
        _make_repository(ground, place)
        return "a new repository"
    ground.count += 1
    branch = ("main", "other")[ground.count % 2]
    run("git", *WHO, "checkout", "-q", branch, cwd=place)
    return branch


def _make_repository(ground: Ground, place: Path) -> None:
    built = ground.build_outside(40)
    run("cp", "-r", built, place)
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "first"), ("checkout", "-qb", "other")):
        run("git", *WHO, *words, cwd=place)
    remove(place / "d2")
    (place / "d2").write_text("a file in a directory's place")
    for number in range(0, 40, 4):
        changed = place / "d0" / "e0" / f"{number}.bin"
        changed.parent.mkdir(parents=True, exist_ok=True)
        changed.write_bytes(ground.chance.randbytes(60))
    for words in (("add", "-A"), ("commit", "-qm", "second")):
        run("git", *WHO, *words, cwd=place)


def tar_extract(ground: Ground) -> str:
    """Unpack an archive, over whatever is there."""
    built = ground.build_outside(25)
    archive = built.with_suffix(".tar")
    run("tar", "-cf", archive, "-C", built, ".")
    place = _target(ground, "unpacked")
    run("tar", "-xf", archive, "-C", place)
    return str(place)


def rsync(ground: Ground) -> str:
    """Mirror a tree into the root: beside and renamed, or in place; times are set as they are in the source."""
    built = ground.build_outside(25)
    place = _target(ground, "synced")
    options = ground.chance.choice((["-a"], ["-a", "--delete"], ["-a", "--inplace"]))
    if ground.hears_all and "--inplace" in options:
        options = [*options, "--whole-file"]
    run("rsync", *options, f"{built}/", f"{place}/")
    return f"{' '.join(options)} {place}"


def copy_tree(ground: Ground) -> str:
    """Run cp -r, over whatever is there."""
    built = ground.build_outside(25)
    place = _target(ground, "copied")
    run("cp", "-r", "--remove-destination", f"{built}/.", place)
    return str(place)


def _target(ground: Ground, name: str) -> Path:
    """Give a directory of that name: what an earlier run left there, or an empty one where that is not as it was."""
    place = ground.some_place() / name
    if not is_directory(place) or not all(map(_is_as_built, place.rglob("*"))) or ground.chance.random() < 0.3:
        remove(place)
        place.mkdir()
    return place


def _is_as_built(path: Path) -> bool:
    """Whether a tool finds what it expects under a name of `Ground.build_outside`; it does not write through links."""
    if path.name.endswith(".bin"):
        return is_file(path) and path.stat().st_nlink == 1
    return is_directory(path) or len(path.name) != 2


WORK: tuple[Callable[[Ground], str | None], ...] = (git_checkout, tar_extract, rsync, copy_tree)
