"""Exit codes, as documented: scripts and the systemd unit depend on them."""

from __future__ import annotations

from tcbsync.core.errors import ConfigError, Misconfigured, RateLimited, TcbsyncError, Transient
from tcbsync.daemon.assemble import WRONG_CREDENTIALS

DONE = 0
FAILED = 1
USAGE = 2
INCOMPLETE = 3
"""Done, but some files could not be mirrored."""
HELD = 4
"""Deletes are held: the root is missing or emptied, or a limit was reached."""
UNREACHABLE = 75
"""The service could not be reached; try later."""
CONFIG = 78
"""The configuration is wrong; the unit does not restart on it."""
INTERRUPTED = 130
"""Ctrl-C, as shells count it."""

URGENCY = [DONE, INCOMPLETE, HELD, FAILED, UNREACHABLE, CONFIG]
"""Of several exit codes, the one furthest to the right is the process's."""


def code_of(error: TcbsyncError) -> int:
    """Give the exit code that an error stands for."""
    match error:
        case ConfigError():
            return CONFIG
        case Misconfigured() if error.code in WRONG_CREDENTIALS:
            return CONFIG
        case RateLimited() | Transient():
            return UNREACHABLE
    return FAILED
