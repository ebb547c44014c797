"""Plans, their runs, undos, read-backs and matches are killed with `kill -9` and given again, and tell the truth.

Somebody else changes records meanwhile. A tale is told again from its number: `pytest tests/torture -k undo-4`; many
more of them: `python benchmarks/torture.py --kind undo --seeds 60`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from torture.two_way_story import Tale, match_tale, plan_run_tale, plan_tale, undo_tale, verify_tale

if TYPE_CHECKING:
    from collections.abc import Callable

    from torture.two_way_truth import TwoWayVerdict

ROWS = 60
"""Enough for a few claims of the workers, and for three pages of the list."""

KILLS = 2
"""At the most, for a process takes longer to start than these rows do. The benchmark has up to four."""


def short(tale: Callable[[int, int | None], Tale], seed: int) -> Tale:
    """A tale of few rows and kills."""
    told = tale(seed, ROWS)
    return replace(told, blows=told.blows[-KILLS:])


@pytest.mark.parametrize("world", [short(plan_tale, 1)], ids=str)
def test_a_killed_plan_sends_nothing_and_is_never_taken_for_a_finished_one(
    judged: Callable[[Tale], TwoWayVerdict], world: Tale
) -> None:
    assert judged(world).broken == []


@pytest.mark.parametrize("world", [short(plan_run_tale, 7), short(plan_run_tale, 9)], ids=str)
def test_a_killed_run_of_a_plan_sends_what_was_approved_and_overwrites_nobody(
    judged: Callable[[Tale], TwoWayVerdict], world: Tale
) -> None:
    assert judged(world).broken == []


@pytest.mark.parametrize("world", [short(undo_tale, 1), short(undo_tale, 6)], ids=str)
def test_a_killed_undo_gives_back_what_was_there_and_keeps_what_somebody_has_changed_since(
    judged: Callable[[Tale], TwoWayVerdict], world: Tale
) -> None:
    assert judged(world).broken == []


@pytest.mark.parametrize("world", [short(verify_tale, 2)], ids=str)
def test_a_run_that_is_killed_while_it_reads_back_does_not_say_that_it_had(
    judged: Callable[[Tale], TwoWayVerdict], world: Tale
) -> None:
    assert judged(world).broken == []


@pytest.mark.parametrize("world", [short(match_tale, 1)], ids=str)
def test_what_is_ended_while_it_looks_for_ids_has_sent_nothing(
    judged: Callable[[Tale], TwoWayVerdict], world: Tale
) -> None:
    assert judged(world).broken == []
