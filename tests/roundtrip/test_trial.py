from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fakes import FakeClock
from raw_server import serving

from batchupdate.config import Settings
from batchupdate.errors import ConfigError, SafetyStop
from batchupdate.model import Level
from batchupdate.roundtrip.trial import preview_of, read_record
from batchupdate.targets import builtin_names, find_target, gallery_names

if TYPE_CHECKING:
    from raw_server import RawServer

    from batchupdate.roundtrip.trial import ReadRecord

SAMPLES = Path(__file__).parents[2] / "samples"
DECLARED = """\
name: mine
title: Mine
path: /a/{x}/b/{y}
auth: {scheme: query, name: api_key, env: MY_KEY, also: [{scheme: basic, user: ann, env: OTHER_KEY}]}
headers: {Prefer: return=minimal}
idempotency: {header: Idempotency-Key}
precondition: {from: etag}
id: {x: {}, y: {pattern: '^[0-9]+$'}}
fields:
  price: {type: number}
  n: {type: integer, minimum: 5}
  code: {pattern: '^Q+$'}
  labels: {type: list, min_items: 2}
  who: {enum: [a, b]}
  address.city: {max_length: 5}
  tag: {at: "tags[?id==7].value"}
  parts: {type: json, example: '[{"id": 1}]'}
read: {record: thing}
"""
ENVIRON = {"MY_KEY": "sk-very-secret-1", "OTHER_KEY": "sk-very-secret-2"}


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(DECLARED, "utf-8")
    return path


def settings_of(target: Path | str, base_url: str | None = None) -> Settings:
    return Settings(target=str(target), base_url=base_url, rate="unlimited")


