"""A run is killed with `kill -9` up to five times, started again each time, and in the end tells the truth.

A seed is told again from its number: `pytest tests/torture -k plain-17`. The 50 seeds are shared out among three kinds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from torture.story import World, blind, faulty, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from torture.truth import Verdict

SEEDS = range(34)
LONG_SEEDS = range(0, 34, 10)
LONGER = 1200
"""Rows of these: three claims and many commits, for a kill to fall among. A story of the benchmark has 2,000.

A process takes most of a second to start and short files take little more, so the other seeds spend their time on
moments to be killed at, not on rows."""

FAULTY_SEEDS = range(8)
BLIND_SEEDS = range(4)


@pytest.mark.parametrize("world", [plain(seed, LONGER if seed in LONG_SEEDS else None) for seed in SEEDS], ids=str)
def test_a_killed_run_loses_no_row_and_tells_no_lie(judged: Callable[[World], Verdict], world: World) -> None:
    assert judged(world).broken == []


@pytest.mark.parametrize("world", [blind(seed, repeatable=seed % 2 == 0, rows=LONGER) for seed in BLIND_SEEDS], ids=str)
def test_a_kill_leaves_no_more_rows_unanswered_than_requests_were_out(
    judged: Callable[[World], Verdict], world: World
) -> None:
    assert judged(world).broken == []


@pytest.mark.parametrize("world", [faulty(seed, repeatable=True) for seed in FAULTY_SEEDS], ids=str)
def test_a_killed_run_tells_no_lie_about_an_api_that_does(judged: Callable[[World], Verdict], world: World) -> None:
    assert judged(world).broken == []


@pytest.mark.parametrize("world", [faulty(seed, repeatable=False) for seed in FAULTY_SEEDS], ids=str)
def test_where_repeating_is_not_safe_no_kill_and_no_fault_sends_a_row_twice(
    judged: Callable[[World], Verdict], world: World
) -> None:
    assert judged(world).broken == []
