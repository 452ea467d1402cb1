"""Hand-made defects of the engine: a simulator that does not find these proves nothing by finding nothing.

Each is one place in the product's source and what stands there instead; the place has to be there. For a process of
its own: nothing is put back.
"""

from __future__ import annotations
import __future__

import inspect
import textwrap
from typing import Any, NamedTuple

from tcbsync.core import settle
from tcbsync.engine import busy, compare, deletes, flush, looks, reads, uploads
from tcbsync.local import digest, scan
from tcbsync.store import rows


class Mutant(NamedTuple):
    """A function, by its owner and name, and what is changed in it: pairs of old text and new."""

    owner: Any
    function: str
    changes: tuple[tuple[str, str], ...]


MUTANTS = {
    "the ETag is not compared": Mutant(
        uploads.Uploads, "_prove", (("elif receipt.md5 != proof.digest.hex():", "elif False:"),)
    ),
    "the file's fingerprint is not compared after it was read": Mutant(
        digest.OpenFile, "finish", (("if not is_same or self._count != self.fingerprint.size:", "if False:"),)
    ),
    "nobody waits until the clock has ticked": Mutant(
        reads, "unsettled_seconds", (("return max(", "return 0 * max("),)
    ),
    "deletes do not wait for uploads": Mutant(
        deletes.Deletes,
        "_due",
        (
            ("if upload_since is None or job.since < upload_since]", "]"),
            ("if job.size not in sizes]", "]"),
        ),
    ),
    "the disk is not asked once more before a delete": Mutant(
        deletes.Deletes, "_surely_gone", (("disk.surely_absent(job.local)", "True"),)
    ),
    "the row goes before the call": Mutant(
        deletes.Deletes,
        "_attempt",
        (
            (
                "        paths = {",
                "        await self._manifest.write(rows.remove, list(ready), self._host.now())\n        paths = {",
            ),
        ),
    ),
    "the digest stays while bytes are sent": Mutant(rows, "sending", (("digest = NULL", "digest = digest"),)),
    "the digest stays while an object is deleted": Mutant(rows, "deleting", (("digest = NULL", "digest = digest"),)),
    "bytes leave without a row": Mutant(
        uploads.Uploads,
        "_link",
        ((" if await self._manifest.write(rows.sending, found, link.file_id) else None", ""),),
    ),
    "a path that is busy is not looked at again": Mutant(
        busy.Busy, "holding", (("self._look_again(path, self._again.pop(path))", "self._again.pop(path)"),)
    ),
    "decisions about busy paths are written down": Mutant(
        looks.Looks, "_void", (("if ended or len(busy):", "if False:"),)
    ),
    "what cannot be looked at is gone": Mutant(
        scan.Disk,
        "_listed",
        (
            ("except OSError as error:\n        snapshot", "except ZeroDivisionError as error:\n        snapshot"),
            ("except GONE:\n        return", "except OSError:\n        return"),
        ),
    ),
    "ignore rules are not asked about what has a row": Mutant(
        compare.Comparison, "_seen", (("if not self.trusts_rows:", "if False:"),)
    ),
    "a flush does not wait for what is looked at again": Mutant(
        flush.Flush, "looked", (("(self._unseen - seen) | left", "self._unseen - seen"),)
    ),
    "a flush takes a look that began before it": Mutant(
        looks.Looks, "look", (("for each in awaited:", "for each in list(self.awaited):"),)
    ),
    "a flush goes by ignore rules that are not those on disk": Mutant(
        flush.Flush, "begin", (("if await self.mirror.looks.has_new_rules():", "if False:"),)
    ),
    "an overflow is forgotten": Mutant(
        settle.Settle,
        "hint",
        (("waiting = self._waiting.get(path)", "waiting = self._waiting.get(path)\n    if not path:\n        return"),),
    ),
}


def breed(name: str) -> None:
    """Turn the product, in this process, into the mutant of that name."""
    owner, function, changes = MUTANTS[name]
    original = getattr(owner, function)
    source = textwrap.dedent(inspect.getsource(original))
    for old, new in changes:
        assert source.count(old) == 1, f"{function} has not exactly one {old!r}: this mutant is not of this program"
        source = source.replace(old, new)
    place: dict[str, Any] = {}
    code = compile(source, f"<{name}>", "exec", flags=__future__.annotations.compiler_flag)
    exec(code, inspect.unwrap(original).__globals__, place)
    setattr(owner, function, place[function])
