"""What tests and people ask of the emulator itself, below `/_emulator/`; JSON throughout, no latency, no faults.

| request | does |
|---|---|
| GET objects[?env=ENV] | every object: env, key, size, md5, content_type, has_fileid, place, headers, … |
| GET objects/ENV/KEY | the object's bytes, KEY percent-quoted |
| GET log | the newest requests, oldest first: at, call, env, key, items, status, outcome, fault, seconds, … |
| GET counters | totals by call and outcome, bytes, most at once, connections |
| GET faults | the script, each fault with how often it was seen and struck |
| POST faults | a JSON list takes the script's place; `[]` clears it |
| POST latency | `{"seconds": 0.05}`: every call waits so long from now on |
| POST at-once | `{"limit": 8}`: so many may be under way at once from now on; null is any number |
| POST revoke-token | all access tokens are invalid from now on (40001) |
| POST reset | objects, tokens, faults, log and counters are gone; latency and at-once are as in the settings |

Refusal: no token, secret, signature or link can be read here.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

from tcbsync.emulator.faults import from_json
from tcbsync.emulator.replies import Region, Reply

if TYPE_CHECKING:
    from aiohttp import web

    from tcbsync.emulator.exchange import Service

PREFIX = "/_emulator"


async def inspect(service: Service, request: web.BaseRequest, path: str, query: str) -> Reply:
    """Answer one request; `path` is what follows PREFIX."""
    name = path.strip("/")
    try:
        if request.method == "POST":
            return _command(service, name, json.loads(await request.content.read() or b"null"))
        return _object_bytes(service, path) if name.startswith("objects/") else _question(service, name, query)
    except (ValueError, TypeError, LookupError) as error:
        return _json({"error": str(error) or type(error).__name__}, 404 if isinstance(error, LookupError) else 400)


def _question(service: Service, name: str, query: str) -> Reply:
    match name:
        case "objects":
            env = parse_qs(query).get("env", [None])[0]
            everything = service.storage.objects.values()
            return _json([asdict(stored) for stored in everything if env in (None, stored.env)])
        case "log":
            return _json([entry._asdict() for entry in service.record.log])
        case "counters":
            return _json(service.record.counters.report())
        case "faults":
            return _json(service.script.report())
    raise LookupError(f"nothing to ask is called {name!r}")


def _command(service: Service, name: str, document: Any) -> Reply:
    match name:
        case "faults":
            faults = from_json(document)
            service.script.clear()
            service.script.install(*faults)
        case "latency":
            seconds = float(document["seconds"])
            if not 0 <= seconds < 3600:
                raise ValueError("latency is 0 to 3600 seconds")
            service.latency_seconds = seconds
        case "at-once":
            limit = document["limit"]
            if limit is not None and (type(limit) is not int or limit < 1):
                raise ValueError("limit is at least 1, or null")
            service.places.limit = limit
        case "revoke-token":
            service.tokens.revoke()
        case "reset":
            reset(service)
        case _:
            raise LookupError(f"nothing to command is called {name!r}")
    return _json({"ok": True})


def reset(service: Service) -> None:
    """Forget everything but the settings."""
    service.storage.clear()
    service.tokens.clear()
    service.script.clear()
    service.record.clear()
    service.latency_seconds = service.settings.latency_seconds
    service.places.limit = service.settings.at_once


def _object_bytes(service: Service, path: str) -> Reply:
    env, _, key = unquote(path.removeprefix("/objects/")).partition("/")
    stored = service.storage.objects[env, key]
    file = service.storage.path(stored).open("rb")
    headers = {"Content-Type": stored.content_type, "Content-Length": str(stored.size)}
    return Reply(200, headers, region=Region(file, 0, stored.size))


def _json(answer: Any, status: int = 200) -> Reply:
    body = json.dumps(answer, ensure_ascii=False).encode()
    return Reply(status, {"Content-Type": "application/json"}, body)
