from __future__ import annotations

import ast
import asyncio
import json
import logging
import socket
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

import batchupdate.sandbox
from batchupdate.sandbox import Faults, LangdockRecord, Options, Records, Sandbox, Settings, make_records, serve
from batchupdate.sandbox import server as server_module

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from conftest import Ask, FakeClock, Patch

    Start = Callable[..., Awaitable[Sandbox]]
    Until = Callable[[Callable[[], object]], Awaitable[None]]

pytestmark = pytest.mark.slow

FIRST = make_records().langdock[0]
NAIRI = make_records().nairi[0]
PATH = f"/integrations/v1/{FIRST.id}"
BODY = b'{"name":"Renamed"}'


async def send_raw(sandbox: Sandbox) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """One PATCH that sets a name, on a connection of its own."""
    port = int(sandbox.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        f"PATCH {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-ld-sandbox\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
    )
    writer.write(head.encode() + BODY)
    return reader, writer


def renamed(sandbox: Sandbox) -> bool:
    return sandbox.record("langdock", FIRST.id).name == "Renamed"


# What it is told


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"limit": "20"}, "not a rate"),
        ({"faults": "boom=1"}, "not a fault"),
        ({"bad_records": "404=1"}, "'404=1' is not a status with a number of records; write them as 429=1"),
        ({"bad_records": "429"}, "'429' is not a status with a number of records"),
        ({"bad_records": "429=1@x"}, "'x' in '429=1@x' is not seconds"),
        ({"limit_kind": "leaky"}, "'leaky' is not a kind of limit; known are fixed-window, sliding-window, token-"),
        ({"headers": "ITEF"}, "'ITEF' is not a style of headers; known are none, retry-after, ietf, legacy"),
        ({"burst": 0}, "burst can't be 0"),
        ({"max_in_flight": 0}, "max_in_flight can't be 0"),
        ({"keys": "sk-ld-x"}, "keys must be a list"),
        ({"langdock": -1}, "can't hold -1"),
    ],
)
def test_a_wrong_setting_is_refused_before_anything_listens(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Sandbox(**options)


def test_every_setting_is_also_a_typed_keyword() -> None:
    assert set(Options.__annotations__) == set(Settings.__slots__)


async def test_it_listens_on_loopback_at_a_free_port_unless_told_otherwise(sandbox: Sandbox) -> None:
    assert sandbox.url.startswith("http://127.0.0.1:")
    assert int(sandbox.url.rpartition(":")[2]) > 0
    assert sandbox.base_url("langdock-integration") == sandbox.base_url("nairi-llm-integration") == sandbox.url


def test_there_is_no_url_before_it_has_started() -> None:
    assert Sandbox().url == ""


async def test_an_api_it_does_not_have_is_refused_by_name(sandbox: Sandbox) -> None:
    with pytest.raises(KeyError, match="no API 'hubspot'; it has langdock and nairi"):
        sandbox.base_url("hubspot")
    with pytest.raises(KeyError, match="no API 'hubspot'"):
        sandbox.records("hubspot")
    with pytest.raises(KeyError, match="no record 'x' at nairi"):
        sandbox.record("nairi", "x")


async def test_it_tells_an_address_that_can_be_reached_when_it_listens_everywhere(start: Start, patch: Patch) -> None:
    sandbox = await start(host="0.0.0.0")  # noqa: S104 - what is tested
    assert sandbox.url.startswith("http://127.0.0.1:")
    assert (await patch(sandbox, "langdock", FIRST.id, {"name": "x"})).status == 200


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
async def test_an_ipv6_address_stands_in_brackets(start: Start, patch: Patch) -> None:
    try:
        sandbox = await start(host="::1")
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    assert sandbox.url.startswith("http://[::1]:")
    assert (await patch(sandbox, "langdock", FIRST.id, {"name": "x"})).status == 200


async def test_a_port_that_is_taken_is_an_os_error(sandbox: Sandbox) -> None:
    port = int(sandbox.url.rpartition(":")[2])
    with pytest.raises(OSError, match=str(port)):
        async with Sandbox(port=port):
            pass


async def test_it_can_start_again_after_it_has_stopped(patch: Patch) -> None:
    sandbox = Sandbox(faults=Faults.in_order("ok"))
    for _ in range(2):
        async with sandbox:
            assert (await patch(sandbox, "langdock", FIRST.id, {"name": "x"})).status == 200
    assert len(sandbox.applied) == 2


async def test_given_records_take_the_place_of_made_ones(start: Start, patch: Patch) -> None:
    mine = LangdockRecord(id="550e8400-e29b-41d4-a716-446655440000", name="Mine", description=None)
    sandbox = await start(records=Records(langdock=(mine,)))
    assert sandbox.records("langdock") == [mine]
    assert sandbox.records("nairi-llm-integration") == []
    assert (await patch(sandbox, "langdock", mine.id, {"name": "x"})).status == 200


async def test_a_key_without_a_known_prefix_is_good_for_both_apis(start: Start, patch: Patch) -> None:
    sandbox = await start(keys={"house-key"})
    assert (await patch(sandbox, "langdock", FIRST.id, {"name": "x"}, key="house-key")).status == 200
    assert (await patch(sandbox, "nairi", NAIRI.id, {"name": "x"}, key="house-key")).status == 200
    assert (await patch(sandbox, "langdock", FIRST.id, {"name": "x"})).status == 401


def test_it_imports_nothing_of_ours_but_what_is_no_part_of_the_product() -> None:
    allowed = ("batchupdate.sandbox", "batchupdate.targets", "batchupdate.config.rate", "batchupdate.util")
    for file in Path(batchupdate.sandbox.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            ours = [name for name in names if name.startswith("batchupdate.")]
            assert all(name.startswith(allowed) for name in ours), f"{file.name}: {ours}"


# Limits


async def test_a_limit_lets_its_amount_through_and_then_the_next_window_opens(
    start: Start, patch: Patch, clock: FakeClock
) -> None:
    sandbox = await start(limit="3/s", clock=clock)
    statuses = [(await patch(sandbox, "langdock", FIRST.id, {"name": "x"})).status for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    clock.seconds += 1
    assert (await patch(sandbox, "langdock", FIRST.id, {"name": "x"})).status == 200
    assert (len(sandbox.applied), sandbox.counts.throttled) == (4, 2)


async def test_everything_but_the_control_api_counts_against_the_limit(
    start: Start, ask: Ask, patch: Patch, clock: FakeClock
) -> None:
    sandbox = await start(limit="4/s", clock=clock)
    assert (await ask(sandbox, "GET", "/_sandbox/counts")).status == 200
    assert (await ask(sandbox, "GET", PATH)).status == 200
    assert (await ask(sandbox, "GET", "/nowhere")).status == 404
    assert (await patch(sandbox, "langdock", FIRST.id, {}, key="wrong")).status == 401
    assert (await patch(sandbox, "nairi", NAIRI.id, {})).status == 400
    assert (await patch(sandbox, "nairi", NAIRI.id, {"name": "x"}, key="wrong")).status == 429
    assert (await ask(sandbox, "GET", "/_sandbox/counts")).status == 200


@pytest.mark.parametrize(
    ("style", "on_success", "on_refusal"),
    [
        ("none", {}, {}),
        ("retry-after", {}, {"Retry-After": "20"}),
        (
            "ietf",
            {"RateLimit": '"default";r=0;t=20', "RateLimit-Policy": '"default";q=1;w=60'},
            {"RateLimit": '"default";r=0;t=20', "RateLimit-Policy": '"default";q=1;w=60'},
        ),
        (
            "legacy",
            {"X-RateLimit-Limit": "1", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1795284020"},
            {"X-RateLimit-Limit": "1", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1795284020"},
        ),
    ],
)
async def test_each_style_sends_its_own_headers_and_no_others(
    start: Start,
    patch: Patch,
    clock: FakeClock,
    style: str,
    on_success: dict[str, str],
    on_refusal: dict[str, str],
) -> None:
    sandbox = await start(limit="1/min", headers=style, clock=clock)
    for status, expected in ((200, on_success), (429, on_refusal)):
        got = await patch(sandbox, "langdock", FIRST.id, {"name": "x"})
        told = {name: value for name, value in got.headers.items() if "Rate" in name or name == "Retry-After"}
        assert (got.status, told) == (status, expected)


async def test_a_token_bucket_is_told_its_burst(start: Start, patch: Patch, clock: FakeClock) -> None:
    sandbox = await start(limit="10/s", limit_kind="token-bucket", burst=2, clock=clock)
    statuses = [(await patch(sandbox, "langdock", FIRST.id, {"name": "x"})).status for _ in range(3)]
    assert statuses == [200, 200, 429]


@pytest.mark.parametrize(("style", "told"), [("retry-after", "1"), ("ietf", None)])
async def test_too_many_in_flight_is_429_until_one_is_done(
    start: Start, patch: Patch, until: Until, style: str, told: str | None
) -> None:
    sandbox = await start(max_in_flight=1, headers=style, faults=Faults.in_order("hang"))
    _, writer = await send_raw(sandbox)
    await until(lambda: sandbox.requests)
    got = await patch(sandbox, "langdock", FIRST.id, {"name": "x"})
    assert (got.status, got.headers.get("Retry-After")) == (429, told)
    writer.close()  # the client gives up, and with it the request ends

    async with asyncio.timeout(5):
        while (await patch(sandbox, "langdock", FIRST.id, {"name": "x"})).status != 200:
            pass


# Faults: for each one what the client sees, and whether the change was written


@pytest.mark.parametrize(("kind", "applied"), [("reset-before", False), ("reset-after", True)])
async def test_a_reset_breaks_the_connection_hard(start: Start, kind: str, *, applied: bool) -> None:
    sandbox = await start(faults=Faults.in_order(kind))
    reader, writer = await send_raw(sandbox)
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(), 5)
    writer.close()
    assert renamed(sandbox) == applied
    seen = sandbox.requests[0]
    assert (seen.status, seen.fault, seen.applied) == (None, kind, applied)


async def test_garbage_is_no_http_and_nothing_is_applied(start: Start, http: aiohttp.ClientSession) -> None:
    sandbox = await start(faults="garbage=1")
    reader, writer = await send_raw(sandbox)
    assert await asyncio.wait_for(reader.read(), 5) == server_module.GARBAGE
    writer.close()
    with pytest.raises(aiohttp.ClientError):
        await http.patch(sandbox.url + PATH, data=BODY)
    assert not renamed(sandbox)
    assert [seen.applied for seen in sandbox.requests] == [False] * len(sandbox.requests)


@pytest.mark.parametrize(
    ("kind", "status", "message", "applied"),
    [
        ("500", 500, "Internal server error", False),
        ("503", 503, "Service unavailable", False),
        ("503-retry-after@2.5", 503, "Service unavailable", False),
        ("500-after", 500, "Internal server error", True),
    ],
)
async def test_an_error_comes_before_or_after_the_change(
    start: Start, patch: Patch, kind: str, status: int, message: str, *, applied: bool
) -> None:
    sandbox = await start(faults=Faults.in_order(kind))
    got = await patch(sandbox, "langdock", FIRST.id, {"name": "Renamed"})
    assert (got.status, got.json) == (status, {"message": message})
    assert got.headers.get("Retry-After") == ("3" if "retry" in kind else None)
    assert renamed(sandbox) == applied == (len(sandbox.applied) == 1)
    assert (await patch(sandbox, "langdock", FIRST.id, {"name": "Renamed"})).status == 200


async def test_an_error_has_the_shape_of_its_api(start: Start, patch: Patch) -> None:
    sandbox = await start(faults=Faults.in_order("500", "503"))
    assert (await patch(sandbox, "nairi", NAIRI.id, {"name": "x"})).json == {"error": "internal server error"}
    assert (await patch(sandbox, "nairi", NAIRI.id, {"name": "x"})).json == {"error": "service unavailable"}


async def test_a_502_is_a_proxys_web_page_and_nothing_is_applied(start: Start, patch: Patch) -> None:
    sandbox = await start(faults="502=1")
    got = await patch(sandbox, "langdock", FIRST.id, {"name": "Renamed"})
    assert (got.status, got.headers["Content-Type"]) == (502, "text/html")
    assert "<h1>502 Bad Gateway</h1>" in got.text
    assert not renamed(sandbox)


@pytest.mark.parametrize(("kind", "applied"), [("hang", False), ("hang-after", True)])
async def test_a_hang_is_never_answered_and_ends_when_the_server_stops(
    until: Until, monkeypatch: pytest.MonkeyPatch, kind: str, *, applied: bool
) -> None:
    monkeypatch.setattr(server_module, "STOP_WITHIN_S", 60.0)  # what stopping would take if a hang held it up
    async with asyncio.timeout(10):
        async with Sandbox(faults=f"{kind}=1") as sandbox:
            reader, writer = await send_raw(sandbox)
            answer = asyncio.create_task(reader.read())
            await until(lambda: sandbox.requests)
            for _ in range(20):
                await asyncio.sleep(0)
            assert not answer.done()
            assert renamed(sandbox) == applied
        with pytest.raises(ConnectionResetError):
            await answer
        writer.close()


async def test_a_garbage_body_is_applied_and_no_json(start: Start, patch: Patch) -> None:
    sandbox = await start(faults="garbage-body=1")
    got = await patch(sandbox, "langdock", FIRST.id, {"name": "Renamed"})
    assert (got.status, renamed(sandbox)) == (200, True)
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(got.text)


async def test_a_garbage_body_never_turns_a_refusal_into_a_success(start: Start, patch: Patch) -> None:
    sandbox = await start(faults="garbage-body=1")
    got = await patch(sandbox, "langdock", FIRST.id, {"name": "x" * 41})
    assert (got.status, sandbox.applied) == (400, [])


async def test_a_slow_answer_is_applied_first_and_comes_late(start: Start, patch: Patch) -> None:
    sandbox = await start(faults=Faults.in_order("slow@0.02"))
    loop = asyncio.get_running_loop()
    began = loop.time()
    got = await patch(sandbox, "langdock", FIRST.id, {"name": "Renamed"})
    assert loop.time() - began >= 0.019
    assert (got.status, sandbox.requests[0].fault) == (200, "slow")


async def test_stopping_does_not_wait_for_a_slow_answer_but_sends_it(until: Until) -> None:
    async with asyncio.timeout(10):
        async with Sandbox(faults="slow=1@3600") as sandbox:
            reader, writer = await send_raw(sandbox)
            await until(lambda: sandbox.applied)
        answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 200 OK")


async def test_throttled_requests_draw_no_fault(start: Start, patch: Patch, clock: FakeClock) -> None:
    sandbox = await start(limit="1/s", clock=clock, faults=Faults.in_order("ok", "500"))
    statuses = [(await patch(sandbox, "langdock", FIRST.id, {"name": "x"})).status for _ in range(3)]
    clock.seconds += 1
    statuses.append((await patch(sandbox, "langdock", FIRST.id, {"name": "x"})).status)
    assert statuses == [200, 429, 429, 500]


async def test_the_seed_decides_which_requests_fail(start: Start, patch: Patch) -> None:
    async def statuses(seed: int) -> list[int]:
        sandbox = await start(faults="500=0.5", seed=seed, records=make_records())
        return [(await patch(sandbox, "langdock", FIRST.id, {"name": "x"})).status for _ in range(20)]

    assert await statuses(4) == await statuses(4)
    assert await statuses(4) != await statuses(5)


async def test_no_fault_leaves_an_error_in_the_servers_log(
    start: Start, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    kinds = ("reset-before", "reset-after", "garbage", "hang", "slow@3600")
    sandbox = await start(faults=Faults.in_order(*kinds))
    for number in range(1, len(kinds) + 1):
        _, writer = await send_raw(sandbox)
        await until(lambda number=number: len(sandbox.requests) == number)  # type: ignore[misc] # a lambda's default
        writer.close()
    await sandbox.stop()
    assert caplog.records == []


# The truth


async def test_every_request_is_written_down_with_what_became_of_it(
    start: Start, ask: Ask, patch: Patch, clock: FakeClock
) -> None:
    sandbox = await start(clock=clock)
    await patch(sandbox, "langdock", FIRST.id.upper(), {"name": "Ä"})
    await patch(sandbox, "nairi", "a%20b", b"\xff")
    await ask(sandbox, "GET", "/integrations/v1/get?x=1")
    first, second, third = sandbox.requests
    assert (first.seq, first.at, first.api, first.id) == (1, clock.now(), "langdock", FIRST.id.upper())
    assert (first.method, first.path) == ("PATCH", f"/integrations/v1/{FIRST.id.upper()}")
    assert (json.loads(first.body), first.status, first.fault, first.applied) == ({"name": "Ä"}, 200, "", True)
    assert (second.seq, second.api, second.id, second.body, second.status) == (2, "nairi", "a b", "�", 400)
    assert not second.applied
    assert (third.method, third.path, third.id, third.status) == ("GET", "/integrations/v1/get", "", 200)


async def test_applied_changes_are_listed_under_the_records_own_id_with_known_fields_only(
    start: Start, patch: Patch, clock: FakeClock
) -> None:
    sandbox = await start(clock=clock)
    await patch(sandbox, "langdock", FIRST.id, {"name": "x" * 41})
    await patch(sandbox, "langdock", FIRST.id.upper(), {"name": "x", "iconUrl": None, "other": 1})
    await patch(sandbox, "nairi", NAIRI.id.removeprefix("ai_"), {"name": "y"})
    assert [(a.seq, a.api, a.id, a.fields, a.at) for a in sandbox.applied] == [
        (2, "langdock", FIRST.id, {"name": "x", "iconUrl": None}, clock.now()),
        (3, "nairi", NAIRI.id, {"name": "y"}, clock.now()),
    ]


async def test_each_answer_carries_the_number_of_its_request(sandbox: Sandbox, patch: Patch) -> None:
    for number in (1, 2):
        got = await patch(sandbox, "langdock", FIRST.id, {"name": "x"})
        assert got.headers["X-Request-Id"] == f"sandbox-{number}" == f"sandbox-{sandbox.requests[-1].seq}"


async def test_a_key_is_never_kept(sandbox: Sandbox, ask: Ask, patch: Patch) -> None:
    await patch(sandbox, "langdock", FIRST.id, {"name": "x"}, key="sk-ld-very-secret")
    await patch(sandbox, "langdock", FIRST.id, {"name": "x"})
    told = (await ask(sandbox, "GET", "/_sandbox/requests")).text + repr(sandbox.requests) + repr(sandbox.applied)
    assert "very-secret" not in told
    assert "sk-ld-" not in told
    assert "Bearer" not in told


async def test_without_keeping_only_the_counts_and_records_tell(start: Start, patch: Patch) -> None:
    sandbox = await start(keep_requests=False, faults=Faults.in_order("ok", "500"))
    for name in ("a", "b", "c"):
        await patch(sandbox, "langdock", FIRST.id, {"name": name})
    assert (sandbox.requests, sandbox.applied) == ([], [])
    counts = sandbox.counts
    assert (counts.requests, counts.applied, counts.faults, counts.throttled) == (3, 2, 1, 0)
    assert sandbox.record("langdock-integration", FIRST.id).name == "c"


@pytest.mark.parametrize("api", ["langdock", "nairi"])
async def test_a_body_too_large_is_413_and_written_down(sandbox: Sandbox, patch: Patch, api: str) -> None:
    record_id = {"langdock": FIRST.id, "nairi": NAIRI.id}[api]
    got = await patch(sandbox, api, record_id, BytesIO(b'{"name":"' + b"x" * 1_100_000 + b'"}'))
    assert got.status == 413
    assert [(seen.status, seen.applied) for seen in sandbox.requests] == [(413, False)]


async def test_what_it_did_can_still_be_asked_after_it_has_stopped(patch: Patch) -> None:
    async with Sandbox() as sandbox:
        await patch(sandbox, "langdock", FIRST.id, {"name": "x"})
    assert len(sandbox.applied) == 1


# The control API


async def test_the_truth_can_be_asked_over_http(start: Start, ask: Ask, patch: Patch, clock: FakeClock) -> None:
    sandbox = await start(clock=clock)
    await patch(sandbox, "langdock", FIRST.id, {"color": "#abc"})
    applied = {
        "seq": 1,
        "api": "langdock",
        "id": FIRST.id,
        "fields": {"color": "#abc"},
        "at": "2026-11-21T18:00:00+00:00",
    }
    assert (await ask(sandbox, "GET", "/_sandbox/applied")).json == [applied]
    (seen,) = (await ask(sandbox, "GET", "/_sandbox/requests")).json
    assert (seen["seq"], seen["path"], seen["status"], seen["applied"]) == (1, PATH, 200, True)
    assert seen["at"] == "2026-11-21T18:00:00+00:00"
    counts = (await ask(sandbox, "GET", "/_sandbox/counts")).json
    assert counts == {"requests": 1, "applied": 1, "throttled": 0, "faults": 0}
    for api in ("langdock", "langdock-integration"):
        records = (await ask(sandbox, "GET", f"/_sandbox/records/{api}")).json
        assert (len(records), records[0]["color"]) == (64, "#abc")
    assert len((await ask(sandbox, "GET", "/_sandbox/records/nairi")).json) == 40


async def test_the_control_api_needs_no_key_and_meets_no_fault(start: Start, ask: Ask) -> None:
    sandbox = await start(faults="reset-before=1")
    assert (await ask(sandbox, "GET", "/_sandbox/requests", key="")).json == []


async def test_a_reset_puts_everything_back(start: Start, ask: Ask, patch: Patch, clock: FakeClock) -> None:
    sandbox = await start(limit="1/s", clock=clock, faults=Faults.in_order("500-after"))
    assert (await patch(sandbox, "langdock", FIRST.id, {"name": "x"})).status == 500
    sandbox.revoke()
    assert (await ask(sandbox, "POST", "/_sandbox/reset")).json == {"reset": True}
    assert sandbox.record("langdock", FIRST.id) == FIRST
    assert (sandbox.requests, sandbox.applied, sandbox.counts.requests) == ([], [], 0)
    again = await patch(sandbox, "langdock", FIRST.id, {"name": "x"})
    assert (again.status, sandbox.applied[0].seq) == (500, 1)  # limit, keys and faults have started anew, too


async def test_a_key_can_be_revoked_in_the_middle(sandbox: Sandbox, ask: Ask, patch: Patch) -> None:
    assert (await patch(sandbox, "nairi", NAIRI.id, {"name": "x"})).status == 200
    got = await ask(sandbox, "POST", "/_sandbox/keys/revoke", {"keys": ["nr_sandbox", "nr_never"]})
    assert got.json == {"revoked": 1}
    assert (await patch(sandbox, "nairi", NAIRI.id, {"name": "y"})).status == 401
    assert (await patch(sandbox, "langdock", FIRST.id, {"name": "x"})).status == 200


async def test_revoking_without_a_name_revokes_all_keys(sandbox: Sandbox, ask: Ask, patch: Patch) -> None:
    assert (await ask(sandbox, "POST", "/_sandbox/keys/revoke")).json == {"revoked": 3}
    assert (await patch(sandbox, "langdock", FIRST.id, {"name": "x"})).status == 401


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"keys": "nr_sandbox"}', b'{"keys": [1]}', b'{"keys": null}'])
async def test_a_wrong_revocation_revokes_nothing(sandbox: Sandbox, ask: Ask, patch: Patch, body: bytes) -> None:
    assert (await ask(sandbox, "POST", "/_sandbox/keys/revoke", body)).status == 400
    assert (await patch(sandbox, "nairi", NAIRI.id, {"name": "x"})).status == 200


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "nothing"), ("GET", "reset"), ("POST", "applied"), ("GET", "records/hubspot")]
)
async def test_an_unknown_control_path_tells_what_there_is(sandbox: Sandbox, ask: Ask, method: str, path: str) -> None:
    got = await ask(sandbox, method, f"/_sandbox/{path}")
    assert got.status == 404
    assert "GET /_sandbox/applied" in got.json["error"]


# serve


async def test_serve_tells_its_url_runs_until_cancelled_and_frees_the_port(
    until: Until, http: aiohttp.ClientSession, capfd: pytest.CaptureFixture[str]
) -> None:
    urls: list[str] = []
    task = asyncio.create_task(serve(urls.append, langdock=2))
    await until(lambda: urls)
    async with http.get(f"{urls[0]}/_sandbox/records/langdock") as reply:
        assert len(await reply.json()) == 6
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(aiohttp.ClientConnectorError):
        await http.get(urls[0])
    assert capfd.readouterr() == ("", "")


async def test_bad_records_get_the_same_error_at_every_request_and_no_others_do(start: Start, patch: Patch) -> None:
    sandbox = await start(langdock=20, nairi=20, bad_records="429=1@30,500=2", seed=4)
    for api in ("langdock", "nairi"):
        answers = []
        for record in sandbox.records(api):
            twice = [await patch(sandbox, api, record.id, {"name": "x"}) for _ in range(2)]
            answers.append({(reply.status, reply.headers.get("Retry-After")) for reply in twice})
        assert [said for said in answers if said != {(200, None)}] != []
        assert sorted(answers.count({said}) for said in [(429, "30"), (500, None), (200, None)]) == [1, 2, 17]
