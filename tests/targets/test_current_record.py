from __future__ import annotations

import json
from urllib.parse import unquote

import pytest
from declarations import NESTED, PLAIN, complaint, read
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("told", "path"),
    [
        ("{}", "/a/1%2F2/b/t%20x.json"),
        ("{path: '/read/{y}?of={x}'}", "/read/t%20x?of=1%2F2"),
        ("{path: /all}", "/all"),
    ],
)
def test_a_record_is_read_where_the_target_says_with_its_ids_encoded_as_they_are(told: str, path: str) -> None:
    target = read(PLAIN + f"read: {told}\n")
    assert target.read_path(target.expand(("1/2", "t x"))) == path


PRINTABLE = st.characters(codec="utf-8", exclude_categories=["C", "Z"], include_characters=" ")


@given(ids=st.tuples(*[st.text(PRINTABLE, min_size=1).filter(lambda one: one not in {".", ".."})] * 2))
def test_the_ids_are_found_again_in_any_path(ids: tuple[str, str]) -> None:
    target = read(PLAIN + "read: {path: '/r/{x}/{y}'}\n")
    x, y = target.read_path(target.expand(ids)).removeprefix("/r/").split("/")
    assert (unquote(x), unquote(y)) == ids


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("{path: read}", "t.yaml:13: read.path: path must start with '/' and be percent-encoded."),
        ("{path: '/a b'}", "t.yaml:13: read.path: path must start with '/' and be percent-encoded."),
        ("{path: '/r/{z}'}", "t.yaml:13: read.path: path uses {z}, which is not declared under id or variables."),
        ("{record: 'a['}", "t.yaml:13: read.record: 'a[' is not a JMESPath expression."),
        ("{place: x}", "there is no setting"),
    ],
)
def test_a_wrong_way_of_reading_is_refused_with_its_place(told: str, said: str) -> None:
    assert said.lower() in complaint(PLAIN + f"read: {told}\n").lower()


@pytest.mark.parametrize(
    ("reply", "fields", "shows"),
    [
        ('{"it": {"name": "A", "size": "9", "more": 1}}', {"name": "A"}, True),
        ('{"it": {"name": "A", "size": "9"}}', {"name": "A", "size": "8"}, False),
        ('{"it": {"name": "A"}}', {"name": "A", "size": "9"}, False),
        ('{"it": {"name": null}}', {"name": None}, True),
        ('{"it": {}}', {"name": None}, False),
        ('{"it": ["name"]}', {"name": "A"}, False),
        ('{"name": "A"}', {"name": "A"}, False),
        ('{"it": {"name": "A"', {"name": "A"}, False),
        ("", {"name": "A"}, False),
        ("\udcff", {"name": "A"}, False),
        ("[" * 100_000, {"name": "A"}, False),
    ],
)
def test_a_reply_shows_a_row_applied_only_if_every_field_stands_there_as_wanted(
    reply: str, fields: dict[str, object], shows: bool
) -> None:
    target = read(PLAIN + "read: {record: it}\n")
    assert target.shows(reply.encode("utf-8", "surrogateescape"), json.dumps(fields)) is shows


def test_a_target_that_does_not_say_how_it_is_read_proves_nothing() -> None:
    assert not read(PLAIN).shows(b'{"name": "A"}', '{"name": "A"}')


@pytest.mark.parametrize(
    ("reply", "fields", "shows"),
    [
        ('{"address": {"city": "Ulm", "zip": 1}}', {"address.city": "Ulm"}, True),
        ('{"address": {"city": "Ulm"}}', {"address.city": "Bonn"}, False),
        ('{"address": {"city": null}}', {"address.city": None}, True),
        ('{"address": {}}', {"address.city": None}, False),
        ('{"address": null}', {"address.city": None}, False),
        ('{"address": ["city"]}', {"address.city": "Ulm"}, False),
        ('{"address.city": "Ulm"}', {"address.city": "Ulm"}, False),
        ('{"a.b": "x"}', {r"a\.b": "x"}, True),
        ('{"a": {"b": "x"}}', {r"a\.b": "x"}, False),
        ('{"name": ["a", 1.0]}', {"name": ["a", 1]}, True),
        ('{"name": ["a", 1]}', {"name": ["a", True]}, False),
        ('{"name": ["a"]}', {"name": ["a", "b"]}, False),
        ('{"name": {"x": {"y": 1}}}', {"name": {"x": {"y": 1}}}, True),
        ('{"name": {"x": {"y": 1, "z": 2}}}', {"name": {"x": {"y": 1}}}, False),
        ('{"name": {"x": 0}}', {"name": {"x": False}}, False),
    ],
)
def test_a_nested_field_is_looked_up_where_it_stands(reply: str, fields: dict[str, object], shows: bool) -> None:
    assert read(NESTED + "read: {}\n").shows(reply.encode(), json.dumps(fields)) is shows
