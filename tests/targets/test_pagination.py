from __future__ import annotations

from typing import Any

import pytest

from batchupdate.config.yaml_file import parse
from batchupdate.errors import ConfigError
from batchupdate.targets import Listing, Target, UnexpectedReplyError, field_path
from batchupdate.targets.place import Place

PLAIN = """\
name: mine
title: My API
path: /a/{x}
auth: {scheme: none}
id:
  x: {}
fields:
  name: {}
  color: {}
  address.city: {}
  'odd\\.dot': {}
list:
  path: /a?active=true
"""


def complaint(more: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse((PLAIN + more).encode(), Target, "target", "t.yaml")
    return caught.value.message


def listing(**told: Any) -> Listing:
    return Listing.model_validate({"path": "/a", **told})


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("  records: '['", "t.yaml:14: list.records: '[' is not a JMESPath expression."),
        ("  id: {y: id}", "t.yaml:14: list.id.y: 'y' is not declared under id."),
        ("  fields: {size: size}", "t.yaml:14: list.fields.size: 'size' is not declared under fields."),
        ("  absent: [name, size]", "t.yaml:14: list.absent.1: 'size' is not declared under fields."),
        (
            "  fields: {name: n}\n  absent: [name]",
            "t.yaml:15: list.absent.0: 'name' is under list.fields, too; keep one.",
        ),
        ("  pagination: cursor", "t.yaml:14: list.pagination: style cursor needs parameter."),
        ("  pagination: {style: cursor, parameter: c}", "list.pagination.style: style cursor needs next."),
        ("  pagination: {style: page}", "list.pagination.style: style page needs parameter."),
        ("  pagination: {style: offset}", "list.pagination.style: style offset needs parameter."),
        ("  pagination: {style: next}", "list.pagination.style: style next needs next, where the URL is"),
        ("  pagination: {style: link, next: a}", "list.pagination.next: next is for style cursor or next, not link"),
        ("  pagination: {style: none, size: 3}", "list.pagination.size: size is for style offset or page, not none"),
        ("  pagination: {style: page, parameter: 'a b'}", "list.pagination.parameter: this must match the pattern"),
        (
            "  pagination: {style: page, parameter: p, size_parameter: s}",
            "list.pagination.size_parameter: size_parameter needs size: the number of records in a page.",
        ),
        ("  pagination: {style: pages}", "t.yaml:14: list.pagination.style: this must be 'none', 'cursor', 'page',"),
        ("  pagination: {sise: 3}", "there is no setting 'list.pagination.sise'. Did you mean 'size'?"),
        ("  fixed: [{when: a}]", "t.yaml:14: list.fixed.0.because: this setting is missing; add it."),
        ("  fixed: [{when: '(', because: b}]", "list.fixed.0.when: '(' is not a JMESPath expression."),
        ("  body: {a: 1}", "t.yaml:14: list.body: a GET has no body; write method: POST."),
        (
            "  pagination: {style: page, parameter: p, in: body}",
            "list.pagination.in: a GET has no body",
        ),
        (
            "  pagination: {style: link, in: body}",
            "list.pagination.in: in is for style cursor or offset",
        ),
        ("  pagination: {style: link, header: X}", "list.pagination.header: header is for style next, not link."),
        ("  pagination: {style: next, next: a, header: X}", "style next needs next, where the URL is in the reply, or"),
        ("  max_pages: 0", "list.max_pages: this must be at least 1."),
        ("  recods: a", "there is no setting 'list.recods'. Did you mean 'records'?"),
    ],
)
def test_a_mistake_is_told_with_its_line(more: str, said: str) -> None:
    assert said in complaint(more)


@pytest.mark.parametrize("path", ["a", "/a{", "/a b", "/a#b", "/ä"])
def test_the_path_is_a_plain_one(path: str) -> None:
    with pytest.raises(ConfigError, match=r"t\.yaml:13: list\.path: path must start with '/' and be percent-encoded"):
        parse(PLAIN.replace("/a?active=true", path).encode(), Target, "target", "t.yaml")


def test_a_declaration_survives_the_journal() -> None:
    more = "  pagination: {style: page, parameter: p, size_parameter: s, size: 7}\n  fixed: [{when: a, because: b}]"
    target = parse((PLAIN + more).encode(), Target, "target", "t.yaml")
    assert Target.model_validate_json(target.model_dump_json(exclude_unset=True)) == target
    assert target.identity() == parse(PLAIN.encode(), Target, "target", "t.yaml").identity()


@pytest.mark.parametrize(
    ("records", "reply", "count"),
    [("@", [{}, {}], 2), ("data.items", {"data": {"items": [{}]}}, 1), ("a || `[]`", {"a": None}, 0), ("@", [], 0)],
)
def test_the_records_of_a_reply_are_found(records: str, reply: Any, count: int) -> None:
    assert len(listing(records=records).records_in(reply)) == count


