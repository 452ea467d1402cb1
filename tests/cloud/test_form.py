"""The form of an upload, byte by byte, and the media types that it names."""

from __future__ import annotations

import mimetypes
from typing import TYPE_CHECKING

import pytest

from tcbsync.cloud.api import Body, Link
from tcbsync.cloud.content_type import MEDIA_TYPES, content_type
from tcbsync.cloud.form import Form
from tcbsync.cloud.outgoing import PIECE
from tcbsync.core.errors import FileChanged, Refused
from tests.cloud.contract import chunks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def link(key: str = "图/a.png") -> Link:
    """Return a link for a key."""
    return Link(key, "cloud://e.b/a.png", "http://h/", "sign&=1;2", "token", "cos+id=")


async def test_every_byte_of_the_form() -> None:
    """The fields come in their order, raw, the file last with a constant name; the length is known beforehand."""
    form = Form(link(), Body(3, chunks(b"a", b"bc"), {"Cache-Control": "max-age=60", "x-cos-meta-a": "b"}))

    sent = b"".join([piece async for piece in form])

    boundary = form.media_type.removeprefix("multipart/form-data; boundary=")
    field = f'--{boundary}\r\nContent-Disposition: form-data; name="'
    assert sent.decode() == (
        f'{field}key"\r\n\r\n图/a.png\r\n'
        f'{field}Signature"\r\n\r\nsign&=1;2\r\n'
        f'{field}x-cos-security-token"\r\n\r\ntoken\r\n'
        f'{field}x-cos-meta-fileid"\r\n\r\ncos+id=\r\n'
        f'{field}Content-Type"\r\n\r\nimage/png\r\n'
        f'{field}Cache-Control"\r\n\r\nmax-age=60\r\n'
        f'{field}x-cos-meta-a"\r\n\r\nb\r\n'
        f'{field}file"; filename="file"\r\n\r\nabc\r\n--{boundary}--\r\n'
    )
    assert form.size == len(sent)
    assert boundary.isalnum()


@pytest.mark.parametrize(
    ("key", "form", "expected"),
    [
        ("a.png", {}, "image/png"),
        ("a.png", {"Content-Type": "image/x-own"}, "image/x-own"),
        ("a.png", {"Content-Type": ""}, None),
        ("a.unheard-of", {}, None),
        ("a", {"Cache-Control": ""}, None),
    ],
)
async def test_fields_that_are_left_out(key: str, form: dict[str, str], expected: str | None) -> None:
    """An unknown type and an empty field are left out; a given type comes before ours."""
    form_body = Form(link(key), Body(0, chunks(), form))

    sent = b"".join([piece async for piece in form_body]).decode()

    assert ("Content-Type" in sent) == (expected is not None)
    assert expected is None or f'"Content-Type"\r\n\r\n{expected}\r\n' in sent
    assert "Cache-Control" not in sent
    assert "octet-stream" not in sent


async def test_a_file_in_memory_leaves_whole() -> None:
    """What is in memory and small is one piece, the same bytes as those that would be streamed."""
    form = Form(link(), Body(3, b"abc"))

    streamed = b"".join([piece async for piece in form])

    assert form.whole == streamed
    assert streamed.count(b"\r\n\r\nabc\r\n--") == 1


@pytest.mark.parametrize(
    "body",
    [Body(3, chunks(b"abc")), Body(PIECE, b"x" * PIECE), Body(4, b"abc"), Body(2, b"abc")],
    ids=["a reader", "too large for one piece", "shorter than announced", "longer than announced"],
)
def test_what_does_not_leave_whole(body: Body) -> None:
    """What is not at hand, or not small, or not what was announced, goes the long way, past all the checks."""
    form = Form(link(), body)

    assert form.whole is None


