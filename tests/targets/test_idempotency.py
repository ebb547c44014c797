from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import http_sf
import pytest
from declarations import PLAIN, read
from fakes import EPOCH
from hypothesis import given
from hypothesis import strategies as st

from batchupdate.api.verdict import Policy, judge
from batchupdate.model import Action, Outcome, Reply
from batchupdate.targets import Target
from batchupdate.targets.idempotency import Idempotency, from_earlier_names, idempotency_key


def keyed(more: str = "", rest: str = "repeatable: true\n") -> Target:
    return read(f"{PLAIN}idempotency: {{header: X-Key{more}}}\n{rest}")


def keys(more: str = "") -> Idempotency:
    found = keyed(more).idempotency
    assert found is not None
    return found


@given(st.lists(st.tuples(st.text(), st.integers(1, 10**7)), unique=True, min_size=2, max_size=2))
def test_a_row_has_one_key_and_no_other_row_or_run_has_it(pairs: list[tuple[str, int]]) -> None:
    (one_run, one_row), (other_run, other_row) = pairs
    key = idempotency_key(one_run, one_row)
    assert idempotency_key(one_run, one_row) == key
    assert idempotency_key(other_run, other_row) != key


def test_a_key_never_changes_from_one_version_to_the_next() -> None:
    assert idempotency_key("20261121-184500-renames-7f3a", 2) == "dfbdfe45-9dd9-5d9c-9334-ed61aac291a8"
    assert UUID(idempotency_key("run", 2)).version == 5


def test_a_key_goes_out_bare_or_as_the_draft_has_it() -> None:
    key = idempotency_key("run", 2)
    assert keys().headers("run", 2, 0) == {"X-Key": key}
    quoted = keys(", quoted: true").headers("run", 2, 0)
    assert http_sf.parse(quoted["X-Key"].encode(), tltype="item") == (key, {})


def test_all_tries_of_a_row_have_one_key_unless_the_api_replays_its_errors() -> None:
    assert keys().headers("run", 2, 3) == keys().headers("run", 2, 0)
    replayed = keys(", replays_errors: new_key")
    made = [replayed.headers("run", 2, errors)["X-Key"] for errors in range(4)]
    assert made[0] == idempotency_key("run", 2)
    assert len(set(made)) == 4
    assert replayed.headers("run", 2, 1) == replayed.headers("run", 2, 1)


def means(target: Target, status: int) -> Any:
    return judge(Reply(status), Policy.of(target, 300), lambda: EPOCH)


def test_an_error_that_would_only_be_replayed_is_not_asked_for_again() -> None:
    verdict = means(keyed(", replays_errors: no_repeat"), 500)
    assert (verdict.action, verdict.outcome) == (Action.DONE, Outcome.FAILED)
    assert verdict.message.endswith("; it is not sent again, because the API would repeat this answer for the same key")
    assert means(keyed(", replays_errors: new_key"), 500).action is Action.REPEAT
    assert means(keyed(", replays_errors: no_repeat"), 429).action is Action.HOLD


def test_a_row_that_is_still_being_worked_on_is_asked_for_again_a_little_later() -> None:
    verdict = means(keyed(", in_progress: 409"), 409)
    assert verdict.action is Action.REPEAT
    assert verdict.message == "409 the API is still working on an earlier try of this row"
    assert means(keyed(), 409).action is Action.DONE
    own = keyed(", in_progress: 409", "statuses: {409: {means: taken}}\n")
    assert means(own, 409).message == "409 taken"


@pytest.mark.parametrize(
    ("text", "seconds"), [("24h", 86_400), ("30min", 1800), ("7 d", 604_800), ("90s", 90), ("1.5h", 5400), ("60", None)]
)
def test_a_lifetime_is_a_number_with_its_unit(text: str, seconds: float | None) -> None:
    if seconds is None:
        with pytest.raises(ValueError, match="is not a time such as 24h"):
            Idempotency(header="K", lifetime=text)  # type: ignore[arg-type] # as YAML gives it
    else:
        found = Idempotency(header="K", lifetime=text)  # type: ignore[arg-type] # as above
        assert found.lifetime == seconds
        assert found.forgotten(seconds + 1)
        assert not found.forgotten(seconds - 1)


def test_without_a_lifetime_no_key_is_forgotten() -> None:
    assert not keys().forgotten(1e9)


def test_a_run_of_an_earlier_version_keeps_its_keys() -> None:
    target = keyed(", quoted: true")
    was = target.model_dump(mode="json", exclude_unset=True)
    del was["idempotency"]
    was |= {"idempotency_header": "X-Key", "idempotency_quoted": True}
    assert Target.model_validate_json(json.dumps(from_earlier_names(was))) == target
    assert "idempotency" not in from_earlier_names({**was, "idempotency_header": None})
