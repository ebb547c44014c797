from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from batchupdate.sandbox import LangdockRecord, NairiRecord, make_records
from batchupdate.sandbox.records import CROCKFORD


def test_the_first_records_never_change_because_the_samples_name_them() -> None:
    records = make_records(langdock=60, nairi=40, seed=1)
    assert records.langdock[0] == LangdockRecord(
        id="12ae6d88-3ea1-49d3-acdb-7958821ce492",
        name="Slack Sales",
        description="Slack for the sales team",
        auth_type="API_KEY",
        icon_url="https://icons.example.com/slack.png",
        color="#000000",
    )
    assert [record.id for record in records.langdock[1:3]] == [
        "deec33e0-64ad-49d9-b98d-695c0f73b2a5",
        "e3c48b03-bd88-4404-897e-fb2b26838c3d",
    ]
    assert records.langdock[59].id == "3278a98c-b4c2-4f07-a734-3e187c343801"
    assert records.nairi[0] == NairiRecord(
        id="ai_01KDWFZY80MTWFXFK8N887K1W2",
        type="anthropic",
        name="Production Anthropic",
        created_at="2026-01-01T10:00:00.000Z",
        updated_at="2026-01-01T10:00:00.000Z",
    )
    assert [record.id for record in records.nairi[1:3]] == [
        "ai_01KDWNHHV084EBWC5Z9A8MCRT5",
        "ai_01KDWV35E03J4JZ23T4F448PBK",
    ]
    assert records.nairi[39].id == "ai_01KE38ETD06XNKE42Q4ZP5N7MV"


def test_the_special_records_never_change_either() -> None:
    records = make_records()
    assert [(record.id, record.name) for record in records.built_by_langdock] == [
        ("fa21b31c-1826-478a-ace7-668395d52320", "Gmail"),
        ("a9a4b08c-8fb8-49b2-8eb0-91b8967d3c0d", "Google Calendar"),
        ("971c0279-82e8-45bd-9801-381e2d55601c", "Outlook"),
    ]
    assert [record.id for record in records.forbidden] == ["f8bd3eb2-3036-42ba-9b27-3d4767cefca3"]


def test_a_smaller_set_is_the_start_of_a_larger_one() -> None:
    small, large = make_records(langdock=5, nairi=4), make_records(langdock=500, nairi=400)
    assert small.langdock[:5] == large.langdock[:5]
    assert small.nairi == large.nairi[:4]
    assert small.langdock[5:] == large.langdock[500:]


def test_another_seed_gives_other_ids() -> None:
    one, two = make_records(seed=1), make_records(seed=2)
    assert not {r.id for r in one.langdock} & {r.id for r in two.langdock}
    assert not {r.id for r in one.nairi} & {r.id for r in two.nairi}


def test_records_keep_the_apis_own_rules() -> None:
    records = make_records(langdock=2000, nairi=1000)
    for record in records.langdock:
        assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", record.id)
        assert 0 < len(record.name) <= 40
        assert record.description is not None
        assert len(record.description) <= 90
        assert record.color is None or re.fullmatch(r"#[0-9A-F]{6}", record.color)
    assert all(re.fullmatch(rf"ai_[0-7][{CROCKFORD}]{{25}}", record.id) for record in records.nairi)


def test_no_two_records_share_an_id_or_a_name() -> None:
    records = make_records(langdock=2000, nairi=1000)
    assert len({r.id for r in records.langdock}) == len({r.name for r in records.langdock}) == 2004
    assert len({r.id for r in records.nairi}) == len({r.name for r in records.nairi}) == 1000


def test_a_ulid_holds_the_time_at_which_its_record_was_made() -> None:
    record = make_records().nairi[7]
    number = 0
    for digit in record.id.removeprefix("ai_")[:10]:
        number = number * 32 + CROCKFORD.index(digit)
    assert datetime.fromtimestamp(number / 1000, UTC) == datetime.fromisoformat(record.created_at)


def test_no_langdock_records_means_no_special_ones() -> None:
    records = make_records(langdock=0, nairi=0)
    assert (records.langdock, records.nairi) == ((), ())


@pytest.mark.parametrize("wrong", [{"langdock": -1}, {"nairi": -3}])
def test_a_negative_number_of_records_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="can't hold -"):
        make_records(**wrong)
