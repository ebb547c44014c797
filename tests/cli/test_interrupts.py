from __future__ import annotations

import signal
import sys

import pytest

from batchupdate.cli.interrupts import ended_by_signals
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
