from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from declarations import read

from batchupdate.api.client import Client
from batchupdate.config import Settings
from batchupdate.model import Fault, FaultKind, Reply
from batchupdate.runs.keys import credentials_of
from tests.raw_server import serving

if TYPE_CHECKING:
    from pathlib import Path

    from fakes import FakeClock

    from batchupdate.api.credentials import Credentials

pytestmark = pytest.mark.slow

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
REFUSED = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 13\r\n\r\ntoken expired"
ENVIRON = {"KEY": "key-of-mine&", "SECOND": "second-key", "WHO": "ann@example.com"}
DECLARED = "name: mine\ntitle: Mine\npath: /{id}\nauth: %s\nid: {id: {}}\nfields: {name: {}}\n"


def credentials(auth: str, clock: FakeClock, **settings: str) -> Credentials:
    return credentials_of(read(DECLARED % auth), Settings.model_validate(settings), ENVIRON, clock)


async def send(url: str, known: Credentials, clock: FakeClock, times: int = 1) -> list[Reply | Fault]:
    async with Client(
        url, "PATCH", {}, Settings(), concurrency=1, clock=clock, secrets=known.secrets, credentials=known
    ) as client:
        return [await client.send("/1?a=b", b"{}") for _ in range(times)]


@pytest.mark.parametrize(
    ("auth", "line", "headers"),
    [
        ("{env: KEY}", b"PATCH /1?a=b HTTP", [b"Authorization: Bearer key-of-mine&"]),
        (
            "{scheme: header, env: KEY, name: Authorization, value: 'SSWS {key}'}",
            b"PATCH /1?a=b HTTP",
            [b"Authorization: SSWS key-of-mine&"],
        ),
        ("{scheme: query, env: KEY, name: api_key}", b"PATCH /1?a=b&api_key=key-of-mine%26 HTTP", []),
        (
            "{scheme: basic, env: SECOND, user: {env: WHO}}",
            b"PATCH /1?a=b HTTP",
            [b"Authorization: Basic YW5uQGV4YW1wbGUuY29tOnNlY29uZC1rZXk="],
        ),
        (
            "{env: KEY, also: [{scheme: header, name: X-App, env: SECOND}, {scheme: query, name: q, env: KEY}]}",
            b"PATCH /1?a=b&q=key-of-mine%26 HTTP",
            [b"Authorization: Bearer key-of-mine&", b"X-App: second-key"],
        ),
        ("{scheme: none}", b"PATCH /1?a=b HTTP", []),
    ],
)
async def test_each_scheme_goes_out_as_declared(clock: FakeClock, auth: str, line: bytes, headers: list[bytes]) -> None:
    known = credentials(auth, clock)
    async with serving(OK) as server:
        await send(server.url, known, clock)
    assert server.heads[0].startswith(line)
    for header in headers:
        assert header in server.heads[0]
    assert server.heads[0].count(b"Authorization") == sum(b"Authorization" in one for one in headers)


def test_a_key_in_the_url_is_redacted_as_it_stands_there(clock: FakeClock) -> None:
    known = credentials("{scheme: query, env: KEY, name: key}", clock)
    assert known.secrets.redact("GET /1?key=key-of-mine%26") == "GET /1?key=[redacted]"


def counting(path: Path) -> str:
    """A command that prints another key each time."""
    code = f"p=__import__('pathlib').Path({str(path)!r}); n=len(p.read_text())+1; p.write_text('x'*n);"
    code += " print(f'key-no-{n}')"
    return f'"{sys.executable}" -c "{code}"'


async def test_a_command_is_run_once_and_again_when_the_api_refuses_its_key(clock: FakeClock, tmp_path: Path) -> None:
    (tmp_path / "n").write_text("")
    known = credentials("{env: NOT_SET}", clock, key_command=counting(tmp_path / "n"))
    async with serving(OK, OK, REFUSED, OK) as server:
        answers = await send(server.url, known, clock, 4)
    used = [head.partition(b"Bearer ")[2][:8] for head in server.heads]
    assert used == [b"key-no-1", b"key-no-1", b"key-no-1", b"key-no-2"]
    assert isinstance(answers[2], Fault)
    assert (answers[2].kind, answers[2].left) == (FaultKind.EXPIRED, True)
    assert isinstance(answers[3], Reply)
    assert known.secrets.redact("key-no-1 key-no-2") == "[redacted] [redacted]"


async def test_a_command_that_fails_later_stops_with_its_reason(clock: FakeClock, tmp_path: Path) -> None:
    (tmp_path / "n").write_text("")
    known = credentials("{env: NOT_SET}", clock, key_command=counting(tmp_path / "n"))
    (tmp_path / "n").unlink()
    async with serving(REFUSED) as server:
        _, answer = await send(server.url, known, clock, 2)
    assert isinstance(answer, Fault)
    assert answer.kind is FaultKind.NO_CREDENTIALS
    assert "failed with exit code 1" in answer.message
    assert len(server.heads) == 1


async def test_a_key_that_cant_be_renewed_is_refused_as_ever(clock: FakeClock) -> None:
    async with serving(REFUSED) as server:
        (answer,) = await send(server.url, credentials("{env: KEY}", clock), clock)
    assert isinstance(answer, Reply)
    assert answer.status == 401


@pytest.mark.parametrize(
    ("expired", "status", "body", "renewed"),
    [
        ("[]", 401, "x", True),
        ("[]", 403, "token expired", False),
        ("[{status: 403, body: expired}]", 403, "token expired", True),
        ("[{status: 403, body: expired}]", 403, "no permission", False),
        ("[{status: 403, body: expired}]", 401, "x", False),
        ("[{status: [401, 498]}]", 498, "x", True),
        ("[{status: 200, body: session}]", 200, "your session has ended", True),
    ],
)
async def test_a_target_says_which_answers_ask_for_a_new_key(
    clock: FakeClock, tmp_path: Path, expired: str, status: int, body: str, renewed: bool
) -> None:
    (tmp_path / "n").write_text("")
    known = credentials(f"{{env: NOT_SET, expired: {expired}}}", clock, key_command=counting(tmp_path / "n"))
    assert known.expires(Reply(status, body=body.encode())) is renewed
    assert known.asks_in_success is ("200" in expired)


async def test_a_target_without_a_key_wants_none(clock: FakeClock) -> None:
    known = credentials("{scheme: none}", clock)
    assert (await known.headers(), known.query, known.place, bool(known.secrets)) == ({}, "", "", False)
