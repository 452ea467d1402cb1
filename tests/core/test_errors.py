"""An error says what, which, and what next; its class says what to do about it."""

from __future__ import annotations

import inspect

import pytest

from tcbsync.core import errors
from tcbsync.core.errors import (
    Busy,
    CloudError,
    ConfigError,
    Misconfigured,
    NoAnswer,
    RateLimited,
    StateError,
    StateLocked,
    TcbsyncError,
    Transient,
)

CLASSES = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, TcbsyncError)]


@pytest.mark.parametrize("kind", CLASSES)
def test_the_hint_stands_behind_the_message(kind: type[TcbsyncError]) -> None:
    """In parentheses, for every kind of error; what a program asks for is the hint alone."""
    error = kind("root /srv/site is missing", hint="is the volume mounted?")

    assert str(error) == "root /srv/site is missing (is the volume mounted?)"
    assert error.hint == "is the volume mounted?"


@pytest.mark.parametrize("kind", CLASSES)
def test_no_hint_leaves_no_trace(kind: type[TcbsyncError]) -> None:
    """Not every error has a next step."""
    error = kind("it failed")

    assert (str(error), error.hint) == ("it failed", "")


def test_a_wrong_configuration_names_every_mistake() -> None:
    """One to a line below the message, with the hint at the end."""
    error = ConfigError("config.yaml is wrong:", mistakes=("line 3: unknown key", "line 7: no root"), hint="see --help")

    assert str(error) == "config.yaml is wrong:\n  line 3: unknown key\n  line 7: no root (see --help)"
    assert error.mistakes == ("line 3: unknown key", "line 7: no root")


def test_a_wrong_configuration_may_have_one_mistake() -> None:
    """Then the message is all there is to say."""
    error = ConfigError("config.yaml does not exist")

    assert (str(error), error.mistakes) == ("config.yaml does not exist", ())


def test_an_answer_may_have_neither_code_nor_request() -> None:
    """No answer has none."""
    error = CloudError("uploadfile a.png: no answer")

    assert (error.code, error.request_id) == ("", "")


def test_the_services_code_and_request_stand_beside_the_message() -> None:
    """They are for support, and for those who count."""
    error = CloudError("uploadfile a.png: system error", code="-501001", request_id="65a0c1d2-1f2e3d4c")

    assert str(error) == "uploadfile a.png: system error"
    assert (error.code, error.request_id) == ("-501001", "65a0c1d2-1f2e3d4c")


def test_what_is_handled_alike_has_a_common_parent() -> None:
    """Too many at once and no answer are transient; a state that is in use is a state that cannot be used."""
    assert issubclass(Busy, Transient)
    assert issubclass(NoAnswer, Transient)
    assert issubclass(StateLocked, StateError)
    assert not issubclass(RateLimited, Transient)


def test_what_an_error_asks_for_is_its_own() -> None:
    """A wish that is noted on one error does not become everybody's."""
    error = Transient("slow down")
    error.retry_after = 7.0

    assert (Transient("again").retry_after, RateLimited("wait").pause_seconds) == (None, 60.0)
    assert Misconfigured("no such environment").env_only is False


@pytest.mark.parametrize("kind", CLASSES)
def test_the_tree_in_the_docstring_is_complete(kind: type[TcbsyncError]) -> None:
    """Each class stands in the drawing that opens the module, at its depth."""
    assert errors.__doc__ is not None
    drawn = {line.lstrip(" │├└─").split(" ")[0]: line for line in errors.__doc__.splitlines() if line.strip()}

    depth = len(kind.__mro__) - len(TcbsyncError.__mro__)

    assert kind.__name__ in drawn
    assert drawn[kind.__name__].index(kind.__name__) == 4 + 4 * depth