def test_a_request_is_shown_with_every_digit_and_without_the_keys(mine: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("x,y,price,n,tag\na b,7,1.10,123456789012345678901,red\nq,8,2,6,\n", "utf-8")
    tried = preview_of(str(tmp_path / "rows.csv"), settings_of(mine, "https://api.example.com/v1"), ENVIRON)
    assert tried.preview is not None
    assert (tried.preview.row, tried.preview.method) == (2, "PATCH")
    assert tried.preview.url == "https://api.example.com/v1/a/a%20b/b/7?api_key=[redacted]"
    headers = dict(tried.preview.headers)
    assert headers["Authorization"] == "Basic [redacted]"
    assert headers["Prefer"] == "return=minimal"
    assert headers["Idempotency-Key"] == "[one for each row]"
    assert headers["If-Match"] == "[the version that is read just before]"
    assert json.loads(tried.preview.body) == {
        "price": 1.1,
        "n": 123456789012345678901,
        "tags": [{"id": 7, "value": "red"}],
    }
    assert '  "price": 1.10,\n  "n": 123456789012345678901,\n  "tags": [\n    {' in tried.preview.pretty_body
    assert "secret" not in str(tried)


def test_a_row_with_problems_is_no_request_and_its_problems_are_named(mine: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("x,y,n\na,seven,3\nb,8,9\n", "utf-8")
    tried = preview_of(str(tmp_path / "rows.csv"), settings_of(mine), ENVIRON)
    assert tried.preview is None
    assert {problem.row for problem in tried.problems} == {2}
    assert {problem.column for problem in tried.problems} == {"y", "n"}
    (tmp_path / "empty.csv").write_text("x,y,n\n", "utf-8")
    empty = preview_of(str(tmp_path / "empty.csv"), settings_of(mine), ENVIRON)
    assert (empty.preview, empty.notices[-1]) == (None, "The file has no row.")


@pytest.mark.parametrize("name", [*builtin_names(), *gallery_names()])
def test_every_target_that_comes_along_has_a_row_of_examples(name: str) -> None:
    tried = preview_of(None, settings_of(name, None if find_target(name).base_url else "http://127.0.0.1:1"), {})
    assert tried.preview is not None, tried.problems
    assert not [problem for problem in tried.problems if problem.level is Level.ERROR]
    target = find_target(name)
    needed = [one for one, rule in target.variables.items() if not rule.default and one not in target.list_variables]
    assert bool(tried.notices) == bool(needed or target.batch or target.body.base)


def test_examples_are_made_for_every_kind_of_field_and_an_id_without_one_is_asked_for(mine: Path) -> None:
    tried = preview_of(None, settings_of(mine), {})
    assert [(problem.column, tried.preview) for problem in tried.problems] == [("y", None)]
    mine.write_text(DECLARED.replace("'^[0-9]+$'", "'^[0-9]+$', example: '7'"), "utf-8")
    preview = preview_of(None, settings_of(mine), {}).preview
    assert preview is not None
    assert preview.url.startswith("https://HOST/a/x-1/b/7?")
    assert json.loads(preview.body) == (
        {"price": 1.5, "n": 5, "labels": ["labels 1", "labels 1"], "who": "a"}
        | {"address": {"city": "a new"}, "tags": [{"id": 7, "value": "a new tag"}], "parts": [{"id": 1}]}
    )


def answer(body: bytes, status: str = "200 OK", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def read(server: RawServer, mine: Path, *ids: str) -> ReadRecord:
    return await read_record(ids or ("a/b", "7"), settings_of(mine, server.url), ENVIRON)


RECORD = b"""{"thing": {"price": 1.10, "n": null, "address": {}, "tags": [{"id": 7, "value": "red"}],
 "k": "sk-very-secret-1"}}"""


async def test_a_record_is_read_and_its_fields_are_found_where_they_are(mine: Path) -> None:
    async with serving(answer(RECORD)) as server:
        found = await read(server, mine)
    assert server.heads[0].startswith(b"GET /a/a%2Fb/b/7?api_key=sk-very-secret-1 HTTP/1.1\r\n")
    assert b"Prefer" not in server.heads[0]
    assert {one.field: (one.place, one.value) for one in found.fields} == {
        "price": ("price", "1.10"),
        "n": ("n", "null"),
        "code": ("code", None),
        "labels": ("labels", None),
        "who": ("who", None),
        "address.city": ("address.city", None),
        "tag": ("tags[?id==7].value", '"red"'),
        "parts": ("parts", None),
    }
    assert '"price": 1.10' in found.record
    assert "very-secret" not in str(found)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (answer(b'{"error": "none such"}', "404 Not Found"), "The record can't be read: 404 there is no such record"),
        (answer(b"", "403 Forbidden"), "403 the key has no permission to read this record"),
        (answer(b"", "401 Unauthorized"), "The key comes from the environment variable MY_KEY"),
        (answer(b"<html>Log in</html>"), "The record can't be read: "),
        (answer(b'{"thing": [1]}'), "'read.record' (thing) finds [1] in the reply, and no record. The reply was: "),
        (answer(b'{"other": {"a": 1}}'), '(thing) finds nothing in the reply, and no record. The reply was: {"other"'),
    ],
)
async def test_a_record_that_can_not_be_had_is_a_sentence(mine: Path, reply: bytes, said: str) -> None:
    async with serving(reply) as server:
        with pytest.raises(SafetyStop) as caught:
            await read_record(("a", "7"), settings_of(mine, server.url).model_copy(update={"max_attempts": 1}), ENVIRON)
    assert said in str(caught.value)
    assert "list" not in str(caught.value)
    assert "very-secret" not in str(caught.value)


async def test_an_api_that_asks_to_wait_is_waited_for(mine: Path) -> None:
    async with serving(answer(b"", "429 Too Many Requests", "Retry-After: 0\r\n"), answer(RECORD)) as server:
        assert (await read(server, mine)).fields
    assert len(server.heads) == 2


@pytest.mark.parametrize("ids", [("a",), ("a", "7", "8"), ("a", "seven"), ("..", "7"), ("", "7")])
async def test_what_is_no_id_is_never_asked_for(mine: Path, ids: tuple[str, ...]) -> None:
    async with serving(answer(RECORD)) as server:
        with pytest.raises(ConfigError, match=r"is no id of mine|is read by x, y. Give all: --read X --read Y"):
            await read(server, mine, *ids)
    assert not server.heads


async def test_a_target_without_read_says_what_to_declare() -> None:
    with pytest.raises(ConfigError, match=r"does not declare how a record is read\. Add 'read' to its declaration"):
        await read_record(("7",), settings_of("nairi-scheduled-job"), {}, FakeClock())
