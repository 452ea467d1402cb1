"""What only TLS excludes: corruption that the service takes, and of which no answer can tell.

Object storage compares nothing but the file's own bytes (ETag), the link's signature and the key. A damaged
`x-cos-meta-fileid` (in the form, in the answer that it came from, or run together with the field behind it) leaves an
object with the right bytes that the API says does not exist; a damaged `Content-Type` leaves one of another type. Over
TLS no such byte arrives. `tcbsync verify --repair` finds and mends the first kind; nothing looks at the second.
"""

from __future__ import annotations

from tests.wire.proxy import FLIP

UPLOADS = ("upload small", "upload large", "upload empty")

BEYOND: frozenset[tuple[str, str, str]] = frozenset(
    [
        ("uploadfile", "answer: value of cos_file_id", FLIP),
        *((call, "value of x-cos-meta-fileid", FLIP) for call in UPLOADS),
        *((call, "boundary before Content-Type", FLIP) for call in UPLOADS),
    ]
)
"""Call, class, fault: after these the API does not know the object. After any other, that is a defect."""
