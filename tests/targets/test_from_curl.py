from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchupdate.config import Settings
from batchupdate.errors import UsageError
from batchupdate.roundtrip.trial import preview_of
from batchupdate.targets.curl_command import read_curl
from batchupdate.targets.from_curl import Draft, draft_from_curl

if TYPE_CHECKING:
    from pathlib import Path

    from batchupdate.roundtrip.trial import Preview

pytestmark = pytest.mark.slow

KEY = "sk-very-secret-0123456789"
UUID = "550e8400-e29b-41d4-a716-446655440000"
LANGDOCK = f"""curl -X PATCH 'https://api.langdock.com/integrations/v1/{UUID}' \
  -H 'Authorization: Bearer {KEY}' -H 'Content-Type: application/json' \
  -d '{{"name": "Updated Integration Name", "description": "New description for the integration"}}'"""
NAIRI = """curl -X PATCH https://api.nairi.ai/api/public/v1/integrations/llm/INTEGRATION_ID \\
  -H "Authorization: Bearer $NAIRI_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{ "name": "Staging Anthropic" }'"""


def requested(draft: Draft, folder: Path) -> Preview:
    """What `targets test` shows of the declaration and its table."""
    (folder / "made.yaml").write_text(draft.text, "utf-8")
    rows = io.StringIO()
    csv.writer(rows, lineterminator="\n").writerows([list(draft.cells), list(draft.cells.values())])
    (folder / "made.csv").write_text(rows.getvalue(), "utf-8")
    tried = preview_of(str(folder / "made.csv"), Settings(target=str(folder / "made.yaml"), allow_http=True), {})
    assert tried.preview is not None, tried.problems
    return tried.preview


def same(text: str, other: str) -> bool:
    try:
        return json.loads(text) == json.loads(other)
    except ValueError:
        return sorted(parse_qsl(text, keep_blank_values=True)) == sorted(parse_qsl(other, keep_blank_values=True))


class Case(NamedTuple):
    command: str
    path: str
    auth: dict[str, object]
    part: dict[str, object]


