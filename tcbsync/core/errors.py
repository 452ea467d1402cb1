"""Everything that can go wrong, as a tree. The class says what to do about it.

    TcbsyncError                 says what, which, and (in `hint`) what next
    ├── ConfigError              the configuration is wrong: nothing starts (exit 78)
    ├── StateError               the state directory or the manifest cannot be used
    │   ├── StateLocked          another process holds it
    │   └── StateDamaged         the manifest's file is damaged: end, and let the next start restore it
    ├── LocalError               a file could not be read as one state; the cloud was not touched
    │   ├── FileVanished         it is gone: look at the disk again
    │   ├── FileChanged          it changed while it was read: wait until it is quiet
    │   └── FileUnreadable       permission, I/O error, not a regular file, a link on the way
    └── CloudError               the service's answer, or its silence
        ├── TokenRejected        the access token is not accepted: a new one, once
        ├── LinkRejected         the upload link is too old or not accepted: a new link, once
        ├── Transient            try again, with back-off
        │   ├── Busy             the same, with fewer at a time
        │   └── NoAnswer         nothing, or not enough of it, came back: it may or may not have happened
        ├── RateLimited          pause everything that calls this API
        ├── StorageFull          no uploads until there is room; deletes go on
        ├── Misconfigured        stop asking, tell the operator, probe slowly
        └── Refused              permanent for this one file

No text in an error ever holds a token, a secret, a signature or a URL's query.
"""

from __future__ import annotations


class TcbsyncError(Exception):
    """Something that is reported to a person; `hint` is the next step to take, if there is one."""

    about: str = ""
    """The call and the file that the message begins with, where it does."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message} ({self.hint})" if self.hint else message

    @property
    def reason(self) -> str:
        """Say it without the call and the file: the file is named beside it, or is not at fault."""
        return str(self).removeprefix(f"{self.about}: ")

    @property
    def in_a_line(self) -> str:
        """Say it in one line, for a log."""
        return "; ".join(line.strip() for line in str(self).splitlines()).replace(":; ", ": ", 1)


def defect(error: BaseException) -> TcbsyncError:
    """Name an error that should not be, without the values that its text may show: they may be anybody's secrets."""
    return TcbsyncError(type(error).__name__, hint="a defect of this program; its log has more")


class ConfigError(TcbsyncError):
    """The configuration is wrong. `mistakes` holds every one that was found, not only the first."""

    def __init__(self, message: str, *, mistakes: tuple[str, ...] = (), hint: str = "") -> None:
        super().__init__("\n".join((message, *(f"  {mistake}" for mistake in mistakes))), hint=hint)
        self.mistakes = mistakes


class StateError(TcbsyncError):
    """The state directory or the manifest cannot be used."""


class StateLocked(StateError):
    """Another process holds the state directory."""


class StateDamaged(StateError):
    """The manifest's file is not what was written. Nothing may be done by it; a start restores it from a copy."""


class LocalError(TcbsyncError):
    """A file could not be read as one state. Nothing is known about it beyond that."""


class FileVanished(LocalError):
    """The file is not there any more."""


class FileChanged(LocalError):
    """The file changed while it was read."""


class FileUnreadable(LocalError):
    """The file is there and cannot be read."""


class CloudError(TcbsyncError):
    """An answer of the service that is not a success, or no answer.

    `code` is the service's own (`"-501001"`, `"AccessDenied"`, `"HTTP 502"`), `request_id` its rid for support.
    """

    def __init__(self, message: str, *, code: str = "", request_id: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.request_id = request_id


class TokenRejected(CloudError):
    """The access token is not accepted."""


class LinkRejected(CloudError):
    """The upload link has expired or is not accepted."""


class Transient(CloudError):
    """May well succeed when tried again. `retry_after` is the service's own wish, in seconds."""

    retry_after: float | None = None


class Busy(Transient):
    """Too many at once."""


class NoAnswer(Transient):
    """No answer, or a broken one: the request may or may not have been carried out."""


class RateLimited(CloudError):
    """A quota is used up. Every caller pauses for `pause_seconds`."""

    pause_seconds: float = 60.0


class StorageFull(CloudError):
    """The environment's storage is used up."""


class Misconfigured(CloudError):
    """Nothing will succeed until a person changes something.

    `env_only` is true where the trouble is one environment's and other environments may go on.
    """

    env_only: bool = False


class Refused(CloudError):
    """The service will never take this one request."""
