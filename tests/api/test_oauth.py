from __future__ import annotations

import asyncio
import base64
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from declarations import complaint, read
from real_servers import listening

from batchupdate.api.client import Client
from batchupdate.config import MissingKey, Settings
from batchupdate.errors import ConfigError
from batchupdate.model import Fault, FaultKind, Reply
from batchupdate.runs.keys import credentials_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from fakes import FakeClock

    from batchupdate.api.credentials import Credentials
    from batchupdate.targets import Target

pytestmark = pytest.mark.slow

DECLARED = """\
name: mine
title: Mine
base_url: {url}
path: /things/{{id}}
auth: {auth}
id: {{id: {{}}}}
fields: {{name: {{}}}}
"""
ENVIRON = {"CLIENT_SECRET": "s3cret/of+mine", "REFRESH": "refresh-0", "CLIENT_ID": "me"}
GRANT = (
    "{scheme: oauth2, grant: client_credentials, token_url: '%s/token', client_id: {env: CLIENT_ID}, "
    "client_secret: {env: CLIENT_SECRET}%s}"
)


class World:
    """A token endpoint and an API that takes its tokens."""

    def __init__(self) -> None:
        self.url = ""
        self.lifetime_s: float | None = 60.0
        self.asked: list[dict[str, str]] = []
        self.asked_with: list[str] = []
        self.seen: list[str] = []
        self.valid: set[str] = set()
        self.refuses: list[tuple[int, Any]] = []
        """What the token endpoint answers before it gives tokens."""
        self.rotates = False

    async def token(self, request: web.Request) -> web.Response:
        self.asked.append({name: str(value) for name, value in (await request.post()).items()})  # a form alone is read
        self.asked_with.append(request.headers.get("Authorization", ""))
        await asyncio.sleep(0)
        if self.refuses:
            status, body = self.refuses.pop(0)
            return web.Response(status=status, text=body if isinstance(body, str) else json.dumps(body))
        token = f"token-{len(self.asked)}"
        self.valid = {token}
        more = {"refresh_token": f"refresh-{len(self.asked)}"} if self.rotates else {}
        return web.json_response({"access_token": token, "token_type": "Bearer", "expires_in": self.lifetime_s, **more})

    async def change(self, request: web.Request) -> web.Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        self.seen.append(token)
        return web.json_response({}) if token in self.valid else web.json_response({"error": "expired"}, status=401)


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    made, app = World(), web.Application()
    app.add_routes([web.post("/token", made.token), web.patch("/things/{id}", made.change)])
    async with listening(app) as made.url:
        yield made


def credentials(target: Target, clock: FakeClock, environ: dict[str, str] = ENVIRON) -> Credentials:
    return credentials_of(target, Settings(), environ, clock)


@asynccontextmanager
async def client(it: World, clock: FakeClock, more: str = "", auth: str = GRANT) -> AsyncIterator[Client]:
    target = read(DECLARED.format(url=it.url, auth=auth % (it.url, more)))
    known = credentials(target, clock)
    async with Client(
        it.url, "PATCH", {}, Settings(), concurrency=8, clock=clock, secrets=known.secrets, credentials=known
    ) as made:
        yield made


async def test_one_token_serves_all_workers_until_shortly_before_it_expires(clock: FakeClock) -> None:
    async with world() as it, client(it, clock) as made:
        answers = await asyncio.gather(*(made.send("/things/1", b"{}") for _ in range(20)))
        assert {answer.status for answer in answers if isinstance(answer, Reply)} == {200}
        clock.time += 40
        await made.send("/things/1", b"{}")
        assert it.seen == ["token-1"] * 21
        clock.time += 9  # a fifth of its life is left
        await made.send("/things/1", b"{}")
        assert it.seen[-1] == "token-2"
    assert len(it.asked) == 2


async def test_the_endpoint_is_asked_as_the_grant_wants_it(clock: FakeClock) -> None:
    more = ", scopes: [users.write, users.read], audience: 'https://api', parameters: {resource: x}"
    async with world() as it, client(it, clock, more) as made:
        await made.send("/things/1", b"{}")
    assert it.asked == [
        {
            "grant_type": "client_credentials",
            "scope": "users.write users.read",
            "audience": "https://api",
            "resource": "x",
        }
    ]
    pair = base64.b64decode(it.asked_with[0].removeprefix("Basic ")).decode()
    assert pair == "me:s3cret%2Fof%2Bmine"  # RFC 6749, section 2.3.1


