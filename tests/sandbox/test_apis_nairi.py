"""Nairi's "Update LLM integration", over real sockets: every documented status and sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from batchupdate.sandbox import NairiRecord, make_records
from batchupdate.targets import find_target

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from conftest import Ask, FakeClock, Patch

    from batchupdate.sandbox import Sandbox

FIRST = make_records().nairi[0]
BARE = FIRST.id.removeprefix("ai_")
ROOT = "/api/public/v1/integrations/llm/"


def record(sandbox: Sandbox, record_id: str = FIRST.id) -> NairiRecord:
    found = sandbox.record("nairi", record_id)
    assert isinstance(found, NairiRecord)
    return found


async def test_a_change_answers_with_the_full_record_after_it(
    start: Callable[..., Awaitable[Sandbox]], patch: Patch, clock: FakeClock
) -> None:
    sandbox = await start(clock=clock)
    got = await patch(sandbox, "nairi", FIRST.id, {"name": "Staging Anthropic"})
    assert got.status == 200
    assert got.json == {
        "id": FIRST.id,
        "type": "anthropic",
        "name": "Staging Anthropic",
        "created_at": "2026-01-01T10:00:00.000Z",
        "updated_at": "2026-11-21T18:00:00.000Z",
    }


async def test_updated_at_moves_even_when_the_clock_does_not(
    start: Callable[..., Awaitable[Sandbox]], patch: Patch, clock: FakeClock
) -> None:
    sandbox = await start(clock=clock)
    times = [(await patch(sandbox, "nairi", FIRST.id, {"name": "same"})).json["updated_at"] for _ in range(3)]
    assert times == ["2026-11-21T18:00:00.000Z", "2026-11-21T18:00:00.001Z", "2026-11-21T18:00:00.002Z"]


@pytest.mark.parametrize("record_id", [FIRST.id, BARE, BARE.lower(), f"ai_{BARE.lower()}"])
async def test_an_id_is_known_with_and_without_its_prefix_in_any_case(
    sandbox: Sandbox, patch: Patch, record_id: str
) -> None:
    got = await patch(sandbox, "nairi", record_id, {"name": "x"})
    assert (got.status, got.json["id"]) == (200, FIRST.id)
    assert record(sandbox).name == "x"


async def test_the_path_is_the_targets_own(sandbox: Sandbox, ask: Ask) -> None:
    target = find_target("nairi-llm-integration")
    assert (await ask(sandbox, target.method, target.expand((FIRST.id,)), {"name": "x"})).status == 200


@pytest.mark.parametrize(
    "record_id",
    ["1", BARE[:-1], BARE + "0", "8" + BARE[1:], BARE[:-1] + "U", BARE[:-1] + "I", "ag_" + BARE, "AI_" + BARE, ""],
)
async def test_an_id_that_is_no_ulid_is_refused(sandbox: Sandbox, patch: Patch, record_id: str) -> None:
    got = await patch(sandbox, "nairi", record_id, {"name": "x"})
    assert (got.status, got.json) == (400, {"error": "integration ID must be a valid ULID"})


@pytest.mark.parametrize("body", [{}, {"name": None}, {"name": ""}, {"title": "x"}])
async def test_a_body_without_a_name_is_refused(sandbox: Sandbox, patch: Patch, body: dict[str, Any]) -> None:
    got = await patch(sandbox, "nairi", FIRST.id, body)
    assert (got.status, got.json) == (400, {"error": "name is required"})
    assert record(sandbox) == FIRST


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'["name"]',
        b'"name"',
        b'{"name": 3}',
        b'{"name": 0}',
        b'{"name": false}',
        b'{"name": []}',
        b'{"name": {"a": 1}}',
    ],
)
async def test_a_body_of_another_form_is_refused(sandbox: Sandbox, patch: Patch, body: bytes) -> None:
    got = await patch(sandbox, "nairi", FIRST.id, body)
    assert (got.status, got.json) == (400, {"error": "invalid request body"})
    assert record(sandbox) == FIRST


async def test_a_long_name_is_fine_because_no_limit_is_published(sandbox: Sandbox, patch: Patch) -> None:
    assert (await patch(sandbox, "nairi", FIRST.id, {"name": "x" * 5000})).status == 200


async def test_an_unknown_id_is_404(sandbox: Sandbox, patch: Patch) -> None:
    got = await patch(sandbox, "nairi", "ai_01KFRX8K1CKQGCV2W5J9C9Z37H", {"name": "x"})
    assert (got.status, got.json) == (404, {"error": "LLM integration not found"})


@pytest.mark.parametrize("key", ["", "nr_wrong", "sk-ld-sandbox"])
async def test_a_missing_or_wrong_key_is_401(sandbox: Sandbox, patch: Patch, key: str) -> None:
    got = await patch(sandbox, "nairi", FIRST.id, {"name": "x"}, key=key)
    assert (got.status, got.json) == (401, {"error": "invalid or missing API key"})


async def test_there_is_no_way_to_read_one(sandbox: Sandbox, ask: Ask) -> None:
    got = await ask(sandbox, "GET", ROOT + FIRST.id)
    assert (got.status, got.headers["Allow"], got.json) == (405, "PATCH", {"error": "method not allowed"})


async def test_an_id_can_not_reach_past_its_own_segment(sandbox: Sandbox, ask: Ask) -> None:
    assert (await ask(sandbox, "PATCH", f"{ROOT}{FIRST.id}/keys", {"name": "x"})).status == 404
    assert (await ask(sandbox, "PATCH", f"{ROOT}{FIRST.id}%2Fkeys", {"name": "x"})).status == 400


async def test_the_limit_is_told_in_nairis_own_shape(start: Callable[..., Awaitable[Sandbox]], patch: Patch) -> None:
    sandbox = await start(limit="1/h")
    await patch(sandbox, "nairi", FIRST.id, {"name": "x"})
    got = await patch(sandbox, "nairi", FIRST.id, {"name": "y"})
    assert (got.status, got.json) == (429, {"error": "rate limit exceeded"})
