"""Deletes every object of a mirror that is not in the configuration any more, as carefully as any other delete.

Rule: the manifest notes that an object is not sure any more before the call leaves, and its row goes when the cloud has
confirmed. Cut off anywhere, it goes on from there. The refusal: nothing is deleted where a mirror that lives puts its
objects; a key there may be that one's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tcbsync.core.errors import NoAnswer
from tcbsync.engine.brake import Closed
from tcbsync.store import forgetting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from tcbsync.cloud.api import Cloud
    from tcbsync.engine.pace import Pace
    from tcbsync.engine.parts import Patience
    from tcbsync.store.forgetting import Living, Object
    from tcbsync.store.manifest import Manifest

SHOWN = 50
"""At most so many failures are kept by name."""


@dataclass(slots=True)
class Forget:
    """The rows of one former mirror, whose objects are at `env` and `prefix`."""

    manifest: Manifest
    cloud: Cloud
    retry: Patience
    pace: Pace
    former: Living
    living: Sequence[Living] = ()
    dropped: int = 0
    """Rows that went."""
    deleted: int = 0
    """Objects that the cloud confirmed to be gone."""
    shielded: int = 0
    """Objects that lie where a living mirror puts its own, and that it does not know: they stay, and their rows."""
    refused: int = 0
    refusals: list[tuple[str, str]] = field(default_factory=list)
    """Some of those that could not be deleted: path and reason."""

    async def without_objects(self) -> None:
        """Forget every row, whatever is in the cloud. Raises StateError."""
        while count := await self.manifest.write(forgetting.drop_all):
            self.dropped += count
        await self.manifest.write(forgetting.close)

    async def with_objects(self) -> AsyncIterator[Forget]:
        """Delete every object; gives itself after each batch. Raises CloudError, StateError."""
        while count := await self.manifest.write(forgetting.drop_unsent):
            self.dropped += count
        neighbours = [each for each in self.living if self._may_meet(each)]
        for each in neighbours:
            await self._drop_known(each)

        def may_go(path: str) -> bool:
            is_free = not any((self.former.prefix + path).startswith(each.prefix) for each in neighbours)
            self.shielded += not is_free
            return is_free

        after = ""
        while True:
            free, after = await self.manifest.write(forgetting.doom, may_go, after, self.pace.host.now())
            if free:
                await self._delete(free)
                yield self
            elif not after:
                break
        await self.manifest.write(forgetting.close)

    async def _drop_known(self, living: Living) -> None:
        """Forget the rows of objects that a living mirror looks after."""
        after = ""
        while True:
            count, after = await self.manifest.write(forgetting.drop_known, self.former.prefix, living, after)
            self.dropped += count
            if not after:
                break

    def _may_meet(self, living: Living) -> bool:
        one, other = self.former.prefix, living.prefix
        return living.env == self.former.env and (one.startswith(other) or other.startswith(one))

    async def _delete(self, objects: Sequence[Object]) -> None:
        paths = {each.file_id: each.path for each in objects}

        async def attempt() -> None:
            try:
                with self.pace.passage(self.former.env, uploads=False):
                    deletions = await self.cloud.delete(self.former.env, list(paths))
            except Closed:
                gate = self.pace.closed(self.former.env, uploads=False)
                raise (gate.error if gate and gate.error else NoAnswer("the service may not be called now")) from None
            gone = [paths.pop(deletion.file_id) for deletion in deletions if deletion.is_gone]
            await self.manifest.write(forgetting.drop, gone)
            self.deleted += len(gone)
            self.dropped += len(gone)
            refused = [(paths[deletion.file_id], deletion.error) for deletion in deletions if not deletion.is_gone]
            self.refused += len(refused)
            self.refusals += refused[: SHOWN - len(self.refusals)]

        await self.retry(attempt)
