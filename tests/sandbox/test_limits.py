from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from batchupdate.config.rate import Rate
from batchupdate.sandbox.limits import (
    FixedWindow,
    Quota,
    RateLimit,
    SlidingWindow,
    TokenBucket,
    Turn,
    limit_headers,
    make_limit,
    parse_quota,
)

if TYPE_CHECKING:
    from conftest import FakeClock


def allowed(limit: RateLimit, tries: int) -> int:
    return sum(limit.take().allowed for _ in range(tries))


@pytest.mark.parametrize(
    ("text", "quota"),
    [
        ("20/s", Quota(20, 1)),
        (" 600 / MIN ", Quota(600, 60)),
        ("7/m", Quota(7, 60)),
        ("1000/h", Quota(1000, 3600)),
        ("5/second", Quota(5, 1)),
        ("2.5/s", Quota(5, 2)),
        ("0.1/min", Quota(1, 600)),
        ("unlimited", None),
        (Rate(20.0), Quota(20, 1)),
        (Rate(math.inf), None),
    ],
)
def test_a_limit_means_so_many_in_the_unit_it_names(text: str | Rate, quota: Quota | None) -> None:
    assert parse_quota(text) == quota


@pytest.mark.parametrize("text", ["", "20", "20/day", "0/s", "-1/s"])
def test_what_is_no_rate_is_refused_as_a_limit(text: str) -> None:
    with pytest.raises(ValueError, match="5/s"):
        parse_quota(text)


@pytest.mark.parametrize("kind", ["fixed-window", "sliding-window", "token-bucket"])
def test_every_kind_lets_exactly_its_amount_through_at_once(kind: Any, clock: FakeClock) -> None:
    limit = make_limit(kind, Quota(20, 1), None, clock)
    assert limit is not None
    assert allowed(limit, 50) == 20


def test_no_quota_means_no_limit(clock: FakeClock) -> None:
    assert make_limit("fixed-window", None, None, clock) is None


def test_a_fixed_window_starts_anew_at_its_edge_and_not_before(clock: FakeClock) -> None:
    clock.seconds = 1000.9
    limit = FixedWindow(Quota(3, 1), clock)
    assert allowed(limit, 5) == 3
    clock.seconds = 1000.999
    assert allowed(limit, 5) == 0
    clock.seconds = 1001.0
    assert allowed(limit, 5) == 3


def test_a_fixed_window_tells_the_time_to_its_edge(clock: FakeClock) -> None:
    clock.seconds = 1000.25
    limit = FixedWindow(Quota(2, 60), clock)
    assert limit.take() == Turn(allowed=True, quota=Quota(2, 60), remaining=1, reset_s=19.75)
    clock.seconds = 1001.25
    assert [limit.take(), limit.take()][1] == Turn(False, Quota(2, 60), 0, 18.75)


def test_a_sliding_window_never_holds_more_than_its_amount_at_any_edge(clock: FakeClock) -> None:
    limit = SlidingWindow(Quota(4, 1), clock)
    times = []
    for _ in range(300):
        if limit.take().allowed:
            times.append(clock.seconds)
        clock.seconds += 0.0625
    assert all(later - first >= 1 for first, later in zip(times, times[4:], strict=False))
    assert len(times) == 76  # 300 tries in 18.75 s: four at 0, four more at each of the 18 seconds


def test_a_sliding_window_tells_when_its_oldest_request_leaves(clock: FakeClock) -> None:
    limit = SlidingWindow(Quota(2, 10), clock)
    limit.take()
    clock.seconds += 4
    assert limit.take() == Turn(allowed=True, quota=Quota(2, 10), remaining=0, reset_s=6.0)
    refused = limit.take()
    assert (refused.allowed, refused.reset_s) == (False, 6.0)
    clock.seconds += refused.reset_s
    assert limit.take().allowed


def test_refused_requests_do_not_fill_a_sliding_window(clock: FakeClock) -> None:
    limit = SlidingWindow(Quota(1, 1), clock)
    limit.take()
    clock.seconds += 0.9
    assert not limit.take().allowed
    clock.seconds += 0.1
    assert limit.take().allowed


def test_a_token_bucket_gives_its_burst_then_its_rate(clock: FakeClock) -> None:
    limit = TokenBucket(Quota(10, 1), 3, clock)
    assert allowed(limit, 9) == 3
    clock.seconds += 0.1
    assert allowed(limit, 9) == 1
    clock.seconds += 0.25
    assert allowed(limit, 9) == 2
    clock.seconds += 3600
    assert allowed(limit, 9) == 3


def test_a_token_bucket_told_wait_is_exactly_enough(clock: FakeClock) -> None:
    limit = TokenBucket(Quota(3, 60), 1, clock)
    assert limit.take().remaining == 0
    clock.seconds += 5
    refused = limit.take()
    assert refused.reset_s == pytest.approx(15)
    clock.seconds += refused.reset_s
    assert limit.take().allowed


def test_a_token_bucket_tells_its_burst_and_the_time_to_fill_it(clock: FakeClock) -> None:
    assert TokenBucket(Quota(20, 1), 50, clock).take().quota == Quota(50, 3)
    assert TokenBucket(Quota(20, 1), 20, clock).take().quota == Quota(20, 1)


GONE = Turn(allowed=False, quota=Quota(100, 60), remaining=0, reset_s=29.2)
LEFT = Turn(allowed=True, quota=Quota(100, 60), remaining=50, reset_s=30.0)


def test_retry_after_stands_on_refusals_only_in_whole_seconds_rounded_up(clock: FakeClock) -> None:
    assert limit_headers("retry-after", GONE, clock) == {"Retry-After": "30"}
    assert limit_headers("retry-after", LEFT, clock) == {}


def test_ietf_headers_are_those_of_the_draft(clock: FakeClock) -> None:
    assert limit_headers("ietf", LEFT, clock) == {
        "RateLimit": '"default";r=50;t=30',
        "RateLimit-Policy": '"default";q=100;w=60',
    }


def test_legacy_headers_tell_the_reset_in_epoch_seconds_never_too_early(clock: FakeClock) -> None:
    epoch = int(clock.now().timestamp())
    assert limit_headers("legacy", GONE, clock) == {
        "X-RateLimit-Limit": "100",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": str(epoch + 30),
    }


def test_without_headers_nothing_is_told(clock: FakeClock) -> None:
    assert limit_headers("none", GONE, clock) == {}
