from __future__ import annotations

import json
import re
from typing import Any

import pytest
from declarations import NESTED, PLAIN, TWO, complaint, read
from hypothesis import assume, given, reject
from hypothesis import strategies as st
from pydantic import ValidationError

from batchupdate.targets import Target
from batchupdate.targets.current_record import Read
from batchupdate.targets.variables import PLACEHOLDER


def with_body(body: str) -> Target:
    return read(PLAIN + f"body: {body}\n")


JSON_TEXTS = st.dictionaries(st.text(max_size=5), st.none() | st.text(max_size=5), max_size=4)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


def as_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs), "a name occurs twice"
    return dict(pairs)


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="."), max_size=4), max_size=3),
    st.dictionaries(st.text(max_size=4), JSON, max_size=3),
    JSON_TEXTS,
)
def test_a_body_is_the_fields_wrapped_with_the_constants_beside(
    wrap: list[str], constants: dict[str, Any], fields: dict[str, Any]
) -> None:
    declared = TWO.model_dump(mode="json", exclude_unset=True) | {"fields": {"never drawn": {}}}
    assume(not PLACEHOLDER.search(json.dumps(constants, ensure_ascii=False)))
    constants = {name: value for name, value in constants.items() if name not in (wrap[:1] or fields)}
    target = Target.model_validate(declared | {"body": {"wrap": wrap, "constants": constants}})
    body = json.loads(
        target.body_of(json.dumps(fields, ensure_ascii=False, separators=(",", ":"))), object_pairs_hook=as_pairs
    )
    expected: Any = fields
    for name in reversed(wrap):
        expected = {name: expected}
    assert body == constants | expected


@pytest.mark.parametrize(
    ("body", "fields", "sent"),
    [
        ("{}", '{"name":"é"}', '{"name":"é"}'),
        ("{wrap: [properties]}", '{"name":"x"}', '{"properties":{"name":"x"}}'),
        ("{wrap: [a, b]}", "{}", '{"a":{"b":{}}}'),
        ("{wrap: [fields], constants: {typecast: true}}", '{"n":null}', '{"typecast":true,"fields":{"n":null}}'),
        ("{constants: {type: x, n: 1}}", '{"name":"x"}', '{"type":"x","n":1,"name":"x"}'),
        ("{constants: {type: x}}", "{}", '{"type":"x"}'),
        ("{wrap: ['a\"b']}", "{}", '{"a\\"b":{}}'),
    ],
)
def test_a_body_goes_out_as_these_bytes(body: str, fields: str, sent: str) -> None:
    assert with_body(body).body_of(fields) == sent.encode()


@pytest.mark.parametrize(
    ("body", "fields", "sent"),
    [
        ("{}", '{"name":"x"}', '{"name":"x"}'),
        ("{}", '{"address.city":"Ulm"}', '{"address":{"city":"Ulm"}}'),
        ("{}", '{"address.city":null}', '{"address":{"city":null}}'),
        (
            "{}",
            '{"address.geo.lat":1.10,"a\\\\.b":"é","address.city":"\\"","name":[1]}',
            '{"address":{"geo":{"lat":1.10},"city":"\\""},"a.b":"é","name":[1]}',
        ),
        ("{}", '{"address.geo.lat":12345678901234567890.10}', '{"address":{"geo":{"lat":12345678901234567890.10}}}'),
        ("{}", "{}", "{}"),
        ("{wrap: [p, q], constants: {t: 1}}", '{"address.city":"x"}', '{"t":1,"p":{"q":{"address":{"city":"x"}}}}'),
        ("{constants: {t.u: 1}}", '{"address.city":"x"}', '{"t.u":1,"address":{"city":"x"}}'),
    ],
)
def test_a_body_holds_nested_fields_at_their_places(body: str, fields: str, sent: str) -> None:
    assert read(f"{NESTED}body: {body}\n").body_of(fields) == sent.encode()


LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.lists(st.text(max_size=3), max_size=3)


MEMBERS = st.text(min_size=1, max_size=4) | st.sampled_from(["a", "b", "a.b", "\\", "ä"])


TREES = st.dictionaries(
    MEMBERS,
    st.recursive(LEAVES, lambda inner: st.dictionaries(MEMBERS, inner, min_size=1, max_size=3), max_leaves=8),
    min_size=1,
    max_size=4,
)


def leaves(tree: dict[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for member, inner in tree.items():
        name = before + member.replace("\\", "\\\\").replace(".", "\\.")
        found |= leaves(inner, f"{name}.") if isinstance(inner, dict) else {name: inner}
    return found


@given(TREES)
def test_any_object_of_declared_fields_comes_out_of_its_flat_form(tree: dict[str, Any]) -> None:
    flat = leaves(tree)
    declared = TWO.model_dump(mode="json", exclude_unset=True)
    try:
        target = Target.model_validate(declared | {"fields": {name: {} for name in flat}})
    except ValidationError as error:
        assert re.search(r"are the same|can't be a column heading|an array can't be a field", str(error))  # noqa: PT017 - others are drawn then
        reject()
    assert json.loads(target.body_of(json.dumps(flat)), object_pairs_hook=as_pairs) == tree
    reading = target.model_copy(update={"read": Read()})
    assert reading.shows(json.dumps({"more": 1} | tree).encode(), json.dumps(flat))


def test_a_dot_in_wrap_says_how_to_write_objects_in_objects() -> None:
    sentence = "body.wrap.0: a dot means nothing here; for objects in objects, write [data, attributes]"
    assert sentence in complaint(f"{NESTED}body: {{wrap: [data.attributes]}}\n")


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        ("{constants: {address: 1}}", True),
        ("{constants: {a.b: 1}}", True),
        ("{constants: {a: 1, city: 1}}", False),
        ("{wrap: [x], constants: {address: 1}}", False),
        ("{wrap: [address], constants: {address: 1}}", True),
    ],
)
def test_a_constant_must_not_stand_where_nested_fields_do(body: str, refused: bool) -> None:
    if refused:
        assert "the body has this member already" in complaint(f"{NESTED}body: {body}\n")
    else:
        assert read(f"{NESTED}body: {body}\n").body.constants
