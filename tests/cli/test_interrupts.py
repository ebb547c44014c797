from __future__ import annotations

import signal
import sys

import pytest

from batchupdate.cli.confirm_and_send import stoppable, unless_stopped
from batchupdate.cli.console import Screen
from batchupdate.cli.interrupts import ended_by_signals
from batchupdate.engine import Stop
from batchupdate.errors import Interrupted

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


def _twice(number: int) -> None:
    """The second signal comes while what the first one ended is being cleaned up."""
    try:
        signal.raise_signal(number)
    finally:
        assert signal.getsignal(number) is signal.SIG_IGN  # or it would end this process
        signal.raise_signal(number)


def test_a_second_signal_does_not_change_how_a_command_ends_that_the_first_one_ended() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        with pytest.raises(Interrupted) as ended, ended_by_signals():
            _twice(signal.SIGTERM)
        assert ended.value.exit_code == 143
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
        signal.raise_signal(signal.SIGTERM)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_command_that_no_signal_ended_leaves_them_as_they_were() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with ended_by_signals():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


async def _ends_with_a_signal(_: object) -> str:
    """What keeps the event loop busy to its end, so that the loop does not hear the signal before that."""
    signal.raise_signal(signal.SIGTERM)
    return "done"


def test_a_signal_that_comes_at_the_very_end_of_reading_is_not_lost_on_what_follows() -> None:
    with pytest.raises(Interrupted) as ended:
        unless_stopped(Screen(quiet=True), Stop(), _ends_with_a_signal)
    assert ended.value.exit_code == 143


def test_a_signal_that_comes_at_the_very_end_of_sending_leaves_what_was_sent_and_is_known() -> None:
    stop = Stop()
    assert stoppable(Screen(quiet=True), stop, _ends_with_a_signal) == "done"
    assert stop.signal_number == signal.SIGTERM
