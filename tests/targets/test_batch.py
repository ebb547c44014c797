"""Many records in one request, as a target declares it: what it sends, and what is no such declaration."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from declarations import complaint, read
from hypothesis import given
from hypothesis import strategies as st

from batchupdate.api.batch_reply import BatchJudge
from batchupdate.api.verdict import Policy
from batchupdate.model import Outcome, Reply, Request

if TYPE_CHECKING:
    from batchupdate.targets import Target

PLAIN = """\
name: mine
title: My API
base_url: https://api.example.com
path: /things/{id}
auth: {env: MY_KEY}
id: {id: {}}
fields:
  name: {}
  address.city: {}
batch:
  path: /things/batch
  size: 50
  template: {things: [{id: "{id}", ...: "{fields}"}], dry: false}
  results: results
"""


def body(target: Target, *rows: tuple[tuple[str, ...], str]) -> str:
    requests = [Request(number, "", target.expand(ids), fields) for number, (ids, fields) in enumerate(rows, 2)]
    return target.batch_builder.build([*map(target.batch_record, requests)]).decode()


def test_the_item_of_the_list_is_there_once_for_each_record() -> None:
    assert body(read(PLAIN), (("a/b",), '{"name":"A","address.city":"Ulm"}'), (('c"',), '{"name":"B"}')) == (
        '{"things":[{"id":"a/b","name":"A","address":{"city":"Ulm"}},{"id":"c\\"","name":"B"}],"dry":false}'
    )


def test_a_list_can_be_the_whole_body_and_a_record_can_have_its_path_and_number_in_it() -> None:
    text = PLAIN.replace(
        '{things: [{id: "{id}", ...: "{fields}"}], dry: false}',
        '[{nr: "{request}", url: "v1{path}?x", set: {fields: "{fields}"}}]',
    )
    target = read(text)
    sent = body(target, (("../a?b",), '{"name":"A"}'), (("c",), '{"name":"B"}'))
    assert json.loads(sent) == [
        {"nr": "1", "url": "v1/things/..%2Fa%3Fb?x", "set": {"fields": {"name": "A"}}},
        {"nr": "2", "url": "v1/things/c?x", "set": {"fields": {"name": "B"}}},
    ]
    assert target.batch_keys([Request(2, "", "/things/a", "{}"), Request(3, "", "/things/b", "{}")]) == ["1", "2"]


def test_results_are_told_apart_by_the_ids_as_they_were_typed() -> None:
    assert read(PLAIN).batch_keys([Request(2, "", "/things/a%2Fb", "{}")]) == ["a/b"]


def test_an_id_of_which_the_url_has_a_hash_can_be_sent_in_the_records_path_where_no_result_names_it() -> None:
    text = PLAIN.replace("id: {id: {}}", "id: {id: {encode: md5}}").replace('id: "{id}"', 'url: "{path}"')
    target = read(text.replace("  results: results\n", "  success: ok\n"))
    assert len(target.batch_keys([Request(2, "", target.expand(("a",)), "{}")])) == 1


def test_results_that_only_their_order_tells_apart_are_not_taken_for_others_by_ids_that_look_like_numbers() -> None:
    text = PLAIN.replace("path: /things/{id}\n", "path: /things/{id}/{nr}\n").replace("{id: {}}", "{id: {}, nr: {}}")
    target = read(f"{text}  in_order: true\n")
    keys = target.batch_keys([Request(2, "", "/things/a/1", "{}"), Request(3, "", "/things/b/2", "{}")])
    policy = Policy.of(target, 300.0)
    assert target.batch is not None
    judge = BatchJudge(target.batch, policy, policy, lambda: datetime(2026, 11, 29, tzinfo=UTC))
    parts = judge(Reply(200, {}, b'{"results": [{"id": 2}, {"id": 1}]}'), keys).parts
    assert [own.outcome for _, own in parts] == [Outcome.UPDATED] * 2


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), min_size=1, max_size=5))
def test_whatever_the_ids_are_a_body_has_a_record_for_each_and_its_length_is_bounded(ids: list[str]) -> None:
    target = read(PLAIN)
    requests = [Request(number, "", target.expand((one,)), '{"name":"x"}') for number, one in enumerate(ids)]
    records = [*map(target.batch_record, requests)]
    sent = target.batch_builder.build(records)
    assert [one["id"] for one in json.loads(sent)["things"]] == ids
    assert len(sent) <= target.batch_builder.empty_length + sum(map(target.batch_builder.length, records))


def test_variables_can_stand_in_the_path_and_in_the_template() -> None:
    text = PLAIN.replace("path: /things/batch", "path: /{kind}/batch").replace("dry: false", 'kind: "{kind}"')
    target = read(text + "variables: {kind: {default: thing}}\n").with_variables({"kind": "a b"})
    assert target.batch is not None
    assert target.batch.path == "/a%20b/batch"
    assert body(target, (("1",), '{"name":"A"}')) == '{"things":[{"id":"1","name":"A"}],"kind":"a b"}'


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("size: 50", "size: 1", "batch.size: this must be at least 2"),
        ("path: /things/batch", "path: /things/{id}", "it is that of all records"),
        ("path: /things/batch", "path: things", "path must start with '/' and be percent-encoded"),
        ('[{id: "{id}", ...: "{fields}"}]', '"{fields}"', "one list in the template has a single item"),
        ('[{id: "{id}", ...: "{fields}"}]', '["{fields}"]', "one list in the template has a single item"),
        ('[{id: "{id}", ...: "{fields}"}]', '[{...: "{fields}"}, {}]', "one list in the template has a single item"),
        ('id: "{id}"', 'url: "/things/{id}"', "in place of {id}, write {path}"),
        ('id: "{id}"', 'url: "things(\'{id}\')"', "in place of {id}, write {path}"),
        ('id: "{id}"', 'query: "all=1&id={id}"', "in place of {id}, write {path}"),
        ('id: "{id}"', 'nr: "{request}"', "the item does not say which record it is; put {id} or {path} into it"),
        ("dry: false", 'first: "{path}"', "{path} means nothing outside the list's item"),
        ("dry: false", 'all: "{fields}"', "{fields} means nothing outside the list's item"),
        ("dry: false", 'more: [{...: "{fields}"}]', "one list in the template has a single item"),
        ('id: "{id}"', 'name: "{id}"', "the body has this member already (name)"),
        ('id: "{id}"', 'id: "{ident}"', "{ident} means nothing here"),
        ("results: results", "error: message", "error is about one result; say with results where they are"),
        ("results: results", "in_order: true", "in_order is about one result"),
        ("results: results", "results: '['", "is not a JMESPath expression"),
        ("auth:", "body: {format: form}\nauth:", "a batch is JSON, and the body's format is form"),
        ("auth:", "precondition: {from: etag}\nread: {}\nauth:", "this goes with single requests"),
        ("auth:", "before: old\nauth:", "this goes with single requests"),
        ("auth:", "idempotency: {header: Idempotency-Key}\nauth:", "this goes with single requests"),
        ("auth:", "body: {base: read}\nread: {}\nauth:", "a batch holds changes alone"),
        ("id: {id: {}}", "id: {id: {encode: md5}}", "the URL holds a hash of {id} only"),
        ("path: /things/{id}\nauth: {env: MY_KEY}\nid: {id: {}}",
         "path: /things/{path}/{id}\nauth: {env: MY_KEY}\nid: {path: {}, id: {}}",
         "{path} has a meaning of its own in a batch"),
        ("path: /things/{id}\nauth: {env: MY_KEY}\nid: {id: {}}",
         "path: /things/{id}/{nr}\nauth: {env: MY_KEY}\nid: {id: {}, nr: {}}", "put {request} into the template"),
    ],
)  # fmt: skip
def test_what_is_no_batch_is_refused_with_the_way_out(old: str, new: str, words: str) -> None:
    assert PLAIN.count(old) == 1
    assert words in complaint(PLAIN.replace(old, new))


def test_the_most_bytes_can_be_given_in_a_unit() -> None:
    batch = read(PLAIN.replace("size: 50", "size: 50\n  max_bytes: 4MB")).batch
    assert batch is not None
    assert batch.max_bytes == 4_000_000
