from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchupdate.limiter.advertised import MARGIN, REFUSED, REGAINED_PER_S, Advertised
from batchupdate.limiter.send_log import SendLog
from batchupdate.model import Allowance

numbers = st.sampled_from([None, math.nan, math.inf, -math.inf, -1.0, 0.0]) | st.floats(1e-3, 1e9)
allowances = st.builds(Allowance, numbers, numbers, numbers, numbers)


class Client:
    """What requests have left, and what their replies advertised."""

    def __init__(self) -> None:
        self.log = SendLog()
        self.limits = Advertised(self.log, 300.0)

    def hear(
        self, at: float, *told: Allowance, sent_since: int = 0, late_s: float = 0.0, trip_s: float = 0.1
    ) -> Advertised:
        """Sends a request, and others after it, and takes in the reply to the first."""
        at = self.log.sent(at, 1)
        for later in range(sent_since):
            self.log.sent(at + (later + 1) * 1e-6, 1)
        self.limits.update(at + late_s, at, told, trip_s, 10.0)
        return self.limits


def hear(*told: Allowance, sent_since: int = 0, late_s: float = 0.0) -> Advertised:
    return Client().hear(100.0, *told, sent_since=sent_since, late_s=late_s)


def test_a_long_window_is_paced_so_that_what_remains_lasts_until_its_reset() -> None:
    assert hear(Allowance(600, 300, 50.0, 60.0)).per_s == pytest.approx(300 / 50)


def test_what_left_since_the_request_that_was_answered_is_taken_off() -> None:
    assert hear(Allowance(600, 300, 50.0, 60.0), sent_since=100).per_s == pytest.approx(200 / 50)


def test_nobody_goes_before_the_reset_where_nothing_is_left() -> None:
    assert hear(Allowance(600, 0, 50.0, 60.0)).closed_until == 150.0
    on_its_way = hear(Allowance(600, 4, 50.0, 60.0), sent_since=4)  # it will use up what is left
    assert on_its_way.closed_until == 150.0


def test_the_reset_counts_from_when_the_request_left_and_not_from_its_late_reply() -> None:
    assert hear(Allowance(600, 0, 50.0, 60.0), late_s=10.0).closed_until == 150.0


def test_nobody_waits_for_a_reset_for_longer_than_the_longest_wait() -> None:
    assert hear(Allowance(600, 0, 86_400.0)).closed_until == 400.0


def test_of_several_resets_rounded_up_the_nearest_counts() -> None:
    client = Client()
    for at, reset_s in ((100.0, 50.0), (100.4, 50.0), (100.9, 49.0)):
        client.hear(at, Allowance(600, 0, reset_s, 60.0))
    assert client.limits.closed_until == pytest.approx(149.9)


def test_the_tightest_of_several_limits_counts() -> None:
    client = Client()
    assert client.hear(100.0, Allowance(10, 9, 1.0, 1.0), Allowance(600, 100, 50.0, 60.0)).per_s == pytest.approx(2.0)
    client.hear(100.1, Allowance(10, 9, 1.0, 1.0), Allowance(6000, 5000, 49.9, 60.0))
    assert client.limits.per_s == pytest.approx(10.0 * (1 - MARGIN))


def test_a_reply_that_was_overtaken_changes_nothing() -> None:
    client = Client()
    early, late = client.log.sent(100.0, 1), client.log.sent(100.1, 2)
    for at, left in ((late, 298), (early, 299)):
        client.limits.update(101.0, at, [Allowance(600, left, 50.0, 60.0)], 0.1, 10.0)
    assert client.limits.per_s == pytest.approx(298 / 49.1)


def test_a_short_window_is_paced_by_its_limit_and_not_by_what_is_left_of_it() -> None:
    assert hear(Allowance(10, 1, 1.0, 1.0)).per_s == pytest.approx(10.0 * (1 - MARGIN))


def test_a_short_window_whose_rate_is_known_does_not_close_for_old_news() -> None:
    known = hear(Allowance(100, 0, 1.0, 1.0), sent_since=5)
    assert known.closed_until == -math.inf
    assert known.per_s == pytest.approx(100 * (1 - MARGIN))
    assert hear(Allowance(100, 0, 1.0)).closed_until == 101.0  # nothing else is known of this one


def windows(client: Client, count: int, *, seconds: int, requests: int) -> None:
    """Advertises windows of so many seconds, of which each is used up evenly, without saying how long they are."""
    for request in range(count * requests):
        window, used = divmod(request, requests)
        start = 100 + window * seconds
        at = start + used * seconds / requests
        client.hear(at, Allowance(requests, requests - 1 - used, start + seconds - at))


@pytest.mark.parametrize(("seconds", "requests"), [(1, 10), (60, 100)])
def test_windows_are_learned_from_their_resets_where_they_are_not_told(seconds: int, requests: int) -> None:
    client = Client()
    windows(client, 6, seconds=seconds, requests=requests)
    assert client.limits.known_per_s == pytest.approx(requests / seconds)


def test_a_window_is_learned_although_its_requests_overtake_each_other_on_a_long_way() -> None:
    chance = random.Random(5)  # noqa: S311 - jitter, no secret
    client, heard = Client(), []
    for request in range(1500):  # a hundred a second, in windows of a second, two seconds away
        at = client.log.sent(100 + request / 100, 1)
        heard.append((at + chance.uniform(0.32, 0.48), at))
    used: dict[int, int] = {}
    for arrived, at in sorted(heard):
        window = math.floor(arrived)
        used[window] = used.get(window, 0) + 1
        told = Allowance(100, max(0, 100 - used[window]), window + 1 - arrived)
        client.limits.update(at + 2, at, [told], 2.0, 100.0)
    assert client.limits.known_per_s == pytest.approx(100.0)


