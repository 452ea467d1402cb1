"""Signals are noted, and raised only where it does no harm."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tcbsync.demo.interrupt import NUMBERS, Interrupted, Interruption


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number.name)
def test_signal_is_raised_where_it_is_asked_for(number: signal.Signals) -> None:
    """A signal interrupts nothing by itself; the next pause raises it, with its number, and at once."""
    with Interruption() as interruption:
        os.kill(os.getpid(), number)
        started = time.monotonic()

        with pytest.raises(Interrupted) as raised:
            interruption.pause(60)

    assert raised.value.number == number
    assert time.monotonic() - started < 30


def test_handlers_are_put_back() -> None:
    """Afterwards signals mean what they meant before."""
    before = [signal.getsignal(number) for number in NUMBERS]

    with Interruption():
        inside = [signal.getsignal(number) for number in NUMBERS]

    assert [signal.getsignal(number) for number in NUMBERS] == before
    assert all(one != other for one, other in zip(inside, before, strict=True))


def test_ignored_signal_stays_ignored() -> None:
    """Under nohup SIGHUP is ignored, and stays so."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            os.kill(os.getpid(), signal.SIGHUP)
            interruption.check()

            inside = signal.getsignal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)

    assert inside == signal.SIG_IGN
