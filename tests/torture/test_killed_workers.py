"""Runs on two to four worker processes, of which some are killed with `kill -9`, and often the run itself.

A seed is told again from its number: `pytest tests/torture -k plain-on-workers-1`; the long form is
`benchmarks/torture.py --workers`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from torture.story import World, blind, faulty, on_workers, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from torture.truth import Verdict

WORLDS = (
    *(on_workers(plain(seed), 2) for seed in range(2)),
    *(on_workers(blind(seed, repeatable=True), 2) for seed in range(2)),
    *(on_workers(blind(seed, repeatable=False), 2) for seed in (0, 3)),
    *(on_workers(faulty(seed, repeatable=True), 2) for seed in range(2)),
    *(on_workers(faulty(seed, repeatable=False), 2 + seed) for seed in range(2)),
)


@pytest.mark.parametrize("world", WORLDS, ids=str)
def test_killed_workers_and_coordinators_lose_no_row_and_tell_no_lie(
    judged: Callable[[World], Verdict], world: World
) -> None:
    assert judged(world).broken == []
