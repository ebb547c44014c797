from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

import pytest

from batchupdate.util.clock import SPIN_S, SystemClock, minute


class Machine:
    """The machine's time and `asyncio.sleep`, which wakes a little early now and then, as real ones do."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, early: list[float]) -> None:
        self.time, self.slept, self._early = 100.0, list[float](), early
        monkeypatch.setattr(time, "monotonic", lambda: self.time)
        monkeypatch.setattr(asyncio, "sleep", self.sleep)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        early = self._early.pop() if self._early else 0.0
        self.time += max(seconds - early, 0.0005)


def test_monotonic_is_the_machines_own(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, [])
    machine.time = 123.0
    assert SystemClock().monotonic() == 123.0


def test_now_is_in_utc() -> None:
    before = datetime.now(UTC)
    assert before <= SystemClock().now() <= datetime.now(UTC)
    assert SystemClock().now().tzinfo is UTC


@pytest.mark.parametrize("precise", [True, False])
async def test_a_sleep_never_ends_early_even_if_the_timer_does(
    monkeypatch: pytest.MonkeyPatch,
    precise: bool,
) -> None:
    machine = Machine(monkeypatch, [0.01, 0.5])
    await SystemClock().sleep_until(103.0, precise=precise)
    assert 103.0 <= machine.time < 103.001


async def test_a_precise_sleep_leaves_the_timer_before_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, [])
    await SystemClock().sleep_until(101.0, precise=True)
    assert machine.slept[0] == pytest.approx(1.0 - SPIN_S)
    assert set(machine.slept[1:]) == {0.0}


async def test_a_plain_sleep_asks_the_timer_once(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, [])
    await SystemClock().sleep_until(101.0)
    assert machine.slept == [1.0]


async def test_a_moment_that_has_passed_needs_no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, [])
    await SystemClock().sleep_until(99.0, precise=True)
    await SystemClock().sleep_until(100.0)
    assert machine.slept == []


@pytest.mark.parametrize(
    ("unix", "text"),
    [(0.0, "1970-01-01 00:00 UTC"), (60.5, "1970-01-01 00:02 UTC"), (1e18, "9999-12-31 23:59 UTC")],
)
def test_a_minute_is_never_too_early(unix: float, text: str) -> None:
    assert minute(unix) == text
