from __future__ import annotations

from collections import Counter

import pytest

from batchupdate.sandbox import Fault, Faults, Kind


def test_every_kind_can_be_written() -> None:
    text = ",".join(f"{kind}=0.05" for kind in Kind)
    assert [(fault.kind, chance) for fault, chance in Faults.parse(text).chances] == [(kind, 0.05) for kind in Kind]


def test_spaces_and_empty_parts_do_not_count() -> None:
    assert Faults.parse(" 500 = 0.1 , ,hang=0.2,") == Faults.parse("500=0.1,hang=0.2")


def test_empty_text_means_that_nothing_goes_wrong() -> None:
    choose = Faults.parse("").chooser()
    assert [choose() for _ in range(5)] == [None] * 5


def test_seconds_follow_an_at_sign() -> None:
    faults = Faults.parse("slow=0.1@1.5,503-retry-after=0.2@7")
    assert [fault for fault, _ in faults.chances] == [Fault(Kind.SLOW, 1.5), Fault(Kind.ERROR_503_RETRY_AFTER, 7.0)]


def test_slow_and_retry_after_have_seconds_of_their_own() -> None:
    assert Faults.in_order("slow", "503-retry-after", "500").first == (
        Fault(Kind.SLOW, 0.25),
        Fault(Kind.ERROR_503_RETRY_AFTER, 1.0),
        Fault(Kind.ERROR_500),
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("boom=0.1", "'boom' is not a fault"),
        ("=0.1", "'' is not a fault"),
        ("500", "'' in '500' is not a chance from 0 to 1"),
        ("500=often", "'often' in '500=often' is not a chance"),
        ("500=1.5", "'1.5' in '500=1.5' is not a chance"),
        ("500=-0.1", "'-0.1' in '500=-0.1' is not a chance"),
        ("500=nan", "'nan' in '500=nan' is not a chance"),
        ("slow=0.1@inf", "'inf' in 'slow@inf' is not seconds"),
        ("slow=0.1@-1", "'-1' in 'slow@-1' is not seconds"),
        ("500=0.1@2", "'500' takes no seconds"),
        ("500=0.1,500=0.1", "'500' occurs twice"),
        ("500=0.6,hang=0.6", "add up to 1.2"),
    ],
)
def test_wrong_text_is_refused_with_what_is_known(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=r"known are reset-before, .*; write them as .*\.$") as caught:
        Faults.parse(text)
    assert says in str(caught.value)


def test_chances_may_fill_everything_up_to_one() -> None:
    faults = Faults.parse(",".join(f"{kind}=0.1" for kind in list(Kind)[:10]))
    choose = faults.chooser()
    assert None not in {choose() for _ in range(1000)}


def test_the_same_seed_draws_the_same_faults_and_another_seed_others() -> None:
    def draws(seed: int) -> list[Fault | None]:
        choose = Faults.parse("500=0.3,hang=0.3", seed).chooser()
        return [choose() for _ in range(50)]

    assert draws(7) == draws(7)
    assert draws(7) != draws(8)


def test_each_fault_comes_as_often_as_its_chance_says() -> None:
    choose = Faults.parse("500=0.1,hang=0.3,slow=0", seed=3).chooser()
    found = Counter(fault.kind if fault else None for fault in (choose() for _ in range(20_000)))
    assert found[Kind.ERROR_500] == pytest.approx(2000, rel=0.1)
    assert found[Kind.HANG] == pytest.approx(6000, rel=0.1)
    assert found[Kind.SLOW] == 0


def test_first_fates_come_in_their_order_and_then_all_goes_well() -> None:
    choose = Faults.in_order("500", "ok", "slow@3").chooser()
    assert [choose() for _ in range(5)] == [Fault(Kind.ERROR_500), None, Fault(Kind.SLOW, 3.0), None, None]


def test_an_unknown_first_fate_is_refused() -> None:
    with pytest.raises(ValueError, match="'OK' is not a fault"):
        Faults.in_order("OK")


def test_two_choosers_of_one_plan_do_not_share_their_place() -> None:
    faults = Faults.in_order("500")
    first, second = faults.chooser(), faults.chooser()
    assert first() == second() == Fault(Kind.ERROR_500)


def test_the_kinds_that_apply_first_are_these() -> None:
    assert {kind.value for kind in Kind if kind.applies} == {
        "reset-after", "500-after", "hang-after", "garbage-body", "slow",
    }  # fmt: skip