async def test_the_clients_secret_can_go_in_the_body(clock: FakeClock) -> None:
    async with world() as it, client(it, clock, ", client_auth: body") as made:
        await made.send("/things/1", b"{}")
    assert it.asked == [
        {"grant_type": "client_credentials", "client_id": "me", "client_secret": ENVIRON["CLIENT_SECRET"]}
    ]
    assert it.asked_with == [""]


async def test_an_answer_that_asks_for_a_new_token_gets_one_for_all_that_were_out(clock: FakeClock) -> None:
    async with world() as it, client(it, clock) as made:
        await made.send("/things/1", b"{}")
        it.valid = set()  # revoked
        answers = await asyncio.gather(*(made.send("/things/1", b"{}") for _ in range(5)))
        assert {(answer.kind, answer.message) for answer in answers if isinstance(answer, Fault)} == {
            (FaultKind.EXPIRED, "401 the API does not take the credentials any more: expired")
        }
        assert isinstance(await made.send("/things/1", b"{}"), Reply)
    assert len(it.asked) == 2


async def test_a_refresh_token_that_is_replaced_is_used_from_then_on(clock: FakeClock) -> None:
    auth = "{scheme: oauth2, grant: refresh_token, token_url: '%s/token', client_id: me, refresh_token: {env: REFRESH}"
    auth += "%s}"
    async with world() as it, client(it, clock, auth=auth) as made:
        it.rotates = True
        for _ in range(2):
            await made.send("/things/1", b"{}")
            clock.time += 3600
        assert [form["refresh_token"] for form in it.asked] == ["refresh-0", "refresh-1"]
        assert it.asked[0]["client_id"] == "me"


KEYS = {"rsa": rsa.generate_private_key(65537, 2048), "ec": ec.generate_private_key(ec.SECP256R1())}


def pem(kind: str) -> str:
    key = KEYS[kind]
    form = serialization.PrivateFormat.PKCS8 if kind == "rsa" else serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


