"""The map from watch numbers to paths, alone."""

from __future__ import annotations

from tcbsync.local.watch_tree import Node, WatchTree


def tree_of(*paths: str) -> WatchTree:
    """Return a tree with the root as number 0 and the paths numbered from 1."""
    tree = WatchTree()
    tree.place(0, None, "")
    for number, path in enumerate(paths, start=1):
        above, _, name = path.rpartition("/")
        tree.place(number, tree.find(above), name)
    return tree


def node_of(tree: WatchTree, number: int) -> Node:
    """Return a node that must be there."""
    node = tree.node(number)
    assert node is not None
    return node


def path_of(tree: WatchTree, number: int) -> str | None:
    """Return where a number is now."""
    return tree.path(node_of(tree, number))


def test_paths_are_relative_to_the_root() -> None:
    """The root is the empty path, and all others are joined with slashes."""
    tree = tree_of("a", "a/b", "a/b/c")

    assert [path_of(tree, number) for number in range(4)] == ["", "a", "a/b", "a/b/c"]


def test_a_moved_directory_takes_everything_along() -> None:
    """One placement corrects the paths of all that lies beneath."""
    tree = tree_of("a", "a/b", "a/b/c", "x")

    tree.place(2, tree.find("x"), "moved")

    assert path_of(tree, 3) == "x/moved/c"
    assert tree.find("a/b") is None


def test_what_is_adrift_has_no_path() -> None:
    """A directory that was moved out has no path, nor has anything beneath, until it is placed again."""
    tree = tree_of("a", "a/b")

    tree.set_adrift(node_of(tree, 1))
    adrift = [path_of(tree, 1), path_of(tree, 2)]
    tree.place(1, tree.root, "back")

    assert adrift == [None, None]
    assert path_of(tree, 2) == "back/b"


def test_a_newcomer_sets_the_old_one_adrift() -> None:
    """There is one directory to a name: the one that the disk has shown last."""
    tree = tree_of("a", "a/b")

    tree.place(9, tree.root, "a")

    assert path_of(tree, 9) == "a"
    assert path_of(tree, 2) is None


def test_no_directory_is_put_beneath_itself() -> None:
    """Knowledge that is older than the disk may ask for a ring; it is refused and nothing changes."""
    tree = tree_of("a", "a/b")

    placed = tree.place(1, tree.find("a/b"), "ring")

    assert placed is None
    assert path_of(tree, 2) == "a/b"


def test_forgetting_leaves_the_others_adrift() -> None:
    """When a watch is gone, what hangs beneath it is still known, but nowhere."""
    tree = tree_of("a", "a/b")

    tree.forget(1)
    tree.forget(1)

    assert tree.node(1) is None
    assert path_of(tree, 2) is None
    assert len(tree) == 2


def test_beneath_is_the_whole_subtree() -> None:
    """However deep it is, without recursion."""
    tree = tree_of("a")
    for number in range(2, 3000):
        tree.place(number, node_of(tree, number - 1), "deeper")

    assert sum(1 for _ in tree.beneath(node_of(tree, 1))) == 2999
