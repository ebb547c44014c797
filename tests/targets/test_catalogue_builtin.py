"""Every row of the two API pages' tables, as the built-in targets have them."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any

import pytest
from fakes import EPOCH
from pydantic import SecretStr

from batchupdate.api.verdict import Policy, judge
from batchupdate.config import Input, Secrets
from batchupdate.errors import ConfigError
from batchupdate.model import Action, Outcome, Reply, Row
from batchupdate.targets import Target, builtin_names, find_target
from batchupdate.validator import Validator, map_columns

if TYPE_CHECKING:
    from pathlib import Path

LANGDOCK, NAIRI = "langdock-integration", "nairi-llm-integration"
UUID = "550e8400-e29b-41d4-a716-446655440000"
ULID = "01KFRX8K1CKQGCV2W5J9C9Z37H"
KEY = SecretStr("sk-ld-0123456789")


def problems(target_name: str, record_id: str, /, **cells: str) -> list[str]:
    """The codes of what is wrong with one row."""
    target = find_target(target_name)
    columns = [*target.path_variables, *cells]
    validator = Validator(target, map_columns(columns, target, Input()), Secrets())
    return [problem.code for problem in validator.check([Row(2, (record_id, *cells.values()))]).problems]


def verdict(name: str, status: int, body: Any = "") -> tuple[Action, Outcome, str]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    found = judge(Reply(status, {}, raw), Policy.of(find_target(name), 300.0), lambda: EPOCH)
    return found.action, found.outcome, found.message


def test_both_targets_come_with_the_package() -> None:
    assert builtin_names() == [LANGDOCK, NAIRI]


@pytest.mark.parametrize("name", [LANGDOCK, NAIRI])
def test_a_built_in_target_is_what_a_user_could_write(name: str, tmp_path: Path) -> None:
    path = tmp_path / "copy.yaml"
    path.write_bytes((resources.files("batchupdate.targets") / f"{name}.yaml").read_bytes())
    assert find_target(str(path)) == find_target(name)


@pytest.mark.parametrize("name", [LANGDOCK, NAIRI])
def test_a_built_in_target_is_repeatable_and_careful(name: str) -> None:
    target = find_target(name)
    assert target.repeatable
    assert (str(target.rate), str(target.max_rate), target.burst, target.concurrency) == ("auto", "10/s", 1, 8)


OWN = "For your own target, give the path of its .yaml file."


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("langdock-integratoin", f"Did you mean langdock-integration? {OWN}"),
        ("langdok", f"Did you mean langdock-integration? {OWN}"),
        ("nairi", f"Did you mean nairi-llm-integration? {OWN}"),
        ("stripe", f"Did you mean stripe-customer? {OWN}"),
        ("salesforce-contact", f"Did you mean salesforce-sobject? {OWN}"),
        ("quickbooks", f"{OWN} List the others with: batchupdate targets"),
    ],
)
def test_an_unknown_target_is_refused_with_the_way_out(name: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        find_target(name)
    assert caught.value.message == f"There is no target {name!r}."
    assert caught.value.hint == hint


def test_a_target_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"The target nowhere\.yaml can't be read"):
        find_target("nowhere.yaml")


# ---- Langdock: update an integration ----


async def test_langdock_is_called_as_its_page_says() -> None:
    target = find_target(LANGDOCK)
    assert target.method == "PATCH"
    assert target.base_url == "https://api.langdock.com"
    assert target.expand((UUID,)) == f"/integrations/v1/{UUID}"
    assert target.auth.env == "LANGDOCK_API_KEY"
    assert await target.auth.strategy(KEY).headers() == {"Authorization": "Bearer sk-ld-0123456789"}
    assert target.base("https://x.example.com/api/public", allow_http=False) == "https://x.example.com/api/public"


def test_langdock_sends_just_the_fields() -> None:
    target = find_target(LANGDOCK)
    assert list(target.fields) == ["name", "description", "iconUrl", "color"]
    assert not any(rule.required for rule in target.fields.values())
    assert target.body_of('{"name":"New"}') == b'{"name":"New"}'


@pytest.mark.parametrize(
    ("record_id", "codes"),
    [
        (UUID, []),
        (UUID.upper(), []),
        ("", ["missing_id"]),
        ("17", ["bad_id"]),
        (UUID[:-1], ["bad_id"]),
        (UUID + "0", ["bad_id"]),
        (f" {UUID}", ["trimmed"]),
        (UUID + "\n", ["trimmed"]),
        (UUID.replace("-", ""), ["bad_id"]),
        (UUID.replace("e", "g"), ["bad_id"]),
        (f"{{{UUID}}}", ["bad_id"]),
    ],
)
def test_langdock_takes_a_uuid_for_an_id(record_id: str, codes: list[str]) -> None:
    assert problems(LANGDOCK, record_id, name="x") == codes


@pytest.mark.parametrize(
    ("field", "cell", "codes"),
    [
        ("name", "x", []),
        ("name", "x" * 40, []),
        ("name", "😀" * 40, []),
        ("name", "x" * 41, ["too_long"]),
        ("name", "<empty>", ["empty_not_allowed"]),
        ("name", "<null>", ["null_not_allowed"]),
        ("description", "x" * 90, []),
        ("description", "x" * 91, ["too_long"]),
        ("description", "<empty>", []),
        ("description", "<null>", []),
        ("iconUrl", "https://example.com/icon.png?x=1#y", []),
        ("iconUrl", "HTTP://example.com", []),
        ("iconUrl", "example.com/icon.png", ["bad_format"]),
        ("iconUrl", "ftp://example.com/icon.png", ["bad_format"]),
        ("iconUrl", "https://", ["bad_format"]),
        ("iconUrl", "https:///icon.png", ["bad_format"]),
        ("iconUrl", "https://example.com/a b", ["bad_format"]),
        ("iconUrl", "javascript:alert(1)", ["bad_format"]),
        ("iconUrl", "<null>", []),
        ("color", "#1A73E8", []),
        ("color", "1a73e8", []),
        ("color", "#fff", []),
        ("color", "#ffff", []),
        ("color", "#1A73E8ff", []),
        ("color", "#12", ["bad_format"]),
        ("color", "#12345", ["bad_format"]),
        ("color", "#GGGGGG", ["bad_format"]),
        ("color", "blue", ["bad_format"]),
        ("color", "<null>", []),
    ],
)
def test_langdock_fields_hold_what_its_page_says(field: str, cell: str, codes: list[str]) -> None:
    other = "description" if field == "name" else "name"
    assert problems(LANGDOCK, UUID, **{other: "y", field: cell}) == codes


def test_langdock_wants_at_least_one_field() -> None:
    assert problems(LANGDOCK, UUID, name="", color="") == ["nothing_to_change"]


@pytest.mark.parametrize(
    ("cells", "codes"),
    [
        ({"name": "", "iconUrl": "https://a.b"}, ["likely_refused"]),
        ({"name": "", "color": "#fff"}, ["likely_refused"]),
        ({"name": "x", "color": "#fff"}, []),
        ({"description": "<null>", "color": "#fff"}, []),
    ],
)
def test_langdock_is_said_to_want_a_name_or_a_description(cells: dict[str, str], codes: list[str]) -> None:
    assert problems(LANGDOCK, UUID, **cells) == codes


@pytest.mark.parametrize(
    ("status", "body", "action", "outcome", "message"),
    [
        (200, {"integration": {"id": UUID}}, Action.DONE, Outcome.UPDATED, ""),
        (
            400,
            {"message": "Name is too long"},
            Action.DONE,
            Outcome.FAILED,
            "400 invalid request body or integration id: Name is too long",
        ),
        (
            400,
            {"message": [{"code": "too_big", "path": ["name"], "message": "At most 40"}]},
            Action.DONE,
            Outcome.FAILED,
            "400 invalid request body or integration id: name: At most 40",
        ),
        (401, {"message": "Invalid API key"}, Action.STOP, Outcome.FAILED, "401 invalid or missing API key"),
        (403, {"message": "Nope"}, Action.DONE, Outcome.FAILED, "403 no access to this integration: Nope"),
        (404, {"message": "Integration not found"}, Action.DONE, Outcome.FAILED, "404 integration not found"),
        (
            429,
            {"message": "Rate limit for public API exceeded"},
            Action.HOLD,
            Outcome.NOT_ATTEMPTED,
            "429 rate limit exceeded: Rate limit for public API exceeded",
        ),
    ],
)
def test_langdock_statuses_mean_what_its_page_says(
    status: int, body: Any, action: Action, outcome: Outcome, message: str
) -> None:
    found = verdict(LANGDOCK, status, body)
    assert found[:2] == (action, outcome)
    assert found[2].startswith(message)


# ---- Nairi: rename an LLM integration ----


async def test_nairi_is_called_as_its_page_says() -> None:
    target = find_target(NAIRI)
    assert target.method == "PATCH"
    assert target.base_url == "https://api.nairi.ai"
    assert target.expand((f"ai_{ULID}",)) == f"/api/public/v1/integrations/llm/ai_{ULID}"
    assert target.auth.env == "NAIRI_API_KEY"
    assert await target.auth.strategy(KEY).headers() == {"Authorization": "Bearer sk-ld-0123456789"}
    assert target.body_of('{"name":"Staging Anthropic"}') == b'{"name":"Staging Anthropic"}'
    assert {name: rule.required for name, rule in target.fields.items()} == {"name": True}


@pytest.mark.parametrize(
    ("record_id", "codes"),
    [
        (f"ai_{ULID}", []),
        (ULID, []),
        (ULID.lower(), []),
        ("", ["missing_id"]),
        (f"xx_{ULID}", ["bad_id"]),
        (ULID[:-1], ["bad_id"]),
        (ULID + "0", ["bad_id"]),
        ("8" + ULID[1:], ["bad_id"]),
        (ULID[:-1] + "U", ["bad_id"]),
        (ULID[:-1] + "I", ["bad_id"]),
        (ULID + "\n", ["trimmed"]),
        ("ai_ai_" + ULID, ["bad_id"]),
    ],
)
def test_nairi_takes_a_ulid_with_or_without_its_prefix_for_an_id(record_id: str, codes: list[str]) -> None:
    assert problems(NAIRI, record_id, name="x") == codes


@pytest.mark.parametrize(
    ("cell", "codes"),
    [
        ("x", []),
        ("x" * 5000, []),
        ("", ["required"]),
        ("  ", ["white_space"]),
        ("<empty>", ["empty_not_allowed"]),
        ("<null>", ["null_not_allowed"]),
    ],
)
def test_nairi_requires_a_name(cell: str, codes: list[str]) -> None:
    assert problems(NAIRI, ULID, name=cell) == codes


@pytest.mark.parametrize(
    ("status", "body", "action", "outcome", "message"),
    [
        (200, {"id": f"ai_{ULID}", "type": "anthropic", "name": "x"}, Action.DONE, Outcome.UPDATED, ""),
        (201, {}, Action.DONE, Outcome.UPDATED, ""),
        (202, {}, Action.DONE, Outcome.ACCEPTED, ""),
        (204, b"", Action.DONE, Outcome.UPDATED, ""),
        (
            400,
            {"error": "integration ID must be a valid ULID"},
            Action.DONE,
            Outcome.FAILED,
            "400 the id is not a valid ULID or the name is missing: integration ID must be a valid ULID",
        ),
        (
            400,
            {"error": "name is required"},
            Action.DONE,
            Outcome.FAILED,
            "400 the id is not a valid ULID or the name is missing: name is required",
        ),
        (401, {"error": "no"}, Action.STOP, Outcome.FAILED, "401 invalid, missing or revoked API key: no"),
        (
            404,
            {"error": "LLM integration not found"},
            Action.DONE,
            Outcome.FAILED,
            "404 LLM integration not found in the key's organization",
        ),
        (500, {"error": "boom"}, Action.REPEAT, Outcome.FAILED, "500 Internal Server Error: boom"),
    ],
)
def test_nairi_statuses_mean_what_its_page_says(
    status: int, body: Any, action: Action, outcome: Outcome, message: str
) -> None:
    assert verdict(NAIRI, status, body) == (action, outcome, message)


@pytest.mark.parametrize("name", [LANGDOCK, NAIRI])
def test_a_target_survives_being_written_down(name: str) -> None:
    target = find_target(name)
    assert Target.model_validate_json(target.model_dump_json()) == target
