from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qsl

import pytest
from declarations import NESTED, PLAIN, TWO, complaint, read
from hypothesis import assume, given, reject
from hypothesis import strategies as st
from pydantic import ValidationError

from batchupdate.errors import ConfigError
from batchupdate.targets import Target
from batchupdate.targets.body_formats import form
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
    st.dictionaries(st.text(max_size=4).filter(lambda name: name != "..."), JSON, max_size=3),
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


RECORD = """\
name: mine
title: Mine
path: /{org}/people/{id}
auth: {scheme: none}
id: {org: {}, id: {}}
fields:
  name: {}
  age: {type: integer, nullable: true}
  address.city: {}
  labels: {type: list}
"""


def sent_by(body: str, fields: dict[str, Any]) -> str:
    target = read(f"{RECORD}body: {body}\n")
    return target.body_of(json.dumps(fields, separators=(",", ":")), target.expand(("acme/eu", 'a"7'))).decode()


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ("{template: {data: '{fields}'}}", '{"data":{"name":"A"}}'),
        (  # JSON:API
            '{template: {data: {type: person, id: "{id}", attributes: "{fields}"}}}',
            '{"data":{"type":"person","id":"a\\"7","attributes":{"name":"A"}}}',
        ),
        ('{template: {Accounts: ["{fields}"]}}', '{"Accounts":[{"name":"A"}]}'),  # Xero
        (  # Shopify
            '{template: {product: {id: "{id}", ...: "{fields}"}}}',
            '{"product":{"id":"a\\"7","name":"A"}}',
        ),
        ('{template: [{...: "{fields}", key: "{org}:{id}", n: [1, null, true]}]}',
         '[{"key":"acme/eu:a\\"7","n":[1,null,true],"name":"A"}]'),
        ('{template: {note: "{not a name} {", ...: "{fields}"}}', '{"note":"{not a name} {","name":"A"}'),
        ("{wrap: [a, b], constants: {t: 1}}", '{"t":1,"a":{"b":{"name":"A"}}}'),
    ],
)  # fmt: skip
def test_a_template_is_the_whole_body(body: str, sent: str) -> None:
    assert sent_by(body, {"name": "A"}) == sent


def test_members_beside_the_fields_stand_alone_where_a_row_sets_none() -> None:
    assert sent_by('{template: {id: "{id}", ...: "{fields}"}}', {}) == '{"id":"a\\"7"}'
    assert sent_by('{template: {...: "{fields}"}}', {}) == "{}"


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        (
            "{format: form}",
            "name=%C3%84+%26+b&age=&address[city]=Ulm&labels[0]=x&labels[1]=%5By%5D",
        ),
        (
            "{format: form, wrap: [c], constants: {v: true}}",
            "v=true&c[name]=%C3%84+%26+b&c[age]=&c[address][city]=Ulm&c[labels][0]=x&c[labels][1]=%5By%5D",
        ),
        (
            "{format: json-patch}",
            ('[{"op":"add","path":"/name","value":"Ä & b"},{"op":"add","path":"/age","value":null},'
            '{"op":"add","path":"/address/city","value":"Ulm"},{"op":"add","path":"/labels","value":["x","[y]"]}]'),
        ),
        (
            "{format: json-patch, wrap: [a~b/c]}",
            ('[{"op":"add","path":"/a~0b~1c/name","value":"Ä & b"},{"op":"add","path":"/a~0b~1c/age","value":null},'
            '{"op":"add","path":"/a~0b~1c/address/city","value":"Ulm"},'
            '{"op":"add","path":"/a~0b~1c/labels","value":["x","[y]"]}]'),
        ),
        ("{format: merge-patch}", '{"name":"Ä & b","age":null,"address":{"city":"Ulm"},"labels":["x","[y]"]}'),
    ],
)  # fmt: skip
def test_each_format_has_its_own_text(body: str, sent: str) -> None:
    fields = {"name": "Ä & b", "age": None, "address.city": "Ulm", "labels": ["x", "[y]"]}
    assert sent_by(body, fields) == sent


def test_an_empty_list_clears_in_a_form() -> None:
    assert sent_by("{format: form}", {"labels": [], "name": ""}) == "labels=&name="


