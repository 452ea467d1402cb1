"""Takes requests and answers apart into named classes of bytes: where a fault can strike.

Rule: a class is a name and a place; everything is found by parsing what passes, nothing by counting beforehand.
Refusal: nothing is changed here, and nothing is judged: a message that cannot be parsed has fewer classes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

BEHIND = "behind its last byte"
BEFORE_ANSWER = "before the answer"
AFTER_ANSWER = "after the answer"
LARGE_BYTES = 1024 * 1024

_VALUE = re.compile(rb'"(\w+)":\s*(\[\s*)?("(?:[^"\\]|\\.)*"|[^,\[\]{}\s]+)')
_PART = re.compile(rb'--([0-9A-Za-z-]+)\r\n([^\r]*name="([^"]+)"[^\r]*)\r\n\r\n')
_FILE_ID = re.compile(rb'"(?:file_id|fileid|fileid_list)":\s*\[?\s*"cloud://([^."]+)\.([^/"]+)/([^"]+)"')
_ADDRESS = re.compile(rb'"(?:url|download_url)":\s*"http://([^/"]+)(/[^"]+)"')


@dataclass(frozen=True, slots=True)
class Span:
    """One class of bytes in one message: from `start` to before `end`; the two are equal where it is a seam."""

    name: str
    start: int
    end: int

    @property
    def middle(self) -> int:
        """Where a fault strikes."""
        return (self.start + self.end) // 2


@dataclass(slots=True)
class Message:
    """One request or answer: what is known before the rest of its body has passed."""

    known: bytes
    """The head and the start of the body: up to the first byte of the file, or the whole."""
    size: int
    """Bytes of the whole message."""
    spans: list[Span] = field(default_factory=list)
    call: str = ""

    def span(self, name: str) -> Span | None:
        """Find a class by its name."""
        return next((span for span in self.spans if span.name == name), None)


def content_length(head: bytes) -> int:
    """Read the length of the body out of a head; 0 where it names none."""
    match = re.search(rb"\r\ncontent-length: *([0-9]+)", head, re.IGNORECASE)
    return int(match[1]) if match else 0


def file_start(known: bytes) -> int | None:
    """Find where the first byte of the file stands, if that has come yet."""
    match = re.search(rb'name="file"[^\r]*\r\n\r\n', known)
    return match.end() if match else None


def request(known: bytes, size: int) -> Message:
    """Take a request apart. `known` reaches to the first byte of the file, or is the whole."""
    message = Message(known, size)
    line, body = known.find(b"\r\n"), known.find(b"\r\n\r\n") + 4
    method, target = known.find(b" "), known.rfind(b" ", 0, line)
    query = known.find(b"?", 0, target)
    path_end = query if query > 0 else target
    message.spans += [Span("method", 0, method), Span("path", method + 1, path_end)]
    message.spans += [Span("query", query + 1, target)] if query > 0 else []
    message.spans += [Span("version", target + 1, line), *_headers(known, line + 2, body)]
    target_bytes = known[method + 1 : path_end]
    if target_bytes.startswith(b"/cos/"):
        message.spans += _form(known, body, size)
        message.call = _upload(message)
    else:
        message.spans += _json(known, body)
        message.call = "head" if known.startswith(b"HEAD") else target_bytes.rpartition(b"/")[2].decode("latin-1")
    message.spans.append(Span(BEHIND, size, size))
    return message


def answer(whole: bytes) -> Message:
    """Take an answer apart."""
    message = Message(whole, len(whole))
    line, body = whole.find(b"\r\n"), whole.find(b"\r\n\r\n") + 4
    message.spans = [
        Span(BEFORE_ANSWER, 0, 0),
        Span("answer: version", 0, 8),
        Span("answer: status", 9, 12),
        *(Span(f"answer: {span.name}", span.start, span.end) for span in _headers(whole, line + 2, body)),
        *(Span(f"answer: {span.name}", span.start, span.end) for span in _json(whole, body)),
        Span(AFTER_ANSWER, len(whole), len(whole)),
    ]
    return message


def secrets_in(message: Message) -> Iterator[str]:
    """Give what nobody but the two ends may ever see of a message: tokens, signatures, secrets."""
    hidden = {"query", "Signature", "x-cos-security-token", "x-cos-meta-fileid", "secret", "access_token"}
    hidden |= {"authorization", "token", "cos_file_id"}
    for span in message.spans:
        if span.name.removeprefix("answer: ").removeprefix("value of ") in hidden and span.end - span.start >= 16:
            yield message.known[span.start : span.end].decode("latin-1").strip('"').removeprefix("access_token=")


def _headers(known: bytes, start: int, body: int) -> Iterator[Span]:
    while start < body - 2:
        end, colon = known.find(b"\r\n", start), known.find(b":", start)
        name = known[start:colon].decode("latin-1")
        yield Span(f"header {name}: name", start, colon)
        yield Span(f"header {name}", colon + 2, end)
        start = end + 2
    yield Span("end of headers", body - 2, body)


def _json(known: bytes, start: int) -> Iterator[Span]:
    if start == len(known):
        return
    yield from _edges("body", start, len(known))
    seen: set[str] = set()
    for match in _VALUE.finditer(known, start):
        name = match[1].decode()
        if name not in seen:
            seen.add(name)
            yield Span(f"name of {name}", match.start(1), match.end(1))
            yield Span(f"value of {name}", match.start(3), match.end(3))
    if file_id := _FILE_ID.search(known, start):
        parts = ("env", "bucket", "path")
        yield from (Span(f"{part} of file id", *file_id.span(at)) for at, part in enumerate(parts, 1))
    if address := _ADDRESS.search(known, start):
        yield from (Span(f"{part} of address", *address.span(at)) for at, part in ((1, "host"), (2, "path")))


def _form(known: bytes, start: int, size: int) -> Iterator[Span]:
    parts = list(_PART.finditer(known, start))
    for part, following in zip(parts, [*parts[1:], None], strict=False):
        name = part[3].decode()
        yield Span(f"boundary before {name}", part.start(), part.end(1))
        yield Span(f"part headers of {name}", *part.span(2))
        if following is not None:
            yield Span(f"value of {name}", part.end(), following.start() - 2)
            continue
        closing = size - len(f"\r\n--{part[1].decode()}--\r\n")
        yield from _edges("file", part.end(), closing)
        yield Span("closing boundary", closing, size)


def _edges(what: str, start: int, end: int) -> Iterator[Span]:
    if end > start:
        yield Span(f"{what}: first byte", start, start + 1)
        yield Span(f"{what}: middle byte", (start + end) // 2, (start + end) // 2 + 1)
        yield Span(f"{what}: last byte", end - 1, end)


def _upload(message: Message) -> str:
    closing = message.span("closing boundary")
    if closing is None:
        return "upload"
    length = closing.start - len(message.known)
    return "upload large" if length > LARGE_BYTES else "upload small" if length else "upload empty"
