"""Mirrors a folder of the user's. Rule: nothing in it is ever changed; so the daemon is what things happen to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tcbsync.core.words import plural
from tcbsync.demo.stage import StoryFailed

if TYPE_CHECKING:
    from tcbsync.demo.stage import Stage
    from tcbsync.demo.voice import Voice


def tell_own(stage: Stage, voice: Voice) -> None:
    """Mirror it, compare; kill the daemon and start it again, and see that nothing is sent twice.

    Raises StoryFailed, NoAnswer, Interrupted.
    """
    voice.step(f"mirror {stage.root}, which is only read")
    stage.start_daemon()
    proof = stage.until_equal()
    voice.equal(proof)
    if proof.tree.ignored:
        voice.note(f"{plural(proof.tree.ignored, 'name')} ignored")
    if proof.tree.left_out:
        voice.note(f"{plural(len(proof.tree.left_out), 'name')} cannot be mirrored:")
        voice.listing(sorted(proof.tree.left_out.items()))
    stage.until(lambda: _has_looked(stage), "the daemon does not come to rest")
    voice.step("`kill -9` the daemon, and start it again")
    counted = stage.counted()
    stage.kill_daemon()
    stage.start_daemon()
    stage.until(lambda: _has_looked(stage), "the daemon does not come to rest")
    again = stage.until_equal()
    voice.equal(again)
    if again.tree.files != proof.tree.files:
        voice.note("the folder has changed meanwhile, so something may have been sent again")
    elif stage.counted() != counted:
        raise StoryFailed(f"nothing had changed, and yet the service was called: {counted}, then {stage.counted()}")
    else:
        voice.note("nothing was sent again: it looked at every file, and asked for no link")


def _has_looked(stage: Stage) -> bool:
    """Whether the daemon has looked at everything and has no more to send. Whether that is right, we look ourselves."""
    _, mirror = stage.status()
    is_done = not any(mirror.get(name, 1) for name in ("pending_uploads", "pending_deletes"))
    return mirror.get("state") == "in_sync" or (mirror.get("state") == "syncing" and bool(mirror["reason"]) and is_done)