CASES = {
    "langdock": Case(
        LANGDOCK,
        "/integrations/v1/{id}",
        {"scheme": "bearer", "env": "LANGDOCK_API_KEY"},
        {"name": "langdock-integrations", "id": {"id": {"format": "uuid"}}, "fields": {"name": {}, "description": {}}},
    ),
    "nairi": Case(
        NAIRI,
        "/api/public/v1/integrations/llm/{integration_id}",
        {"scheme": "bearer", "env": "NAIRI_API_KEY"},
        {"name": "nairi-llm", "fields": {"name": {}}},
    ),
    "zendesk": Case(
        f"""curl https://acme.zendesk.com/api/v2/tickets/35436.json -X PUT -u 'ann@x.example/token:{KEY}' --json \\
 '{{"ticket": {{"status": "open", "tags": ["a", "b, c"], "assignee_id": 5, "urgent": true, "x": null, "n": 1.10}}}}'""",
        "/api/v2/tickets/{id}.json",
        {"scheme": "basic", "user": "ann@x.example/token", "env": "ZENDESK_API_KEY"},
        {
            "body": {"wrap": ["ticket"]},
            "fields": {
                "status": {},
                "tags": {"type": "list"},
                "assignee_id": {"type": "integer"},
                "urgent": {"type": "boolean"},
                "x": {"nullable": True},
                "n": {"type": "number"},
            },
        },
    ),
    "shopify": Case(
        f"""curl -X PUT https://acme.myshopify.com/admin/api/2025-10/products/632910392.json \\
 -H 'X-Shopify-Access-Token: {KEY}' -H 'Content-Type: application/json' \\
 -d '{{"product": {{"id": "632910392", "title": "New"}}}}'""",
        "/admin/api/2025-10/products/{id}.json",
        {"scheme": "header", "name": "X-Shopify-Access-Token", "value": "{key}", "env": "MYSHOPIFY_API_KEY"},
        {"body": {"template": {"product": {"id": "{id}", "...": "{fields}"}}}, "fields": {"title": {}}},
    ),
    "klaviyo": Case(
        f"""curl --request PATCH --url https://a.klaviyo.com/api/profiles/01GDDKASAP8TKDDA2GRZDSVP4H
 --header 'Authorization: Klaviyo-API-Key {KEY}' --header 'revision: 2024-10-15'
 --header 'content-type: application/vnd.api+json' --header 'accept: application/vnd.api+json' --data
 '{{"data": {{"type": "profile", "id": "01GDDKASAP8TKDDA2GRZDSVP4H",
 "attributes": {{"first_name": "Ann", "location": {{"city": "Ulm"}}}}}}}}'""".replace("\n", " "),
        "/api/profiles/{id}",
        {"scheme": "header", "name": "Authorization", "value": "Klaviyo-API-Key {key}", "env": "KLAVIYO_API_KEY"},
        {
            "headers": {"revision": "2024-10-15", "accept": "application/vnd.api+json"},
            "fields": {"first_name": {}, "location.city": {}},
        },
    ),
    "stripe": Case(
        f"""curl https://api.stripe.com/v1/customers/cus_NffrFeUfNV2Hib -H "Authorization: Bearer {KEY}" \
 -d "metadata[order_id]"=6735 -d 'name=Ann %26 S' -d 'preferred_locales[0]=de' -d 'preferred_locales[1]=en' -d x=""",
        "/v1/customers/{id}",
        {"scheme": "bearer", "env": "STRIPE_API_KEY"},
        {"fields": {"metadata.order_id": {}, "name": {}, "x": {}, "preferred_locales": {"type": "list"}}},
    ),
    "github": Case(
        """curl -L -X PATCH -H "Accept: application/vnd.github+json" -H "Authorization: Bearer <YOUR-TOKEN>" \
 -H "X-GitHub-Api-Version: 2022-11-28" https://api.github.com/repos/OWNER_ID/{repo}/issues/:issue_number \
 -d '{"title":"Found a bug","milestone":1,"state":"open","labels":["bug"]}'""",
        "/repos/{owner_id}/{repo}/issues/{issue_number}",
        {"scheme": "bearer", "env": "GITHUB_API_KEY"},
        {"headers": {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}},
    ),
    "a browser on Windows": Case(
        f"""curl ^"https://app.acme.co.uk/api/v1/items/42?full=1^" ^
  -X ^"PUT^" ^
  -H ^"accept: */*^" ^
  -H ^"sec-fetch-mode: cors^" ^
  -H ^"x-api-key: {KEY}^" ^
  -H ^"content-type: application/json^" ^
  --data-raw ^"^{{^\\^"name^\\^":^\\^"100^% ^& more^\\^"^}}^" """,
        "/api/v1/items/{id}?full=1",
        {"scheme": "header", "name": "x-api-key", "value": "{key}", "env": "ACME_API_KEY"},
        {"name": "acme-items"},
    ),
    "a key in the URL": Case(
        f"""curl -X POST 'http://127.0.0.1:8080/things/a%20b7?api_key={KEY}&x=1' \\
 -H 'X-Auth-Token: {KEY}' -d '{{"id": 5}}'""",
        "/things/{record_id}?x=1",
        {
            "scheme": "header",
            "name": "X-Auth-Token",
            "value": "{key}",
            "env": "LOCAL_API_KEY",
            "also": [{"scheme": "query", "name": "api_key", "env": "LOCAL_API_KEY_2"}],
        },
        {"fields": {"id": {"type": "integer"}}},
    ),
    "no key": Case(
        """curl -X PATCH https://x.example/v2/a/9/b2/7 -H 'Content-Type: application/merge-patch+json; charset=utf-8' \
 -d '{"a.b": {"c": {}, "d": []}, "l": [1, 2], "m": [1, "x"], "u": "https://y.example/z", "e": ""}'""",
        "/v2/a/9/b2/{id}",
        {"scheme": "none"},
        {"body": {"format": "merge-patch"}},
    ),
}


