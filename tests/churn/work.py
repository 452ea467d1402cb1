"""Every kind of work there is, and chance that picks the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.churn import files, tools, trees

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.churn.ground import Ground

    Work = Callable[[Ground], str | None]

HEARD: tuple[Work, ...] = (
    files.new_file,
    files.overwrite_in_place,
    files.same_size_and_mtime,
    files.touch,
    files.append,
    files.cut_off,
    files.save_atomically,
    files.save_like_vim,
    files.slow_write,
    files.link_in,
    files.rename_file,
    trees.rename_tree,
    files.swap_files,
    trees.swap_trees,
    files.delete_and_recreate,
    trees.move_tree_in,
    trees.move_tree_out,
    trees.make_and_fill_quickly,
    trees.link_instead,
    trees.unlink_link,
    trees.change_kind,
    trees.make_twins,
    trees.edit_the_rules,
    *tools.WORK,
)
"""What makes an event for every path that it changes."""

SILENT: tuple[Work, ...] = (files.map_and_write, files.truncate_by_path, files.link_within, trees.close_doors)
"""What makes none, or not for every path: only a rescan finds it. inotify(7) knows no event for a write through a
mapping or through another name; truncate(2) and chmod(2) make only MODIFY and ATTRIB, which we do not ask for, because
busy writers would overflow the queue with them."""

REMOVING: tuple[Work, ...] = (files.delete_file, trees.delete_tree)


def next_work(ground: Ground) -> Work:
    """Pick the next piece of work."""
    everything = HEARD + REMOVING if ground.hears_all else HEARD + REMOVING + SILENT
    return ground.chance.choice(REMOVING if ground.is_crowded and ground.chance.random() < 0.6 else everything)