@pytest.mark.parametrize(
    ("records", "reply", "said"),
    [
        ("items", {"data": []}, r"what 'records' \(items\) finds in the reply should be the list of records, but is n"),
        ("@", {"data": [], "more": False}, "the reply should .* but is an object with the keys 'data', 'more'"),
        ("@", {}, "an empty object"),
        ("@", "x", "is text"),
        ("@", 3, "is a number"),
        ("@", True, "is true or false"),
        ("@", [{}, [1]], "entry 2 of the list should be a record, but is a list"),
        ("@", [None], "entry 1 of the list should be a record, but is null"),
        ("sort_by(@, &a)", [{"a": 1}, {"a": "b"}], "can't be applied to the API's reply"),
    ],
)  # fmt: skip
def test_what_is_no_list_of_records_is_told(records: str, reply: Any, said: str) -> None:
    with pytest.raises(UnexpectedReplyError, match=said):
        listing(records=records).records_in(reply)


def where(*names: str) -> dict[str, tuple[str, ...]]:
    return {name: field_path.split(name) for name in names}


def test_an_id_stands_under_its_own_name_else_under_id() -> None:
    read = listing().reader(("x",), {})
    assert read({"x": "a", "id": "b"}).ids == ("a",)
    assert read({"id": 7}).ids == ("7",)
    assert listing(id={"x": "a.b"}).reader(("x",), {})({"a": {"b": "c"}, "id": 7}).ids == ("c",)
    assert listing().reader(("x", "y"), {})({"x": "a", "y": "b"}).ids == ("a", "b")


@pytest.mark.parametrize(
    ("record", "ids", "said"),
    [
        ({"ID": 1}, ("x",), r"no id where one is expected \(x or id\); declare its place under list\.id"),
        ({"id": None}, ("id",), r"\(id\);"),
        ({"id": ""}, ("id",), "no id"),
        ({"id": True}, ("id",), "no id"),
        ({"id": 1.5}, ("id",), "no id"),
        ({"id": 1, "x": 2}, ("x", "y"), r"\(y\);"),  # with several parts, `id` could be any of them
    ],
)
def test_a_record_without_its_id_is_told(record: dict[str, Any], ids: tuple[str, ...], said: str) -> None:
    with pytest.raises(UnexpectedReplyError, match=said):
        listing().reader(ids, {})(record)


def test_a_field_stands_under_its_own_name_and_dots_lead_into_objects() -> None:
    record = {"id": 1, "name": None, "address": {"city": "Ulm"}, "odd.dot": 3}
    found = listing().reader(("id",), where("name", "color", "address.city", r"odd\.dot"))(record)
    assert found.fields == {"name": None, "address.city": "Ulm", r"odd\.dot": 3}


def test_a_field_that_is_null_is_told_from_one_that_is_not_there() -> None:
    listed = listing(fields={"a": "p.a", "b": "p.b", "c": "p.c | @", "d": "q[0]"}, absent=["name"])
    read = listed.reader(("id",), where("a", "b", "c", "d", "name"))
    found = read({"id": 1, "p": {"a": None}, "q": [5], "name": "x"})
    assert found.fields == {"a": None, "d": 5}  # an expression that is no plain path can't tell them apart


def test_a_field_within_something_that_is_no_object_is_not_there() -> None:
    assert listing().reader(("id",), where("address.city"))({"id": 1, "address": "Ulm"}).fields == {}


@pytest.mark.parametrize(
    ("value", "locked"),
    [(True, "first"), ("x", "first"), (0, "first"), (False, ""), (None, ""), ("", ""), ([], ""), ({}, "")],
)
def test_a_record_is_locked_by_what_jmespath_takes_for_true(value: Any, locked: str) -> None:
    rules = [{"when": "system", "because": "first"}, {"when": "name == 'Root'", "because": "second"}]
    read = listing(fixed=rules).reader(("id",), {})
    assert read({"id": 1, "system": value}).locked == locked
    assert read({"id": 1, "name": "Root"}).locked == "second"


def test_a_field_is_read_where_its_place_says_unless_the_list_says_otherwise() -> None:
    record = {"id": 1, "Name": {"title": [{"text": {"content": "A"}}]}, "tags": [{"name": "x"}, {"name": "y"}], "t": 1}
    places = {"Title": Place.parse("Name.title[0].text.content"), "Tags": Place.parse("tags[].name")}
    assert listing().reader(("id",), places)(record).fields == {"Title": "A", "Tags": ["x", "y"]}
    assert listing(fields={"Title": "t"}).reader(("id",), places)(record).fields == {"Title": 1, "Tags": ["x", "y"]}