@pytest.mark.parametrize("name", sorted(CASES))
def test_the_target_of_a_command_sends_the_request_of_the_command(name: str, tmp_path: Path) -> None:
    command, path, auth, part = CASES[name]
    draft, curl = draft_from_curl(command), read_curl(command)
    made = draft.target.model_dump(mode="json", exclude_unset=True)
    assert (draft.target.path, made["auth"]) == (path, auth)
    assert {key: made[key] for key in part} == part
    preview = requested(draft, tmp_path)
    assert preview.method == curl.method
    wanted = curl.url.replace("INTEGRATION_ID", "1").replace("OWNER_ID/{repo}", "1/1").replace(":issue_number", "1")
    if name == "a key in the URL":
        assert unquote(preview.url) == "http://127.0.0.1:8080/things/a b7?x=1&api_key=[redacted]"
    else:
        assert preview.url == wanted
    assert same(preview.body.decode(), curl.body)
    kept = {"revision", "x-github-api-version", "accept"}
    sent = {key.lower(): value for key, value in preview.headers.items()}
    assert {key.lower(): value for key, value in curl.headers if key.lower() in kept and value != "*/*"}.items() <= (
        sent.items()
    )
    assert KEY not in draft.text + str(draft.cells) + str(draft.notes) + str(preview)


