"""A target's search on trial, on real sockets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from fakes import FakeClock
from raw_server import serving

from batchupdate.config import Settings
from batchupdate.errors import ConfigError, SafetyStop
from batchupdate.roundtrip.search_trial import search_records

if TYPE_CHECKING:
    from pathlib import Path

TARGET = """\
name: crm
title: CRM
path: /a/{id}
auth: {scheme: bearer, env: CRM_KEY}
variables: {view: {}}
id: {id: {}}
fields: {name: {}, size: {type: number}, note: {}}
list: {path: /a, records: hits, fixed: [{when: locked, because: it is locked}]}
search:
  path: "/search/{view}?q={name}&s={size}"
  records: hits
  fields: {size: data.size}
rate: unlimited
"""
ENVIRON = {"CRM_KEY": "sk-very-secret-1"}
HITS = [
    {"id": 1, "name": "A & B", "data": {"size": 1.50}},
    {"id": 2, "name": "A & B", "data": {"size": "1.5"}, "locked": True},
    {"id": 3, "name": "a & b", "data": {"size": 1.5}},
    {"id": 4, "data": {}},
]


def settings(folder: Path, url: str = "http://127.0.0.1:9") -> Settings:
    (folder / "crm.yaml").write_text(TARGET, "utf-8")
    return Settings(target=str(folder / "crm.yaml"), base_url=url, variables={"view": "all"}, max_attempts=1)


def answer(body: object, status: str = "200 OK") -> bytes:
    text = json.dumps(body).encode()
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text


async def test_what_a_search_finds_is_shown_and_which_of_it_a_row_would_mean(tmp_path: Path) -> None:
    async with serving(answer({"hits": HITS})) as server:
        found = await search_records({"name": " A & B ", "size": "1.50"}, settings(tmp_path, server.url), ENVIRON)
    assert server.heads[0].startswith(b"GET /search/all?q=%20A%20%26%20B%20&s=1.50 HTTP/1.1\r\n")
    assert [(record.ids, record.meant, record.locked) for record in found.records] == [
        (("1",), True, ""),
        (("2",), True, "it is locked"),
        (("3",), False, ""),
        (("4",), False, ""),
    ]
    assert found.records[0].values == {"name": '"A & B"', "size": "1.5"}
    assert found.records[3].values == {"name": None, "size": None}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"name": "A"}, 'searched for by name and size. Give: --search "name=VALUE" --search "size=VALUE"'),
        ({"name": "A", "size": "1", "note": "x"}, "searched for by name and size"),
        ({"name": "A", "size": "big"}, "No record of crm can have that size"),
        ({"name": "  ", "size": "1"}, "The name to search for is blank"),
    ],
)
async def test_what_can_not_be_searched_for_is_said_before_anything_is_asked(
    values: dict[str, str], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        await search_records(values, settings(tmp_path), ENVIRON, FakeClock())
    assert said in str(caught.value)


async def test_a_variable_of_the_search_has_to_have_a_value(tmp_path: Path) -> None:
    without = settings(tmp_path).model_copy(update={"variables": {}})
    with pytest.raises(ConfigError, match="needs a value for 'view'"):
        await search_records({"name": "A", "size": "1"}, without, ENVIRON, FakeClock())


async def test_a_target_without_a_search_says_what_to_declare() -> None:
    with pytest.raises(ConfigError, match=r"how records are searched for\. Add 'search' to its declaration"):
        await search_records({"name": "A"}, Settings(target="langdock-integration"), {}, FakeClock())


async def test_a_reply_that_is_not_as_declared_is_a_sentence(tmp_path: Path) -> None:
    async with serving(answer({"found": []})) as server:
        with pytest.raises(SafetyStop) as caught:
            await search_records({"name": "A", "size": "1"}, settings(tmp_path, server.url), ENVIRON)
    assert "hits" in str(caught.value)
    assert "very-secret" not in str(caught.value)