async def test_a_small_file_leaves_in_one_piece() -> None:
    """What is in memory and small is joined to one write; a large file passes through as it is."""
    small = Form(link(), Body(1000, b"x" * 1000))
    large = b"y" * PIECE * 3
    big = Form(link(), Body(len(large), chunks(large)))

    small_pieces = [piece async for piece in small]
    big_pieces = [piece async for piece in big]

    assert len(small_pieces) == 1
    assert len(big_pieces) == 2
    assert big_pieces[1].startswith(large)


async def test_a_stream_keeps_its_own_measure() -> None:
    """Whoever gives the bytes in small chunks has a reason, such as a limit: none of them waits for more."""
    form = Form(link(), Body(1000, chunks(*[b"x" * 10] * 100)))

    pieces = [piece async for piece in form]

    assert pieces[1:-1] == [b"x" * 10] * 99


@pytest.mark.parametrize("size", [0, 2, 4, 9])
async def test_a_torn_file_in_memory_gets_no_end(size: int) -> None:
    """Bytes in memory that are not as many as announced are no better than a torn file."""
    form = Form(link(), Body(size, b"abc"))

    with pytest.raises(FileChanged, match="图/a"):
        [piece async for piece in form]


@pytest.mark.parametrize("size", [0, 2, 4, 9])
async def test_a_torn_file_gets_no_end(size: int) -> None:
    """A file of another length never gets its closing boundary, and its reader is closed."""
    is_open = True

    async def reader() -> AsyncIterator[bytes]:
        nonlocal is_open
        try:
            yield b"a"
            yield b"bc"
        finally:
            is_open = False

    form = Form(link(), Body(size, reader()))
    sent = bytearray()

    async def pour() -> None:
        async for piece in form:
            sent.extend(piece)

    with pytest.raises(FileChanged, match="图/a"):
        await pour()

    assert b"--\r\n" not in sent[-4:]
    assert not is_open


async def test_boundaries_differ() -> None:
    """No two forms share a boundary."""
    boundaries = {Form(link(), Body(0, chunks())).media_type for _ in range(100)}

    assert len(boundaries) == 100


def test_a_key_that_cos_would_rewrite() -> None:
    """COS puts a file name in place of `${filename}`: such a key is refused."""
    with pytest.raises(Refused, match="filename"):
        Form(link("a/${filename}.png"), Body(0, chunks()))


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("a.webp", "image/webp"),
        ("a/b.avif", "image/avif"),
        ("font.woff2", "font/woff2"),
        ("声音.mp3", "audio/mpeg"),
        ("data.json", "application/json"),
        ("game.wasm", "application/wasm"),
        ("model.glb", "model/gltf-binary"),
        ("hero.atlas", "text/plain"),
        ("hero.plist", "application/xml"),
        ("LOUD.PNG", "image/png"),
        ("archive.tar.gz", "application/gzip"),
        ("noextension", None),
        (".png", None),
        ("dir.png/file", None),
        ("a.", None),
        ("a.bin", None),
    ],
)
def test_media_types(key: str, expected: str | None) -> None:
    """The extension decides, in any case of letters; what is not in the table has none."""
    media_type = content_type(key)

    assert media_type == expected


def test_the_table_never_guesses() -> None:
    """Every row is a media type, and none is octet-stream."""
    types = set(MEDIA_TYPES.values())

    assert "application/octet-stream" not in types
    assert all(media_type.count("/") == 1 for media_type in types)
    assert all(extension == extension.lower() for extension in MEDIA_TYPES)


def test_the_table_agrees_with_python() -> None:
    """Where Python's own table (without the machine's) knows an extension too, it says the same, but for these."""
    ours_is_newer = {"bmp", "ico", "xml", "xsl", "wav", "js", "mjs", "obj", "eot", "aac", "avi", "rtf", "md", "map"}
    ours_is_newer |= {"3gp", "opus"}
    theirs = mimetypes.MimeTypes().types_map[True]

    differing = {extension for extension, ours in MEDIA_TYPES.items() if theirs.get(f".{extension}", ours) != ours}

    assert differing <= ours_is_newer
