from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchupdate.engine.backoff import MAX_DELAY_S, delay_s


@given(st.integers(1, 10**6), st.floats(0.001, 10), st.floats(0.001, 1000), st.integers())
def test_a_delay_doubles_up_to_its_cap_with_full_jitter(attempt: int, base: float, cap: float, seed: int) -> None:
    random.seed(seed)
    ceiling = min(cap, base * 2.0 ** min(attempt - 1, 60))
    assert 0.0 <= delay_s(attempt, base_s=base, cap_s=cap) <= ceiling


@pytest.mark.parametrize(("attempt", "ceiling"), [(1, 1.0), (2, 2.0), (4, 8.0), (7, MAX_DELAY_S), (5000, MAX_DELAY_S)])
def test_the_jitter_uses_the_whole_range(monkeypatch: pytest.MonkeyPatch, attempt: int, ceiling: float) -> None:
    drawn = []
    monkeypatch.setattr(random, "uniform", lambda low, high: drawn.append((low, high)) or high)
    assert delay_s(attempt) == ceiling
    assert drawn == [(0.0, ceiling)]
