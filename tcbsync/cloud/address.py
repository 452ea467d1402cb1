"""Addresses as they go over the wire: nothing that the service signed is changed, nothing illegal is sent.

The rule: only what cannot stand in a URL at all is percent-encoded; what is legal stays byte for byte. The one
open question is whether a URL's path comes escaped or not (API docs show neither): the file's name, which is in it
one way or the other, answers it. The refusal: no network, and no guess from the looks of a URL.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

_LEGAL = "!$&'()*+,;=:@/?[]"
"""Besides letters, digits and `-._~`: what may stand in a path or a query as it is (RFC 3986)."""
_PATH = "!$&'()*+,;=:@/"
_IS_LEGAL = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?\[\]-]++|%[0-9A-Fa-f]{2})*+")
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SIGNED = re.compile(r"\?(?=(?:[^?]*&)?sign=[^?]*$)")
"""API docs: a private file's URL ends in `?sign=<md5>&t=<unix>`. Any other `?` belongs to the file's name."""


def request_url(url: str) -> str:
    """Return `url` fit for a request line; a legal URL comes back unchanged. `#` is taken as part of the path."""
    if _IS_LEGAL.fullmatch(url):
        return url
    return quote(_STRAY_PERCENT.sub("%25", url), safe=_LEGAL + "%")


def escaped(url: str, name: str) -> str:
    """Return `url` with its path percent-encoded once; `name` is what the path ends in, unescaped.

    An escaped URL, one that ends in something else, and the signature behind the path all stay as they came.
    """
    origin, path = split_origin(url)
    whole = f"/{name}"  # with its slash, or a short name might be found at the end of a signature
    cut = None if path.endswith(whole) else _SIGNED.search(path)
    path, query = (path[: cut.start()], path[cut.start() :]) if cut else (path, "")
    return origin + quote(path, safe=_PATH) + query if name and path.endswith(whole) else url


def name_of(file_id: str) -> str:
    """Return the path in a file id. API docs: `cloud://<env>.<bucket>/<path>`, the path unescaped."""
    return file_id.removeprefix("cloud://").partition("/")[2]


def place_of(file_id: str) -> str:
    """Return the place in a file id: `<env>.<bucket>`."""
    return file_id.removeprefix("cloud://").partition("/")[0]


def is_id_of(file_id: str, env: str, key: str) -> bool:
    """Whether a file id is that of `key` in `env`, whatever the bucket; its path may come percent-encoded too."""
    name, place = name_of(file_id), place_of(file_id)
    is_whole = file_id == f"cloud://{place}/{name}" and place.startswith(f"{env}.") and place != f"{env}."
    return is_whole and key in (name, unquote(name))


def host_of(url: str) -> str:
    """Return the host of `url`, which may be shown; the rest of it may not."""
    return split_origin(url)[0].partition("://")[2].partition("?")[0].rpartition("@")[2]


def split_origin(url: str) -> tuple[str, str]:
    """Return scheme and host of `url`, and what is behind them: nothing, or a `/` and more."""
    scheme, mark, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return scheme + mark + host, slash + path