@pytest.mark.parametrize(("kind", "algorithm"), [("rsa", "RS256"), ("ec", "ES256")])
@pytest.mark.parametrize("account", [False, True])
async def test_a_signed_assertion_is_exchanged_for_a_token(
    clock: FakeClock, tmp_path: Path, kind: str, algorithm: str, account: bool
) -> None:
    path = tmp_path / "key.json"
    whole = {"private_key": pem(kind), "client_email": "robot@example.com", "private_key_id": "k1"}
    path.write_text(json.dumps(whole) if account else pem(kind), "utf-8")
    own = "" if account else ", client_id: robot@example.com"
    auth = (
        "{scheme: oauth2, grant: jwt_bearer, token_url: '%s/token', scopes: [a, b], subject: ann@example.com, "
        f"private_key: {{file: '{path}'}}{own}%s}}"
    )
    async with world() as it, client(it, clock, auth=auth) as made:
        assert isinstance(await made.send("/things/1", b"{}"), Reply)
        assertion = it.asked[0]["assertion"]
        claims = jwt.decode(
            assertion,
            KEYS[kind].public_key(),
            [algorithm],
            audience=f"{it.url}/token",
            options={"verify_exp": False, "verify_iat": False},
        )
    assert it.asked[0]["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert (claims["iss"], claims["sub"], claims["scope"]) == ("robot@example.com", "ann@example.com", "a b")
    assert claims["exp"] - claims["iat"] <= 300
    assert jwt.get_unverified_header(assertion).get("kid") == ("k1" if account else None)


@pytest.mark.parametrize(
    ("status", "body", "kind", "message"),
    [
        (
            401,
            {"error": "invalid_client", "error_description": "Unknown client"},
            FaultKind.NO_CREDENTIALS,
            "no token from 127.0.0.1: 401 Unknown client",
        ),
        (400, {"error": "invalid_grant"}, FaultKind.NO_CREDENTIALS, "no token from 127.0.0.1: 400 invalid_grant"),
        (503, "", FaultKind.CONNECT, "no token from 127.0.0.1: 503"),
        (429, "", FaultKind.CONNECT, "no token from 127.0.0.1: 429"),
        (302, "", FaultKind.NO_CREDENTIALS, "no token from 127.0.0.1: 302"),
        (200, "<html>", FaultKind.NO_CREDENTIALS, "its answer is not a token response (RFC 6749, section 5.1)"),
        (200, [1], FaultKind.NO_CREDENTIALS, "its answer is not a token response"),
        (200, {"access_token": "a\r\nb"}, FaultKind.NO_CREDENTIALS, "its answer has no access_token"),
        (200, {"token": "x"}, FaultKind.NO_CREDENTIALS, "its answer has no access_token"),
        (400, {"error": "bad s3cret/of+mine"}, FaultKind.NO_CREDENTIALS, "400 bad [redacted]"),
    ],
)
async def test_without_a_token_nothing_is_sent_and_the_reason_is_given(
    clock: FakeClock, status: int, body: Any, kind: FaultKind, message: str
) -> None:
    async with world() as it, client(it, clock) as made:
        it.refuses = [(status, body)]
        answer = await made.send("/things/1", b"{}")
        assert isinstance(answer, Fault)
        assert answer.kind is kind
        assert message in answer.message
        assert not answer.left
        assert it.seen == []
        assert isinstance(await made.send("/things/1", b"{}"), Reply)  # the next one asks again


@pytest.mark.parametrize("lifetime", [None, 0, -5, "soon"])
async def test_a_token_without_a_usable_lifetime_is_used_until_the_api_refuses_it(
    clock: FakeClock, lifetime: Any
) -> None:
    async with world() as it, client(it, clock) as made:
        it.lifetime_s = lifetime
        for _ in range(3):
            await made.send("/things/1", b"{}")
            clock.time += 86_400
    assert len(it.asked) == 1


async def test_a_token_is_redacted_wherever_the_api_echoes_it(clock: FakeClock) -> None:
    async with world() as it, client(it, clock) as made:
        await made.send("/things/1", b"{}")
        target = read(DECLARED.format(url=it.url, auth=GRANT % (it.url, "")))
        known = credentials(target, clock)
        assert known.secrets.redact("s3cret/of+mine") == "[redacted]"
        await known.headers()
        assert known.secrets.redact("you sent token-2") == "you sent [redacted]"


@pytest.mark.parametrize(
    ("auth", "sentence"),
    [
        ("{scheme: oauth2}", "auth: scheme oauth2 needs grant"),
        ("{scheme: oauth2, grant: client_credentials, token_url: 'https://a/t', client_id: x}", "needs client_secret"),
        (GRANT % ("http://login.example.com", ""), "auth.token_url: token_url must begin with https://"),
        (GRANT % ("https://a", ", env: KEY"), "auth.env: scheme oauth2 takes its secrets from"),
        ("{scheme: bearer, env: K, grant: client_credentials}", "auth.grant: grant is for scheme oauth2"),
        ("{scheme: query, env: K}", "auth: scheme query needs name"),
        ("{scheme: bearer, env: K, value: '{key}'}", "auth.value: value is for scheme header"),
        ("{scheme: oauth2, grant: jwt_bearer, token_url: 'https://a', private_key: {}}", "give either env"),
        ("{env: K, also: [{env: L}]}", "auth.also: the header authorization would be sent twice"),
        ("{env: K, also: [{scheme: none}]}", "auth.also.0: a key that goes along is bearer, basic, header or query"),
    ],
)
def test_a_declaration_that_is_not_possible_is_refused(auth: str, sentence: str) -> None:
    assert sentence in complaint(DECLARED.format(url="https://a", auth=auth))


@pytest.mark.parametrize(
    ("auth", "error", "sentence"),
    [
        (GRANT % ("https://a", ""), MissingKey, "There is no API key."),
        (
            "{scheme: oauth2, grant: refresh_token, token_url: 'https://a', client_id: x, refresh_token: {file: gone}}",
            ConfigError,
            "The file gone with 'refresh_token' can't be read: No such file or directory.",
        ),
        (
            "{scheme: oauth2, grant: jwt_bearer, token_url: 'https://a', client_id: x, private_key: {env: PEM}}",
            ConfigError,
            "'private_key' holds no private key in PEM format.",
        ),
        (
            "{scheme: oauth2, grant: jwt_bearer, token_url: 'https://a', private_key: {env: JSON}}",
            ConfigError,
            "'private_key' is JSON, but not a service account's: it has no private_key.",
        ),
    ],
)
def test_a_secret_that_is_not_there_is_named_before_anything_is_sent(
    clock: FakeClock, auth: str, error: type[ConfigError], sentence: str
) -> None:
    environ = {"PEM": "no key at all", "JSON": "{}"}
    with pytest.raises(error, match=sentence.replace("(", r"\(").replace(".", r"\.")):
        credentials(read(DECLARED.format(url="https://a", auth=auth)), clock, environ)