@given(st.dictionaries(st.text(min_size=1, max_size=4), st.text(max_size=4), max_size=4))
def test_a_form_reads_back_as_what_was_sent(fields: dict[str, str]) -> None:
    assert dict(parse_qsl(form(fields), keep_blank_values=True)) == fields


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("{}", "application/json"),
        ("{format: merge-patch}", "application/merge-patch+json"),
        ("{format: json-patch}", "application/json-patch+json"),
        ("{format: form}", "application/x-www-form-urlencoded"),
        ("{content_type: application/vnd.api+json}", "application/vnd.api+json"),
        ("{format: merge-patch, content_type: application/json}", "application/json"),
    ],
)
def test_a_format_has_its_content_type_unless_the_api_calls_it_otherwise(body: str, content_type: str) -> None:
    assert read(f"{RECORD}body: {body}\n").change_headers["Content-Type"] == content_type


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("{template: {a: 1}}", 'body.template: "{fields}" must stand in the template once, and stands there nowhere'),
        ('{template: {a: "{fields}", b: "{fields}"}}', "stands there 2 times"),
        ('{template: {a: "x {fields}"}}', "stands for an object, so nothing can stand beside it"),
        ('{template: {...: "{id}"}}', 'the member "..." is for "{fields}" alone'),
        ('{template: {a: "{fields}", b: "{name}"}}', "{name} means nothing here: it is not declared under variables"),
        (
            '{template: {name: "x", ...: "{fields}"}}',
            "body.template: the body has this member already (name); remove it",
        ),
        (
            '{template: {a: "{fields}"}, wrap: [b]}',
            "body.wrap: template is the whole body; write what wrap says into it",
        ),
        ('{template: {a: "{fields}"}, constants: {b: 1}}', "write what constants says into it"),
        ('{format: json-patch, template: ["{fields}"]}', "body.template: a JSON Patch is a list of operations"),
        ("{format: json-patch, constants: {a: 1}}", "body.constants: a JSON Patch is a list of operations"),
        ("{format: form, content_type: application/json}", "body.content_type: a form is application/x-www-form"),
        ("{content_type: application/x-www-form-urlencoded}", "for a form, write format: form"),
        ("{format: xml}", "body.format: this must be 'json', 'merge-patch', 'json-patch' or 'form'"),
    ],
)
def test_a_body_that_is_not_possible_is_refused_with_the_way_out(body: str, sentence: str) -> None:
    assert sentence in complaint(f"{RECORD}body: {body}\n")


NOTION = """\
name: page
title: A page
path: /pages/{id}
auth: {scheme: none}
id: {id: {}}
fields:
  Title: {at: "Name.title[0].text.content"}
  Tags: {type: list, at: "Tags.multi_select[].name"}
  Done: {type: boolean, at: Done.checkbox}
  Size: {at: "custom[?id==12].value", nullable: true}
  Place: {at: "custom[?id==13].value"}
body: {wrap: [properties]}
read: {record: properties}
"""


def test_a_field_is_sent_and_recognised_where_at_says() -> None:
    target = read(NOTION)
    fields = '{"Title":"A","Tags":["x","y"],"Done":true,"Size":null,"Place":"Ulm"}'
    body = target.body_of(fields)
    assert json.loads(body) == {
        "properties": {
            "Name": {"title": [{"text": {"content": "A"}}]},
            "Tags": {"multi_select": [{"name": "x"}, {"name": "y"}]},
            "Done": {"checkbox": True},
            "custom": [{"id": 12, "value": None}, {"id": 13, "value": "Ulm"}],
        }
    }
    assert target.shows(body, fields)
    assert not target.shows(body.replace(b'"x"', b'"z"'), fields)
    assert not target.shows(body.replace(b'"id":13', b'"id":14'), fields)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("Done.checkbox", "Name", "'Done' sets what holds this field"),
        ("custom[?id==13].value", "custom[?id==12].value", "this is where 'Size' is, too; remove one of them"),
        ("Done.checkbox", "custom", "'Done' sets what holds this field"),
        ("  Tags: {type: list,", "  Tags: {", "[] goes through the items of a list; make the field type list"),
        ("custom[?id==13].value", "Tags.multi_select[].colour", "[] goes through the items of a list"),
        ("Done.checkbox", '"a["', "is not a place; write name.member, list[0].member"),
        ("wrap: [properties]", "format: json-patch", "a JSON Patch can't say where this is"),
    ],
)  # fmt: skip
def test_places_that_contradict_each_other_are_refused(old: str, new: str, sentence: str) -> None:
    assert NOTION.count(old) == 1
    assert sentence in complaint(NOTION.replace(old, new))


def test_a_constant_that_would_stand_in_the_place_of_the_fields_is_refused() -> None:
    with pytest.raises(ConfigError, match="has no value of its own"):
        with_body("{constants: {...: 1}}")
