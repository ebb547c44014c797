from __future__ import annotations

import json

import pytest
from declarations import PLAIN, complaint, read

from batchupdate.model import Reply, Request
from batchupdate.targets import Target, UnexpectedReplyError

READ = PLAIN + "read: {record: data}\n"


def guarded(source: str, more: str = "") -> Target:
    return read(f"{READ}precondition: {{header: If-Match, from: {source}}}\n{more}")


@pytest.mark.parametrize(
    ("source", "version"),
    [
        ("etag", '"v7"'),
        ("last_modified", "Sat, 28 Nov 2026 10:00:00 GMT"),
        ("sys.version", "12"),
        ("meta.revision", "r3"),
    ],
)
def test_a_version_is_found_where_the_target_says(source: str, version: str) -> None:
    headers = {"etag": '"v7"', "last-modified": "Sat, 28 Nov 2026 10:00:00 GMT"}
    body = json.dumps({"data": {"sys": {"version": 12}, "meta": {"revision": "r3"}}}).encode()
    assert guarded(source).current(Reply(200, headers, body)).version == version


@pytest.mark.parametrize(
    ("source", "headers", "body", "reason"),
    [
        ("etag", {}, b'{"data": {}}', r"the record has no version \(etag\)"),
        ("sys.version", {}, b'{"data": {"sys": {}}}', r"the record has no version \(sys.version\)"),
        ("sys.version", {}, b'{"data": {"sys": {"version": true}}}', "has no version"),
        ("sys.version", {}, b'{"data": {"sys": {"version": "a\\nb"}}}', "has no version"),
        ("sys.version", {}, b"<html>", "the reply to the read is not JSON"),
        ("sys.version", {}, b'{"data": [1]}', r"the reply to the read has no record \(data\)"),
        ("length(sys)", {}, b'{"data": {"sys": 1}}', "can't be applied to the API's reply"),
    ],
)
def test_a_record_without_a_version_is_not_changed(
    source: str, headers: dict[str, str], body: bytes, reason: str
) -> None:
    with pytest.raises(UnexpectedReplyError, match=reason):
        guarded(f"'{source}'").current(Reply(200, headers, body))


@pytest.mark.parametrize("header", ["If-Match", "X-Version"])
def test_a_change_is_sent_with_the_version_that_its_record_must_have_or_for_no_record_without_one(header: str) -> None:
    target = read(f"{READ}precondition: {{header: {header}, from: etag}}\nidempotency: {{header: Key}}\n")
    request = Request(2, "5", "/things/5", '{"name":"new"}')
    sent = target.headers_of("run", request, '"v7"')
    assert (sent.pop("Key") != "", sent) == (True, {header: '"v7"'})
    sent = target.headers_of("run", request, "")
    assert (sent.pop("Key") != "", sent) == (True, {"If-None-Match": "*"})


RECORD = (
    b'{"data": {"id": 5, "name": "old", "price": 1.10, "note": null, "address": {"city": "Ulm", "zip": "89073"},'
    b' "tags": ["a"], "custom": [{"id": 1, "value": "x"}, {"id": 2, "value": "y"}], "big": 12345678901234567890}}'
)
WHOLE = """\
name: mine
title: Mine
method: PUT
path: /things/{id}
auth: {scheme: none}
id: {id: {}}
fields:
  name: {}
  address.city: {}
  tags: {type: list}
  Second: {at: "custom[?id==2].value"}
read: {record: data}
body: {base: read, omit: [id, address.zip], %s}
"""


def test_the_whole_record_is_sent_with_the_changes_and_with_every_digit() -> None:
    target = read(WHOLE % "wrap: [data]")
    current = target.current(Reply(200, {}, RECORD))
    body = target.body_of('{"name":"new","address.city":"Bonn","tags":[],"Second":"z"}', "/things/5", current.record)
    assert body == (
        b'{"data":{"name":"new","price":1.10,"note":null,"address":{"city":"Bonn"},"tags":[],'
        b'"custom":[{"id":1,"value":"x"},{"id":2,"value":"z"}],"big":12345678901234567890}}'
    )


def test_a_precondition_survives_the_journal() -> None:
    target = guarded("sys.version")
    assert Target.model_validate_json(target.model_dump_json(exclude_unset=True)) == target


def test_what_stands_in_the_way_of_a_nested_field_is_replaced() -> None:
    target = read(WHOLE % "constants: {}")
    assert json.loads(target.body_of('{"address.city":"Bonn"}', "", '{"address":null,"custom":7}')) == {
        "address": {"city": "Bonn"},
        "custom": 7,
    }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (PLAIN + "precondition: {from: etag}\n", "precondition: this needs read, which says how a record is read"),
        (PLAIN + "body: {base: read}\n", "body.base: this needs read, which says how a record is read"),
        (READ + "precondition: {header: If-Match}\n", "precondition.from: this setting is missing"),
        (READ + "precondition: {from: 'a('}\n", "precondition.from: 'a(' is not a JMESPath expression"),
        (READ + "body: {base: read, format: merge-patch}\n", "body.base: a merge-patch holds changes alone"),
        (READ + "body: {omit: [id]}\n", "body.omit: omit is for base: read"),
        (
            READ + "precondition: {from: etag}\nheaders: {if-match: x}\n",
            "headers.if-match: precondition sets this",
        ),
    ],
)
def test_a_declaration_that_cant_be_followed_is_refused(text: str, sentence: str) -> None:
    assert sentence in complaint(text)