def test_which_part_is_the_id_can_be_said() -> None:
    command = "curl -X PATCH 'https://x.example/acme/contacts/bob?by=name&v=ann' -d '{\"a\": 1}'"
    with pytest.raises(UsageError, match=r"No part of the path looks like a record's id \(acme, contacts, bob\)"):
        draft_from_curl(command)
    draft = draft_from_curl(command, {"account": "acme", "contact": "bob", "key": "ann"})
    assert draft.target.path == "/{account}/contacts/{contact}?by=name&v={key}"
    assert draft.cells == {"account": "acme", "contact": "bob", "key": "ann", "a": "1"}
    for ids, said in (
        ({"x": "nowhere"}, "the URL has no such part"),
        ({"x y": "bob"}, "a name consists of letters"),
    ):
        with pytest.raises(UsageError, match=said):
            draft_from_curl(command, ids)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("curl https://x.example/a/7", "sends a GET, and a target sends a PATCH"),
        ("curl -X DELETE https://x.example/a/7 -d x", "sends a DELETE"),
        ("curl -X PATCH https://x.example/a/7", "has no body"),
        ("curl -X PATCH ftp://x.example/a/7 -d a=1", "is not a web address"),
        ("curl -X PATCH https://x.example/a/7 -d '[1]'", "is not a JSON object"),
        ("curl -X PATCH https://x.example/a/7 -d '{}'", "is not a JSON object"),
        ("curl -X PATCH https://x.example/a/7 -d '{\"a\": '", "neither JSON nor a form"),
        ("curl -X POST https://x.example/a/7 -u sk_test_1: -d a=1", "sends the key as the user"),
        ('curl -X PATCH https://x.example/a/7 -d \'{"a": 1, "A": 2}\'', "as column headings, 'A' and 'a' are the same"),
        (
            "curl -X PATCH https://x.example/a/7 -d '{\"\": 1}'",
            "The declaration that this command makes is not possible",
        ),
    ],
)
def test_a_command_of_which_no_target_can_be_made_is_refused(command: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        draft_from_curl(command)
    assert said in str(caught.value)


def test_what_was_left_out_and_assumed_is_said() -> None:
    draft = draft_from_curl(
        "curl -k --compressed -X PATCH http://user:pw12345678@x.example/a/7 -H 'Origin: y' -d '{\"a\": 1}'"
    )
    said = " ".join(draft.notes)
    assert "Left out: --insecure (certificates are always checked), --compressed." in said
    assert "Headers that mean nothing here were left out: Origin." in said
    assert "it is sent as JSON" in said
    assert "use https if the API has it" in said
    assert "Set the environment variable X_API_KEY to the key" in said
    assert "pw12345678" not in said + draft.text


PATCH = "curl -X PATCH https://api.acme.example/service/7/thing"


@pytest.mark.parametrize(
    "name",
    [
        *("Fastly-Key", "X-Acme-Key", "Ocp-Apim-Subscription-Key", "DD-APPLICATION-KEY", "key", "hapikey", "X-AppKey"),
        *("Acme-Token", "accessToken", "X-Acme-Secret", "X-Auth", "X-Authorization", "X-Acme-Password", "X-Session-Id"),
        *("X-Acme-Signature", "X-Acme-Credentials", "X-Parse-Master-Key", "x-functions-key", "CF-Access-Client-Secret"),
    ],
)
def test_what_is_called_like_a_key_goes_to_auth_and_into_no_file(name: str, tmp_path: Path) -> None:
    header = draft_from_curl(f"{PATCH} -H '{name}: {KEY}' -d '{{\"a\": 1}}'")
    assert header.target.auth.parts[0].name == name
    parameter = draft_from_curl(f"{PATCH}?{name}={KEY} -d '{{\"a\": 1}}'")
    assert (parameter.target.auth.scheme, parameter.target.auth.name) == ("query", name)
    for draft in (header, parameter):
        assert KEY not in draft.text + str(draft.cells) + str(draft.notes) + str(requested(draft, tmp_path))
        assert "ACME_API_KEY" in draft.notes[0]


@pytest.mark.parametrize(
    "name",
    [
        *("Surrogate-Key", "Partition-Key", "X-Cache-Key", "X-Sort-Key", "X-Public-Key", "X-Page-Token", "Lock-Token"),
        *("X-Key-Inflection", "X-Author", "X-Monkey", "Prefer", "X-Max-Tokens", "X-Client-Id", "revision"),
    ],
)
def test_a_header_that_holds_no_secret_stays_and_is_named_where_no_key_was_found(name: str) -> None:
    draft = draft_from_curl(f"{PATCH}?{name.lower()}=camel -H '{name}: camel' -d '{{\"a\": 1}}'")
    assert (draft.target.headers, draft.target.auth.scheme) == ({name: "camel"}, "none")
    assert draft.target.path == f"/service/{{id}}/thing?{name.lower()}=camel"
    assert f"These headers are in the file with their values: {name}." in draft.notes


@pytest.mark.parametrize(
    ("value", "sent", "env"),
    [
        (f"Bearer {KEY}", "Bearer {key}", "ACME_API_KEY"),
        ("eyJhbGciOi.eyJzdWIiOi.c2VjcmV0", "{key}", "ACME_API_KEY"),
        ("$MY_TOKEN", "{key}", "MY_TOKEN"),
    ],
)
def test_a_header_of_any_name_is_a_key_if_its_value_says_so(value: str, sent: str, env: str) -> None:
    draft = draft_from_curl(f"{PATCH} -H 'X-Acme: {value}' -d '{{\"a\": 1}}'")
    assert (draft.target.auth.name, draft.target.auth.value, draft.target.auth.env) == ("X-Acme", sent, env)
    assert value not in draft.text


@pytest.mark.parametrize("name", ["Idempotency-Key", "X-Idempotency-Key", "Idempotence-Key"])
def test_an_idempotency_key_is_neither_a_secret_nor_the_same_for_all_rows(name: str, tmp_path: Path) -> None:
    draft = draft_from_curl(f"{PATCH} -H '{name}: \"k-123\"' -d '{{\"a\": 1}}'")
    assert draft.target.idempotency is not None
    assert (draft.target.idempotency.header, draft.target.idempotency.quoted) == (name, True)
    assert (draft.target.auth.scheme, draft.target.headers) == ("none", {})
    assert "k-123" not in str(requested(draft, tmp_path).headers)
    assert any(f"Every row gets a key of its own in {name}" in note for note in draft.notes)


def test_a_parameter_that_is_said_to_be_the_id_is_no_key() -> None:
    command = "curl -X PATCH 'https://x.example/acme/issues?key=PROJ-7' -d a=1"
    draft = draft_from_curl(command, {"account": "acme", "issue": "PROJ-7"})
    assert (draft.target.path, draft.target.auth.scheme) == ("/{account}/issues?key={issue}", "none")


@pytest.mark.parametrize(
    "command",
    [
        f"""{PATCH} -d '{{"api_key": "{KEY}", "name": "x"}}'""",
        f"""{PATCH} -d '{{"name": "x", "login": {{"password": "{KEY}", "accounts": [{{"key": "{KEY}"}}]}}}}'""",
        f"{PATCH} -d 'token={KEY}&name=x'",
        f"{PATCH} -d 'keys[secret]={KEY}&name=x'",
    ],
)
def test_a_secret_in_the_body_is_a_field_whose_cell_is_blank(command: str) -> None:
    draft = draft_from_curl(command)
    assert KEY not in draft.text + str(draft.cells) + str(draft.notes)
    blank = [name for name, cell in draft.cells.items() if not cell]
    assert blank
    assert draft.cells["name"] == "x"
    assert f"What the command has for {', '.join(blank)} looks like a secret and is not kept" in " ".join(draft.notes)


def test_a_member_of_the_body_that_only_sounds_like_a_secret_keeps_its_value() -> None:
    sent = {"key": "greeting", "signature": "Best regards, Ann", "auth": True, "token": None, "password": "<PASSWORD>"}
    draft = draft_from_curl(f"{PATCH} -d '{json.dumps(sent)}'")
    assert [*draft.cells.values()] == ["7", "greeting", "Best regards, Ann", "true", "<null>", "<PASSWORD>"]


def test_a_secret_beside_the_fields_is_refused() -> None:
    body = {"data": {"type": "a", "meta": {"token": KEY}, "attributes": {"name": "x"}}}
    with pytest.raises(UsageError, match="a key in 'meta', beside the fields") as caught:
        draft_from_curl(f"{PATCH} -d '{json.dumps(body)}'")
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("password", ["X", "api_token"])
def test_a_user_beside_a_password_that_is_none_is_a_key(password: str) -> None:
    for command in (f"{PATCH} -u {KEY}:{password}", PATCH.replace("//", f"//{KEY}:{password}@")):
        draft = draft_from_curl(f"{command} -d '{{\"a\": 1}}'")
        assert KEY not in draft.text + str(draft.notes)
        assert draft.target.model_dump(exclude_unset=True)["auth"]["user"] == {"env": "ACME_API_USER"}
        assert f"set ACME_API_USER to it, and ACME_API_KEY to {password!r}" in " ".join(draft.notes)


def test_a_cookie_is_refused_however_its_header_is_spelled() -> None:
    for header in ("Cookie: a=b", "cookie : a=b", " COOKIE:a=b"):
        with pytest.raises(UsageError, match="cookies belong to a browser's session"):
            draft_from_curl(f"{PATCH} -H '{header}' -d '{{\"a\": 1}}'")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("ab é<>,[]{}\"'\\.:#=", max_size=8) | st.just(1.5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc.", min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.text("abcdef._- ", min_size=1, max_size=4), VALUES, min_size=1, max_size=4))
def test_any_body_makes_a_target_that_sends_it_or_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, body: dict[str, object]
) -> None:
    text = json.dumps(body).replace("'", "'\\''")
    try:
        draft = draft_from_curl(f"curl -X PATCH https://x.example/a/7 --json '{text}'")
    except UsageError:
        return
    folder = tmp_path_factory.mktemp("made")
    (folder / "made.yaml").write_text(draft.text, "utf-8")
    rows = io.StringIO()
    csv.writer(rows, lineterminator="\n").writerows([list(draft.cells), list(draft.cells.values())])
    (folder / "made.csv").write_text(rows.getvalue(), "utf-8")
    tried = preview_of(str(folder / "made.csv"), Settings(target=str(folder / "made.yaml")), {})
    if tried.preview is not None:  # a cell may be one that no row may have
        assert json.loads(tried.preview.body) == body
