"""Langdock's "Update Integration" and its siblings, over real sockets: every documented status and limit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from batchupdate.sandbox import LangdockRecord, make_records
from batchupdate.targets import find_target

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from conftest import Ask, Patch

    from batchupdate.sandbox import Sandbox

RECORDS = make_records()
FIRST = RECORDS.langdock[0]
NOBODY = "00000000-0000-4000-8000-000000000000"
ROOT = "/integrations/v1/"


def record(sandbox: Sandbox, record_id: str = FIRST.id) -> LangdockRecord:
    found = sandbox.record("langdock", record_id)
    assert isinstance(found, LangdockRecord)
    return found


async def test_a_change_answers_with_id_name_and_description_after_it(sandbox: Sandbox, patch: Patch) -> None:
    got = await patch(sandbox, "langdock", FIRST.id, {"name": "Renamed", "description": "New"})
    assert got.status == 200
    assert got.json == {"integration": {"id": FIRST.id, "name": "Renamed", "description": "New"}}


async def test_only_the_fields_sent_are_changed(sandbox: Sandbox, patch: Patch) -> None:
    await patch(sandbox, "langdock", FIRST.id, {"description": "Other"})
    after = record(sandbox)
    assert (after.name, after.description) == (FIRST.name, "Other")
    assert (after.icon_url, after.color) == (FIRST.icon_url, FIRST.color)


async def test_icon_and_colour_are_kept_though_the_answer_hides_them(sandbox: Sandbox, patch: Patch) -> None:
    got = await patch(sandbox, "langdock", FIRST.id, {"iconUrl": "https://x.example/i.png", "color": "#1a73e8"})
    assert set(got.json["integration"]) == {"id", "name", "description"}
    assert (record(sandbox).icon_url, record(sandbox).color) == ("https://x.example/i.png", "#1a73e8")


async def test_the_path_is_the_targets_own(sandbox: Sandbox, ask: Ask) -> None:
    target = find_target("langdock-integration")
    got = await ask(sandbox, target.method, target.expand((FIRST.id,)), {"name": "x"})
    assert got.status == 200


async def test_letter_case_of_a_uuid_does_not_count(sandbox: Sandbox, patch: Patch) -> None:
    assert (await patch(sandbox, "langdock", FIRST.id.upper(), {"name": "x"})).status == 200
    assert record(sandbox).name == "x"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"name": "x" * 40}, 200),
        ({"name": "x" * 41}, 400),
        ({"name": "ü" * 40}, 200),
        ({"name": ""}, 400),
        ({"name": None}, 400),
        ({"name": 7}, 400),
        ({"name": ["x"]}, 400),
        ({"description": "x" * 90}, 200),
        ({"description": "x" * 91}, 400),
        ({"description": ""}, 200),
        ({"description": None}, 200),
        ({"description": False}, 400),
        ({"iconUrl": "HTTPS://a.example/x?y=1"}, 200),
        ({"iconUrl": "icon.png"}, 400),
        ({"iconUrl": "ftp://a.example/x"}, 400),
        ({"iconUrl": "https://a.example/with space"}, 400),
        ({"iconUrl": None}, 200),
        ({"iconUrl": {}}, 400),
        ({"color": "#1A73E8"}, 200),
        ({"color": "abc"}, 200),
        ({"color": "#12345"}, 400),
        ({"color": "blue"}, 400),
        ({"color": ""}, 200),
        ({"color": 0.5}, 400),
        ({}, 400),
        ({"title": "unknown"}, 400),
        ({"name": "x", "title": "unknown"}, 200),
    ],
)
async def test_each_field_keeps_to_its_documented_limits(
    sandbox: Sandbox, patch: Patch, fields: dict[str, Any], status: int
) -> None:
    got = await patch(sandbox, "langdock", FIRST.id, fields)
    assert got.status == status
    assert (record(sandbox) == FIRST) == (status == 400)
    assert len(sandbox.applied) == (status == 200)


async def test_a_bad_field_is_told_as_a_list_of_objects_one_for_each(sandbox: Sandbox, patch: Patch) -> None:
    got = await patch(sandbox, "langdock", FIRST.id, {"name": "x" * 41, "description": 3, "color": "red"})
    assert got.json == {
        "message": [
            {
                "code": "too_big",
                "maximum": 40,
                "type": "string",
                "inclusive": True,
                "path": ["name"],
                "message": "String must contain at most 40 character(s)",
            },
            {
                "code": "invalid_type",
                "expected": "string",
                "received": "number",
                "path": ["description"],
                "message": "Expected string, received number",
            },
            {"code": "invalid_string", "validation": "hex color", "path": ["color"], "message": "Invalid hex color"},
        ]
    }


async def test_an_empty_name_is_told_as_too_small(sandbox: Sandbox, patch: Patch) -> None:
    got = await patch(sandbox, "langdock", FIRST.id, {"name": ""})
    assert got.json["message"][0]["message"] == "String must contain at least 1 character(s)"


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"name=x", b'{"name": NaN}', b'{"name": "\xff"}', b"\xef\xbb\xbf{}", b"[" * 100_000, b'{"name":"a"} x'],
)
async def test_a_body_that_is_not_json_is_refused_with_a_text(sandbox: Sandbox, patch: Patch, body: bytes) -> None:
    got = await patch(sandbox, "langdock", FIRST.id, body)
    assert (got.status, got.json) == (400, {"message": "Request body is not valid JSON"})


@pytest.mark.parametrize("kind", ["text/plain", "application/octet-stream", "application/jsonx"])
async def test_json_that_is_not_announced_as_json_is_refused(sandbox: Sandbox, patch: Patch, kind: str) -> None:
    got = await patch(sandbox, "langdock", FIRST.id, b'{"name":"x"}', headers={"Content-Type": kind})
    assert got.status == 400


async def test_a_charset_beside_the_content_type_is_fine(sandbox: Sandbox, patch: Patch) -> None:
    kind = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert (await patch(sandbox, "langdock", FIRST.id, b'{"name":"x"}', headers=kind)).status == 200


@pytest.mark.parametrize(("body", "received"), [([], "array"), ("x", "string"), (None, "null"), (True, "boolean")])
async def test_json_that_is_no_object_is_refused(sandbox: Sandbox, patch: Patch, body: Any, received: str) -> None:
    got = await patch(sandbox, "langdock", FIRST.id, json.dumps(body).encode())
    assert got.status == 400
    assert got.json["message"][0]["message"] == f"Expected object, received {received}"


@pytest.mark.parametrize(
    "record_id",
    ["1", FIRST.id[:-1], FIRST.id + "0", FIRST.id.replace("-", ""), "g" + FIRST.id[1:], "get", "a%2Fb", "", "%2e%2e"],
)
async def test_an_id_that_is_no_uuid_is_refused(sandbox: Sandbox, patch: Patch, record_id: str) -> None:
    got = await patch(sandbox, "langdock", record_id, {"name": "x"})
    assert (got.status, got.json) == (400, {"message": "Invalid integration ID"})


@pytest.mark.parametrize("key", ["", "sk-ld-wrong", "nr_sandbox", "sk-ld-sandbox2", "SK-LD-SANDBOX"])
async def test_a_missing_or_wrong_key_is_401(sandbox: Sandbox, patch: Patch, key: str) -> None:
    got = await patch(sandbox, "langdock", FIRST.id, {"name": "x"}, key=key)
    assert (got.status, got.json) == (401, {"message": "Invalid or missing API key"})
    assert sandbox.applied == []


async def test_a_key_needs_its_scheme(sandbox: Sandbox, patch: Patch) -> None:
    for value in ("", "sk-ld-sandbox", "Basic sk-ld-sandbox"):
        got = await patch(sandbox, "langdock", FIRST.id, {"name": "x"}, headers={"Authorization": value})
        assert got.status == 401


async def test_an_unknown_id_is_404(sandbox: Sandbox, ask: Ask, patch: Patch) -> None:
    expected = (404, {"message": "Integration not found"})
    got = await patch(sandbox, "langdock", NOBODY, {"name": "x"})
    assert (got.status, got.json) == expected
    for path in (NOBODY, f"{NOBODY}/icon"):
        got = await ask(sandbox, "GET", ROOT + path)
        assert (got.status, got.json) == expected


async def test_the_forbidden_record_is_403_to_everything(sandbox: Sandbox, ask: Ask, patch: Patch) -> None:
    forbidden = RECORDS.forbidden[0].id
    got = await patch(sandbox, "langdock", forbidden, {"name": "x"})
    assert (got.status, got.json) == (403, {"message": "No access to this integration"})
    assert (await ask(sandbox, "GET", ROOT + forbidden)).status == 403
    assert (await ask(sandbox, "GET", f"{ROOT}{forbidden}/icon")).status == 403
    assert record(sandbox, forbidden) == RECORDS.forbidden[0]


async def test_langdocks_own_integrations_can_be_read_but_not_renamed(sandbox: Sandbox, ask: Ask, patch: Patch) -> None:
    own = RECORDS.built_by_langdock[0]
    assert (await patch(sandbox, "langdock", own.id, {"name": "x"})).status == 403
    got = await ask(sandbox, "GET", ROOT + own.id)
    assert (got.status, got.json["integration"]["name"]) == (200, own.name)


async def test_the_body_is_checked_before_the_record_is_looked_for(sandbox: Sandbox, patch: Patch) -> None:
    assert (await patch(sandbox, "langdock", NOBODY, {"name": "x" * 41})).status == 400
    assert (await patch(sandbox, "langdock", NOBODY, {"name": "x" * 41}, key="wrong")).status == 401


async def test_one_integration_is_read_without_colour_and_icon(sandbox: Sandbox, ask: Ask) -> None:
    got = await ask(sandbox, "GET", ROOT + FIRST.id)
    assert got.json == {
        "integration": {
            "id": FIRST.id,
            "name": FIRST.name,
            "description": FIRST.description,
            "authType": FIRST.auth_type,
            "authTestCode": None,
            "authFields": [],
            "oauthClient": None,
            "actions": [],
            "triggers": [],
        }
    }


async def test_the_icon_is_read_by_itself(sandbox: Sandbox, ask: Ask, patch: Patch) -> None:
    assert (await ask(sandbox, "GET", f"{ROOT}{FIRST.id}/icon")).json == {"iconUrl": FIRST.icon_url}
    await patch(sandbox, "langdock", FIRST.id, {"iconUrl": None})
    assert (await ask(sandbox, "GET", f"{ROOT}{FIRST.id}/icon")).json == {"iconUrl": None}


async def test_the_list_holds_all_but_the_forbidden_one(sandbox: Sandbox, ask: Ask) -> None:
    shown = (await ask(sandbox, "GET", f"{ROOT}get?page=1")).json["integrations"]
    assert [entry["id"] for entry in shown] == [r.id for r in RECORDS.langdock if not r.forbidden]
    assert shown[0] == {
        "id": FIRST.id,
        "name": FIRST.name,
        "description": FIRST.description,
        "authType": FIRST.auth_type,
        "buildByLangdock": False,
        "actions": [],
    }
    assert sum(entry["buildByLangdock"] for entry in shown) == 3


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [("PUT", FIRST.id, "GET, PATCH"), ("PATCH", f"{FIRST.id}/icon", "GET"), ("DELETE", "get", "GET, PATCH")],
)
async def test_another_method_is_405_with_what_is_allowed(
    sandbox: Sandbox, ask: Ask, method: str, path: str, allow: str
) -> None:
    got = await ask(sandbox, method, ROOT + path, {"name": "x"})
    assert (got.status, got.headers["Allow"]) == (405, allow)
    assert sandbox.applied == []


@pytest.mark.parametrize("path", ["/", "/integrations/v2/x", f"{ROOT}{FIRST.id}/actions", f"{ROOT}a/b/icon"])
async def test_a_path_that_neither_api_has_is_404(sandbox: Sandbox, ask: Ask, path: str) -> None:
    got = await ask(sandbox, "GET", path)
    assert (got.status, got.json) == (404, {"message": "Not found"})
    assert (sandbox.requests[0].api, sandbox.requests[0].id) == ("", "")


async def test_the_limit_is_told_with_langdocks_own_sentence(
    start: Callable[..., Awaitable[Sandbox]], patch: Patch
) -> None:
    sandbox = await start(limit="1/h")
    await patch(sandbox, "langdock", FIRST.id, {"name": "x"})
    got = await patch(sandbox, "langdock", FIRST.id, {"name": "y"})
    assert (got.status, got.json) == (429, {"message": "Rate limit for public API exceeded"})
    assert record(sandbox).name == "x"


async def test_it_can_refuse_a_change_without_name_and_description_as_somebody_reports(
    start: Callable[..., Awaitable[Sandbox]], patch: Patch
) -> None:
    sandbox = await start(name_or_description=True)
    got = await patch(sandbox, "langdock", FIRST.id, {"iconUrl": "https://x.example/i.png"})
    assert (got.status, got.json) == (400, {"message": "At least one field (name or description) must be provided"})
    assert (await patch(sandbox, "langdock", FIRST.id, {"color": "#fff", "name": "x"})).status == 200