def test_a_limit_that_grows_in_the_middle_of_a_window_makes_no_shorter_window() -> None:
    client = Client()
    windows(client, 5, seconds=60, requests=100)
    for second in range(1, 60):  # it doubles at half time
        client.hear(
            400.0 + second,
            Allowance(200 if second > 30 else 100, (200 if second > 30 else 100) - second, 60.0 - second),
        )
    client.hear(460.0, Allowance(200, 199, 60.0))
    assert client.limits.known_per_s == pytest.approx(200 / 60)


def trickle(client: Client, start: float, count: int, remaining: float, told_s: float | None, size: float = 20) -> None:
    """Requests at ten a second to a bucket of which as much remains all the time, and which tells a window."""
    for request in range(count):
        client.hear(start + request / 10, Allowance(size, remaining, 0.2, told_s))


def test_a_bucket_that_trickles_is_not_taken_for_a_window() -> None:
    client = Client()
    for request in range(200):  # one token comes back for each request: none is ever given back at once
        at = 100 + request / 10
        client.hear(at, Allowance(10, request % 2, math.ceil(at + 0.1) - at))
    assert client.limits.closed_until == -math.inf  # and so nobody waits for its whole second


def test_what_is_let_in_while_as_much_remains_is_what_comes_back_from_the_first_count_on() -> None:
    client, found = Client(), []
    for request in range(100):
        trickle(client, 100.0 + request / 10, 1, 6.0, None)
        found.append(client.limits.known_per_s)
    assert found[-1] == pytest.approx(10.0, rel=0.06)
    assert all(per_s == math.inf or per_s < 11.0 for per_s in found)


def test_what_remains_of_a_bucket_is_spent_within_about_a_second() -> None:
    few, many = Client(), Client()
    trickle(few, 100.0, 100, 2.0, None)
    trickle(many, 100.0, 100, 12.0, None)
    assert many.limits.per_s - few.limits.per_s == pytest.approx(10.0)


def test_of_a_full_bucket_nobody_knows_how_fast_it_refills() -> None:
    client = Client()
    trickle(client, 100.0, 100, 6.0, None)
    trickle(client, 111.0, 5, 20.0, None)
    assert client.limits.known_per_s == math.inf


def test_an_advertised_rate_that_is_used_up_while_much_stays_left_is_too_low_and_what_comes_back_decides() -> None:
    client = Client()
    trickle(client, 100.0, 60, 15.0, 4.0)  # it advertises 20 in 4 s, and gives back ten a second
    assert client.limits.refuted
    assert client.limits.known_per_s == pytest.approx(10.0, rel=0.06)


def test_a_full_bucket_whose_rate_proves_right_is_believed_again() -> None:
    client = Client()
    trickle(client, 100.0, 30, 19.0, 2.0)  # it advertises 20 in 2 s, and nothing seems to be used up
    doubted = client.limits.refuted
    trickle(client, 103.0, 20, 16.0, 2.0)
    assert (doubted, client.limits.refuted) == (True, False)
    assert client.limits.known_per_s == pytest.approx(10.0)


def test_a_refusal_below_the_advertised_rate_lowers_it_and_it_comes_back_as_long_as_something_is_left() -> None:
    client = Client()
    full = client.hear(100.0, Allowance(100, 40, 0.5, 1.0)).per_s
    client.limits.refused(full / 2)
    client.limits.refused(full / 2)
    assert client.hear(100.1, Allowance(100, 40, 0.5, 1.0)).per_s == pytest.approx(REFUSED**2 * full)
    client.hear(110.1, Allowance(100, 1, 0.5, 1.0))
    client.hear(110.2, Allowance(100, 1, 0.5, 1.0))
    client.hear(120.2, Allowance(100, 1, 0.5, 1.0))
    tight = client.hear(120.3, Allowance(100, 40, 0.5, 1.0)).per_s
    assert tight == pytest.approx((REFUSED**2 + 0.1 * REGAINED_PER_S) * full, rel=1e-6)
    client.hear(200.0, Allowance(100, 40, 0.5, 1.0))
    assert client.hear(200.1, Allowance(100, 40, 0.5, 1.0)).per_s == pytest.approx(full)


def test_a_refusal_at_the_full_rate_is_of_a_few_that_came_a_little_early() -> None:
    client = Client()
    full = client.hear(100.0, Allowance(100, 40, 0.5, 1.0)).per_s
    client.limits.refused(full)
    assert client.hear(100.1, Allowance(100, 40, 0.5, 1.0)).per_s == pytest.approx(full)


def test_nothing_told_changes_nothing() -> None:
    limits = hear(Allowance())
    assert (limits.per_s, limits.closed_until, limits.refuted) == (math.inf, -math.inf, False)


@given(st.lists(st.tuples(st.floats(0, 100), st.lists(allowances, min_size=1, max_size=4)), max_size=12))
def test_no_nonsense_ever_makes_a_rate_that_is_no_rate(replies: list[tuple[float, list[Allowance]]]) -> None:
    client, at = Client(), 1000.0
    for gap, told in replies:
        at += gap
        limits = client.hear(at, *told)
        assert limits.per_s > 0  # infinite, or a number; never NaN
        assert not math.isnan(limits.closed_until)
