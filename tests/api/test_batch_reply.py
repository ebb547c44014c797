"""What replies to batches mean, in the shapes that vendors document."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchupdate.api.batch_reply import BatchJudge
from batchupdate.api.verdict import Policy
from batchupdate.model import Action, Fault, FaultKind, Outcome, Reply
from batchupdate.targets import find_target

if TYPE_CHECKING:
    from batchupdate.model import Verdict

DONE, SPLIT, REPEAT, HOLD, STOP = Action.DONE, Action.SPLIT, Action.REPEAT, Action.HOLD, Action.STOP
UPDATED, FAILED, UNKNOWN = Outcome.UPDATED, Outcome.FAILED, Outcome.UNKNOWN


def judge_of(name: str, **changes: Any) -> BatchJudge:
    target = find_target(name)
    assert target.batch is not None
    target = target.model_copy(update=changes)
    batch = target.batch
    assert batch is not None
    policy = Policy.of(target, 300.0)
    return BatchJudge(batch, Policy.of_batches(target, 300.0), policy, lambda: datetime(2026, 11, 29, tzinfo=UTC))


def reply(data: object, status: int = 200, **headers: str) -> Reply:
    return Reply(status, headers, json.dumps(data).encode())


def ends(verdict: Verdict) -> list[tuple[Action, Outcome]]:
    return [(part.action, part.outcome) for _, part in verdict.parts]


def words(verdict: Verdict) -> list[str]:
    return [part.message for _, part in verdict.parts]


HUBSPOT_207 = {
    "status": "COMPLETE",
    "results": [{"id": "3", "properties": {}}, {"id": "1", "properties": {}}],
    "numErrors": 1,
    "errors": [
        {
            "status": "error",
            "category": "OBJECT_NOT_FOUND",
            "message": "Could not get some CONTACT objects, they may be deleted or not exist.",
            "context": {"ids": ["2", "4"]},
        }
    ],
}


def test_hubspots_207_has_successes_and_an_error_that_names_several_contacts() -> None:
    verdict = judge_of("hubspot-contact")(reply(HUBSPOT_207, 207), ["1", "2", "3", "4"])
    assert ends(verdict) == [(DONE, UPDATED), (DONE, FAILED), (DONE, UPDATED), (DONE, FAILED)]
    assert words(verdict)[1] == (
        "the API refused this record of a batch: Could not get some CONTACT objects, they may be deleted or not exist."
    )


def test_hubspots_whole_refusal_halves_the_batch_until_a_contact_is_alone() -> None:
    refused = reply({"status": "error", "message": "Property values were not valid", "category": "VALIDATION"}, 400)
    judge = judge_of("hubspot-contact")
    assert judge(refused, ["1", "2"]).action is SPLIT
    alone = judge(refused, ["1"])
    assert (alone.action, alone.outcome) == (DONE, FAILED)
    assert "Property values were not valid" in alone.message


def test_salesforces_results_stand_in_order_and_a_failure_does_not_say_whose_it_is() -> None:
    locked = {"statusCode": "UNABLE_TO_LOCK_ROW", "message": "unable to obtain exclusive access", "fields": []}
    wrong = {"statusCode": "STRING_TOO_LONG", "message": "First Name: data value too large", "fields": ["FirstName"]}
    results = [
        {"id": "003000000000001AAA", "success": True, "errors": []},
        {"success": False, "errors": [wrong]},
        {"success": False, "errors": [locked]},
    ]
    keys = ["003000000000001", "003000000000002", "003000000000003"]
    verdict = judge_of("salesforce-sobject")(reply(results), keys)
    assert ends(verdict) == [(DONE, UPDATED), (DONE, FAILED), (REPEAT, FAILED)]
    assert "First Name: data value too large" in words(verdict)[1]


def test_results_in_an_order_that_can_not_be_right_are_nobodys() -> None:
    judge, keys = judge_of("salesforce-sobject"), ["a", "b"]
    swapped = [{"id": "b", "success": True, "errors": []}, {"id": "a", "success": True, "errors": []}]
    assert judge(reply(swapped), keys).action is STOP
    assert judge(reply([{"success": True}]), keys).action is STOP
    right = [{"id": "a", "success": True, "errors": []}, {"success": True, "errors": []}]
    assert ends(judge(reply(right), keys)) == [(DONE, UPDATED)] * 2
    assert ends(judge(reply(swapped), keys)) == [(SPLIT, UNKNOWN)] * 2


def test_woocommerces_failure_has_a_status_of_its_own_inside() -> None:
    results = {
        "update": [
            {"id": 2, "error": {"code": "x", "message": "Invalid ID.", "data": {"status": 400}}},
            {"id": 1, "name": "A"},
        ]
    }
    verdict = judge_of("woocommerce-product")(reply(results), ["1", "2"])
    assert ends(verdict) == [(DONE, UPDATED), (DONE, FAILED)]
    assert words(verdict)[1] == "400 Bad Request: Invalid ID."


def test_a_graph_response_is_judged_as_a_reply_and_a_429_in_it_holds_everybody() -> None:
    responses = [
        {"id": "3", "status": 429, "headers": {"Retry-After": "12"}, "body": {"error": {"message": "slow down"}}},
        {"id": "1", "status": 204},
        {"id": "2", "status": 404, "body": {"error": {"code": "x", "message": "Resource 'b' does not exist."}}},
        {"id": "4", "status": "503"},
    ]
    verdict = judge_of("microsoft-graph-user-batch")(reply({"responses": responses}), ["1", "2", "3", "4"])
    assert (verdict.action, verdict.wait_s) == (HOLD, 12.0)
    assert ends(verdict)[:3] == [(DONE, UPDATED), (DONE, FAILED), (HOLD, Outcome.NOT_ATTEMPTED)]
    assert words(verdict)[1] == "404 there is no such record: Resource 'b' does not exist."
    assert verdict.parts[3][0].status == 503


def test_without_results_a_success_is_one_of_all_and_what_it_tests_is_the_reply() -> None:
    judge = judge_of("datasette-upsert")
    verdict = judge(reply({"ok": True}), ["1", "2"])
    assert (verdict.action, verdict.outcome, verdict.parts) == (DONE, UPDATED, ())
    assert judge(reply({"ok": False, "errors": ["Row 0 is wrong"]}), ["1", "2"]).action is SPLIT
    assert judge(reply({"ok": False, "errors": ["Row 0 is wrong"]}), ["1"]).message.endswith(": Row 0 is wrong")
    assert judge(reply({"ok": True}, 207), ["1", "2"]).action is STOP


def test_a_record_that_a_reply_leaves_out_is_sent_again_and_alone_it_is_unknown() -> None:
    judge = judge_of("airtable-record")
    some = reply({"records": [{"id": "a"}, {"id": "c"}]})
    assert ends(judge(some, ["a", "b", "c"])) == [(DONE, UPDATED), (SPLIT, UNKNOWN), (DONE, UPDATED)]
    assert ends(judge(reply({"records": []}), ["b"])) == [(DONE, UNKNOWN)]
    once = judge_of("airtable-record", repeatable=False)
    assert ends(once(some, ["a", "b", "c"])) == [(DONE, UPDATED), (DONE, UNKNOWN), (DONE, UPDATED)]


def test_an_error_that_does_not_say_whose_it_is_is_that_of_a_row_alone() -> None:
    nameless = reply({"results": [], "errors": [{"message": "email is taken"}]}, 207)
    judge = judge_of("hubspot-contact")
    assert ends(judge(reply(HUBSPOT_207, 207), ["1"])) == [(DONE, UPDATED)]
    assert ends(judge(nameless, ["7", "8"])) == [(SPLIT, UNKNOWN)] * 2
    assert [ends(judge(nameless, ["7"])), words(judge(nameless, ["7"]))] == [
        [(DONE, FAILED)],
        ["the API refused this record of a batch: email is taken"],
    ]
    assert ends(judge(reply({"results": [{"properties": {}}]}), ["7"])) == [(DONE, UNKNOWN)]


def test_a_record_that_is_answered_twice_is_unclear() -> None:
    twice = reply({"records": [{"id": "a"}, {"id": "a"}, {"id": "b"}]})
    assert ends(judge_of("airtable-record")(twice, ["a", "b"])) == [(SPLIT, UNKNOWN), (DONE, UPDATED)]


def test_the_first_reply_that_names_none_of_its_records_stops_the_run() -> None:
    judge = judge_of("airtable-record")
    verdict = judge(reply({"data": [{"id": "a"}], "message": "moved"}), ["a", "b"])
    assert (verdict.action, verdict.outcome) == (STOP, UNKNOWN)
    assert verdict.message == (
        "200 the reply to a batch names none of its records: 'batch.results' finds no results. The API's words: moved"
    )
    other = judge(reply({"records": [{"id": "x"}]}), ["a", "b"])
    assert "finds 1 results, of other records" in other.message


@pytest.mark.parametrize("body", [b"", b"{", b"<html><body>Log in</body></html>", b"\xff\xfe"])
def test_a_success_that_can_not_be_read_is_no_success(body: bytes) -> None:
    verdict = judge_of("airtable-record")(Reply(200, {}, body), ["a", "b"])
    assert verdict.action in {SPLIT, REPEAT}
    assert verdict.outcome is not UPDATED
    once = judge_of("airtable-record", repeatable=False)(Reply(200, {}, body), ["a", "b"])
    assert once.outcome in {FAILED, UNKNOWN}


@pytest.mark.parametrize(
    ("answer", "action"),
    [
        (Reply(429, {"retry-after": "3"}), HOLD),
        (Reply(500), REPEAT),
        (Reply(401), STOP),
        (Reply(413), SPLIT),
        (Fault(FaultKind.TIMEOUT, "no answer"), REPEAT),
        (Fault(FaultKind.CONNECT, "no connection"), HOLD),
        (Fault(FaultKind.EXPIRED, "expired"), Action.RENEW),
    ],
)
def test_what_is_about_all_rows_is_as_for_a_single_one_and_a_refusal_halves(
    answer: Reply | Fault, action: Action
) -> None:
    assert judge_of("airtable-record")(answer, ["a", "b"]).action is action


def test_what_may_have_been_applied_and_is_not_to_be_repeated_is_unknown_for_all() -> None:
    verdict = judge_of("airtable-record", repeatable=False)(Reply(500), ["a", "b"])
    assert (verdict.action, verdict.outcome, verdict.parts) == (DONE, UNKNOWN, ())


@given(st.data())
def test_whatever_a_reply_holds_each_row_has_one_verdict_and_only_a_result_of_its_own_updates_it(
    data: st.DataObject,
) -> None:
    keys = data.draw(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=6, unique=True))
    ids = st.one_of(st.sampled_from("abcdefghxyz"), st.none(), st.integers(0, 3), st.just(["a", "b"]))
    one = st.dictionaries(st.sampled_from(["id", "error", "success", "status"]), ids | st.booleans())
    records = data.draw(st.one_of(st.lists(one | st.none() | st.integers(), max_size=8), st.none(), st.text()))
    verdict = judge_of("airtable-record")(reply({"records": records}), keys)
    if not verdict.parts:
        assert (verdict.action, verdict.outcome) == (STOP, UNKNOWN)
        return
    assert len(verdict.parts) == len(keys)
    named = [key for part in records or () if isinstance(part, dict) for key in _flat(part.get("id"))]
    for key, (_, part) in zip(keys, verdict.parts, strict=True):
        assert part.outcome is not UPDATED or named.count(key) == 1


def _flat(value: object) -> list[object]:
    return value if isinstance(value, list) else [value] if isinstance(value, (str, int)) and value is not True else []
