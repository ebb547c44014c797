"""What a target that is made of a document declares, and that it loads: each test has a small document of its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from batchupdate.config.yaml_file import parse
from batchupdate.errors import ConfigError, UsageError
from batchupdate.targets import Target
from batchupdate.targets.openapi import Choices, Draft, draft_target, find_operation, load_document, operations_of
from batchupdate.util import json as exact_json

if TYPE_CHECKING:
    from pathlib import Path

JSON = "application/json"


class Drafts:
    """Makes targets of documents that are written down as dictionaries."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, document: dict[str, Any], name: str = "", **choices: Any) -> Draft:
        path = self.folder / "api.json"
        path.write_text(json.dumps(document), "utf-8")
        read = load_document(path)
        found = operations_of(read)
        draft = draft_target(read, find_operation(found, name) if name else found[0], Choices(**choices))
        assert parse(draft.yaml.encode(), Target, "target", "x") == draft.target
        return draft


@pytest.fixture
def draft(tmp_path: Path) -> Drafts:
    return Drafts(tmp_path)


def api(
    schema: Any, *, kind: str = JSON, method: str = "patch", path: str = "/things/{id}", **more: Any
) -> dict[str, Any]:
    operation = {"operationId": "updateThing", "requestBody": {"content": {kind: {"schema": schema}}}}
    operation |= more.pop("operation", {})
    paths = {path: {method: operation, **more.pop("item", {})}, **more.pop("paths", {})}
    return {"openapi": "3.1.0", "info": {"title": "Acme API", "version": "1"}, "paths": paths, **more}


def obj(required: list[str] | None = None, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required or []}


def rules(draft: Draft) -> dict[str, Any]:
    return {name: rule.model_dump(exclude_unset=True) for name, rule in draft.target.fields.items()}


def body(draft: Draft, **fields: Any) -> str:
    return draft.target.body_of(exact_json.dumps(fields), draft.target.expand(("7",))).decode()


# ---- fields ----


def test_types_formats_and_bounds_become_rules(draft: Drafts) -> None:
    made = draft(
        api(
            obj(
                ["name"],
                name={"type": "string", "minLength": 1, "maxLength": 40, "pattern": "^[a-z]+$"},
                born={"type": "string", "format": "date"},
                seen={"type": "string", "format": "date-time"},
                site={"type": "string", "format": "uri"},
                key={"type": "string", "format": "uuid"},
                mail={"type": "string", "format": "email"},
                seats={"type": "integer", "exclusiveMinimum": 0, "maximum": 9},
                share={"type": "number", "minimum": 0.5},
                open={"type": "boolean"},
                size={"enum": ["S", "M"]},
                level={"type": "integer", "enum": [3, 1, 2]},
                step={"type": "number", "enum": [0.5, 1]},
                tags={"type": "array", "items": {"type": "string", "maxLength": 9}, "maxItems": 5},
                parts={"type": "array", "items": {"type": "object"}},
                extra={"type": "object"},
            )
        )
    )
    assert rules(made) == {
        "name": {"required": True, "min_length": 1, "max_length": 40, "pattern": "^[a-z]+$"},
        "born": {"type": "date"},
        "seen": {"type": "datetime", "timezone": "required"},
        "site": {"format": "url"},
        "key": {"format": "uuid"},
        "mail": {"pattern": r"^[^@\s]+@[^@\s]+$", "example": "ann@example.com"},
        "seats": {"type": "integer", "minimum": 1, "maximum": 9},
        "share": {"type": "number", "minimum": 0.5},
        "open": {"type": "boolean"},
        "size": {"enum": ("S", "M")},
        "level": {"type": "integer", "enum": ("3", "1", "2")},
        "step": {"type": "number", "minimum": 0.5, "maximum": 1},
        "tags": {"type": "list", "items": {"max_length": 9}, "max_items": 5},
        "parts": {"type": "json", "json_type": "array"},
        "extra": {"type": "json", "json_type": "object"},
    }
    assert "step: one of [0.5, 1]." in made.notes


@pytest.mark.parametrize(
    "schema",
    [
        {"type": ["string", "null"]},
        {"type": "string", "nullable": True},
        {"type": "string", "x-nullable": True},
        {"anyOf": [{"type": "string"}, {"type": "null"}]},
        {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/Text"}]},
        {"nullable": True, "allOf": [{"$ref": "#/components/schemas/Text"}]},
    ],
)
def test_every_way_to_say_null_makes_a_field_nullable(draft: Drafts, schema: dict[str, Any]) -> None:
    document = api(obj(name=schema), components={"schemas": {"Text": {"type": "string"}}})
    assert rules(draft(document)) == {"name": {"nullable": True}}


def test_an_enum_of_the_empty_text_clears_a_field_and_null_in_an_enum_is_null(draft: Drafts) -> None:
    made = draft(
        api(
            obj(
                note={"anyOf": [{"type": "string", "maxLength": 9}, {"type": "string", "enum": [""]}]},
                size={"enum": ["S", "", None]},
                count={"anyOf": [{"type": "string", "enum": ["now"]}, {"type": "integer"}]},
                kind={"oneOf": [{"const": "a"}, {"const": "b"}]},
                address={"anyOf": [obj(city={}), {"type": "string", "enum": [""]}]},
            )
        )
    )
    assert rules(made) == {
        "note": {"max_length": 9},
        "size": {"enum": ("S", ""), "nullable": True},
        "count": {"type": "integer"},
        "kind": {"enum": ("a", "b")},
        "address.city": {},
    }
    assert made.target.fields["note"].clearable
    assert made.target.fields["size"].clearable


def test_what_can_only_be_read_is_dropped_and_all_of_is_merged(draft: Drafts) -> None:
    base = {"allOf": [obj(["a"], a={"type": "string"}), obj(created={"type": "string", "readOnly": True})]}
    made = draft(api({"allOf": [base, obj(b={"type": "integer"}, a={"maxLength": 3})]}))
    assert rules(made) == {"a": {"required": True, "max_length": 3}, "b": {"type": "integer"}}


def test_a_pattern_that_rust_does_not_have_is_dropped_and_named(draft: Drafts) -> None:
    made = draft(api(obj(name={"type": "string", "pattern": "^(?!x)y$", "maxLength": 4})))
    assert rules(made) == {"name": {"max_length": 4}}
    assert "name: the pattern '^(?!x)y$' can't be used, and is left out." in made.notes


def test_a_pattern_comes_with_the_example_of_the_document_if_that_matches(draft: Drafts) -> None:
    made = draft(
        api(
            obj(
                zip={"type": "string", "pattern": "^[0-9]{5}$", "example": "89073"},
                code={"type": "string", "pattern": "^[A-Z]$", "examples": ["aa", "B"]},
                size={"type": "string", "pattern": "^[A-Z]+$", "maxLength": 2, "example": "LARGE"},
            )
        )
    )
    assert rules(made) == {
        "zip": {"pattern": "^[0-9]{5}$", "example": "89073"},
        "code": {"pattern": "^[A-Z]$", "example": "B"},
        "size": {"pattern": "^[A-Z]+$", "max_length": 2},
    }


def test_a_word_or_a_text_with_a_pattern_is_both(draft: Drafts) -> None:
    words = {"type": "string", "enum": ["keep", "a.b"]}
    made = draft(
        api(
            obj(
                action={"anyOf": [words, {"type": "string", "pattern": "^x+$"}]},
                other={"anyOf": [words, {"type": "string", "format": "date"}]},
            )
        )
    )
    assert rules(made) == {"action": {"pattern": r"^(?:keep|a\.b)$|^x+$", "example": "keep"}, "other": {}}


SHOWN: dict[str, tuple[dict[str, Any], str]] = {
    "what an item requires": (
        {"items": obj(["id", "kind"], id={"type": "integer"}, kind={"enum": ["a", "b"]}, note={})},
        '[{"id": 1, "kind": "a"}]',
    ),
    "some members of an item that requires none": (
        {"items": obj(id={"type": "string", "readOnly": True}, name={"type": "string"}, open={"type": "boolean"})},
        '[{"name": "text", "open": true}]',
    ),
    "as many items as are needed": ({"items": obj(["a"], a={"const": 7}), "minItems": 2}, '[{"a": 7}, {"a": 7}]'),
    "lists in lists": ({"items": {"type": "array", "minItems": 1, "items": {"type": "number"}}}, "[[1]]"),
    "the document's own example": ({"items": obj(["a"], a={"type": "string", "example": "Ulm"})}, '[{"a": "Ulm"}]'),
    "texts of known formats": (
        {"items": obj(["d", "u"], d={"type": "string", "format": "date"}, u={"type": "string", "format": "uuid"})},
        '[{"d": "2026-11-21", "u": "550e8400-e29b-41d4-a716-446655440000"}]',
    ),
    "a text that has a pattern": (
        {"items": obj(["a"], a={"type": "string", "pattern": "^[1-9][0-9]*$"})},
        '[{"a": "1024"}]',
    ),
    "lengths and bounds": (
        {"items": obj(["a", "b"], a={"type": "string", "minLength": 6}, b={"type": "integer", "exclusiveMinimum": 5})},
        '[{"a": "textxx", "b": 6}]',
    ),
    "the first of several forms": ({"items": {"oneOf": [obj(["a"], a={"const": 1}), obj(["b"], b={})]}}, '[{"a": 1}]'),
    "nothing where anything will do": ({"items": {"type": "object"}}, ""),
}


@pytest.mark.parametrize("name", SHOWN)
def test_a_field_of_json_has_an_example_of_what_its_schema_asks_for(draft: Drafts, name: str) -> None:
    schema, example = SHOWN[name]
    made = draft(api(obj(parts={"type": "array"} | schema)))
    assert made.target.fields["parts"].type == "json"
    assert made.target.fields["parts"].example == example


def test_an_example_of_an_object_has_what_it_needs_and_the_body_keeps_its_own_forms(draft: Drafts) -> None:
    open_map = {"type": "object", "minProperties": 1, "additionalProperties": {"type": "integer"}}
    forms = {"oneOf": [obj(["a"], a={"type": "string"}), obj(["b"], b={"type": "integer"})]}
    made = draft(api(obj(counts=open_map, either=forms, more={"type": "object"})))
    assert [rule.example for rule in made.target.fields.values()] == ['{"key": 1}', '{"a": "text"}', ""]
    assert not any("forms" in note for note in made.notes)


def test_bounds_that_contradict_each_other_are_dropped(draft: Drafts) -> None:
    made = draft(
        api(
            obj(
                name={"type": "string", "minLength": 9, "maxLength": 2},
                n={"type": "integer", "minimum": 5, "maximum": 1},
                tags={"type": "array", "items": {"type": "string"}, "minItems": 5, "maxItems": 1},
            )
        )
    )
    assert rules(made) == {"name": {}, "n": {"type": "integer"}, "tags": {"type": "list"}}


def test_nested_members_are_dotted_and_what_an_object_requires_is_no_rule_for_every_row(draft: Drafts) -> None:
    address = obj(["zip"], zip={"type": "string"}, city={"type": "string"})
    made = draft(api(obj(["owner"], name={}, address=address, owner=obj(["id"], id={"type": "string"}))))
    assert {name: rule.get("required", False) for name, rule in rules(made).items()} == {
        "name": False,
        "address.zip": False,
        "address.city": False,
        "owner.id": True,
    }
    assert "another member of address" in made.target.fields["address.zip"].description
    assert body(made, **{"address.zip": "1", "owner.id": "x"}) == '{"address":{"zip":"1"},"owner":{"id":"x"}}'


def test_a_required_object_without_required_members_becomes_a_rule(draft: Drafts) -> None:
    made = draft(api(obj(["owner"], name={}, owner=obj(id={}, mail={}))))
    (rule,) = made.target.rules
    assert rule.any_of == ("owner.id", "owner.mail")


def conditions(draft: Draft) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    return [(rule.when, rule.any_of) for rule in draft.target.rules]


def test_what_an_object_requires_is_a_rule_for_rows_that_set_a_member_of_it(draft: Drafts) -> None:
    geo = obj(["lat"], lat={"type": "number"}, lon={"type": "number"})
    address = obj(["zip", "geo"], zip={"type": "string"}, city={"type": "string"}, geo=geo)
    made = draft(api(obj(name={}, address=address)))
    assert not any(rule.required for rule in made.target.fields.values())
    assert conditions(made) == [(("address",), ("address.zip",)), (("address",), ("address.geo.lat",))]
    assert made.target.rules[0].message == (
        "the API requires address.zip in a row that sets address; fill in address.zip"
    )


def test_an_object_that_another_one_requires_is_asked_for_only_with_that(draft: Drafts) -> None:
    logic = obj(["commission"], commission=obj(fixed={}, variable={}), note={})
    made = draft(api(obj(name={}, logic=logic)))
    assert conditions(made) == [(("logic",), ("logic.commission.fixed", "logic.commission.variable"))]


def test_a_condition_that_is_always_met_and_one_of_a_renamed_field_are_said_as_they_are(draft: Drafts) -> None:
    made = draft(api(obj(note={}, only=obj(["a"], a={}), **{"x[]": obj(["b"], b={}, c={})})))
    assert conditions(made) == [(("x b", "x c"), ("x b",))]


def test_a_field_is_never_left_out_without_which_another_one_can_not_be_sent(draft: Drafts) -> None:
    many = {f"f{number}": {"type": "string"} for number in range(60)}
    made = draft(api(obj(address=obj(["zip"], city={}, zip={}), **many)), fields=("address.city", "f1"))
    assert list(made.target.fields) == ["address.city", "f1", "address.zip"]
    assert "address.zip" not in made.left_out


def test_names_that_are_one_heading_or_no_plain_path_get_names_of_their_own(draft: Drafts) -> None:
    made = draft(api(obj(first_name={}, firstName={}, **{"expand[]": {}, "a.b": {}, "--": {}})))
    sent = json.loads(body(made, **dict.fromkeys(made.target.fields, "x")))
    assert sent == dict.fromkeys(("first_name", "a.b", "firstName", "expand[]"), "x")
    assert "'--' can't be a column heading; it is left out." in made.notes


def test_more_than_50_fields_are_cut_required_ones_first_and_the_others_are_named(draft: Drafts) -> None:
    many = {f"f{number}": {"type": "string"} for number in range(70)}
    document = api(obj(["f69"], **many, address=obj(city={}, zip={})))
    made = draft(document)
    assert len(made.target.fields) == 50
    assert "f69" in made.target.fields
    assert made.left_out[-1] == "address.zip"
    assert "# Left out (choose with --fields): f49" in made.yaml
    made = draft(document, fields=("address", "f1"))
    assert list(made.target.fields) == ["address.city", "address.zip", "f1", "f69"]
    with pytest.raises(UsageError, match="no field 'adress'"):
        draft(document, fields=("adress",))


def test_members_that_a_document_leaves_open_are_named_by_the_user(draft: Drafts) -> None:
    document = api(
        obj(["properties"], properties={"type": "object", "additionalProperties": {"type": "string", "maxLength": 9}})
    )
    assert rules(draft(document)) == {"properties": {"type": "json", "json_type": "object", "required": True}}
    made = draft(document, fields=("firstname", "phone"))
    assert rules(made)["phone"] == {"max_length": 9}
    assert body(made, firstname="A") == '{"properties":{"firstname":"A"}}'


# ---- the body ----


def test_an_envelope_of_one_member_is_peeled_into_wrap(draft: Drafts) -> None:
    made = draft(api(obj(ticket=obj(subject={}, status={}))))
    assert made.target.body.wrap == ("ticket",)
    assert body(made, subject="A") == '{"ticket":{"subject":"A"}}'


def test_constants_and_the_id_go_into_the_template_as_json_api_has_them(draft: Drafts) -> None:
    data = obj(
        ["type", "id", "attributes"],
        type={"type": "string", "enum": ["profile"]},
        id={"type": "string"},
        attributes=obj(email={}, name={}),
    )
    made = draft(api(obj(["data"], data=data), kind="application/vnd.api+json", path="/profiles/{profile-id}"))
    assert body(made, email="a") == '{"data":{"type":"profile","id":"7","attributes":{"email":"a"}}}'
    assert made.target.body.media_type == "application/vnd.api+json"
    assert list(made.target.id) == ["profile_id"]


def test_a_list_that_is_called_as_the_path_is_an_envelope_of_one_item(draft: Drafts) -> None:
    accounts = {"type": "array", "items": obj(Code={}, Name={})}
    made = draft(api(obj(Accounts=accounts), method="post", path="/Accounts/{AccountID}"))
    assert body(made, Name="A") == '{"Accounts":[{"Name":"A"}]}'
    made = draft(api({"type": "array", "items": obj(Code={}, Name={})}))
    assert body(made, Name="A") == '[{"Name":"A"}]'


def test_an_id_that_the_body_repeats_is_not_asked_for_twice(draft: Drafts) -> None:
    made = draft(api(obj(id={"type": "string"}, name={}, size={})))
    assert list(made.target.fields) == ["name", "size"]
    made = draft(api(obj(["id"], id={"type": "integer"}, name={})))
    assert list(made.target.id) == ["id_in_path"]
    assert sorted(made.target.fields) == ["id", "name"]


def test_the_id_of_another_record_stays_a_field(draft: Drafts) -> None:
    made = draft(
        api(obj(policy=obj(["type", "id"], type={"const": "policy"}, id={"type": "string"})), path="/users/{user_id}")
    )
    assert body(made, id="p1") == '{"policy":{"type":"policy","id":"p1"}}'


def test_of_several_forms_of_a_body_one_is_chosen_by_name_or_number(draft: Drafts) -> None:
    document = api(
        {
            "oneOf": [{"$ref": "#/components/schemas/Card"}, {"$ref": "#/components/schemas/Bank"}],
            "discriminator": {"propertyName": "kind", "mapping": {"card": "#/components/schemas/Card", "bank": "Bank"}},
        },
        components={"schemas": {"Card": obj(kind={"type": "string"}, pan={}, cvc={}), "Bank": obj(iban={}, bic={})}},
    )
    made = draft(document)
    assert body(made, pan="1") == '{"kind":"card","pan":"1"}'
    assert "The body has 2 forms, of which one is declared (--variant): Card, Bank." in made.notes
    assert body(draft(document, variant="Bank"), iban="1") == '{"kind":"bank","iban":"1"}'
    assert body(draft(document, variant="2"), iban="1") == '{"kind":"bank","iban":"1"}'
    with pytest.raises(UsageError, match="It has: Card, Bank"):
        draft(document, variant="Cash")


@pytest.mark.parametrize(
    ("kind", "made_format", "sent"),
    [
        ("application/merge-patch+json; charset=utf-8", "merge-patch", "application/merge-patch+json"),
        ("application/x-www-form-urlencoded", "form", "application/x-www-form-urlencoded"),
        ("*/*", "json", JSON),
    ],
)
def test_the_body_is_sent_as_it_is_labelled(draft: Drafts, kind: str, made_format: str, sent: str) -> None:
    made = draft(api(obj(name={}, address=obj(city={})), kind=kind))
    assert made.target.body.format == made_format
    assert made.target.body.media_type == sent


@pytest.mark.parametrize(
    ("encoding", "sent"),
    [({}, "tags=a&tags=b"), ({"tags": {"style": "deepObject", "explode": True}}, "tags[0]=a&tags[1]=b")],
)
def test_a_list_in_a_form_is_written_as_the_document_has_it(draft: Drafts, encoding: Any, sent: str) -> None:
    kind = "application/x-www-form-urlencoded"
    document = api(obj(tags={"type": "array", "items": {"type": "string"}}), kind=kind)
    document["paths"]["/things/{id}"]["patch"]["requestBody"]["content"][kind]["encoding"] = encoding
    assert body(draft(document), tags=["a", "b"]) == sent


def test_json_is_preferred_to_a_form(draft: Drafts) -> None:
    document = api(obj(name={}), kind="application/x-www-form-urlencoded")
    content = document["paths"]["/things/{id}"]["patch"]["requestBody"]["content"]
    content[JSON] = {"schema": obj(title={})}
    assert list(draft(document).target.fields) == ["title"]


def test_the_fields_of_a_json_patch_are_those_of_the_record(draft: Drafts) -> None:
    operations = {"type": "array", "items": obj(["op", "path"], op={"enum": ["add", "replace"]}, path={}, value={})}
    get = {"get": {"responses": {"200": {"content": {JSON: {"schema": obj(name={}, id={"readOnly": True})}}}}}}
    made = draft(api(operations, kind="application/json-patch+json", item=get))
    assert body(made, name="A") == '[{"op":"add","path":"/name","value":"A"}]'
    with pytest.raises(ConfigError, match="does not describe the record"):
        draft(api(operations, kind="application/json-patch+json"))


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (api(obj(a={}), kind="multipart/form-data"), "Its body is multipart/form-data"),
        (api({"type": "array", "items": {"type": "string"}}), "Its body is a list"),
        (api({"type": "string"}), "a single string"),
        (api({"type": "object"}), "name them with --fields"),
        (api(obj(a={"readOnly": True}) | {"additionalProperties": False}), "no members that can be set"),
        (api({"type": "array", "items": obj(op={"enum": ["rename"]}, path={})}), "of the API's own"),
        (
            api({"type": "array", "items": obj(op={"enum": ["rename"]})}, kind="application/json-patch+json"),
            "of the API's own",
        ),
        (api(obj(a={}), path="/a/{id}/b/{id}"), "has {id} twice"),
    ],
)
def test_what_can_not_be_declared_is_refused_with_its_reason(draft: Drafts, document: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        draft(document)
    assert why in str(caught.value)


def test_a_body_that_is_only_shown_by_an_example_gives_its_fields(draft: Drafts) -> None:
    document = api({"type": "object"})
    content = document["paths"]["/things/{id}"]["patch"]["requestBody"]["content"][JSON]
    content["example"] = {"name": "A", "seats": 3, "tags": []}
    assert rules(draft(document)) == {
        "name": {},
        "seats": {"type": "integer"},
        "tags": {"type": "json", "json_type": "array"},
    }


def test_swagger_2_has_its_body_form_host_and_base_path_elsewhere(draft: Drafts) -> None:
    swagger: dict[str, Any] = {
        "swagger": "2.0",
        "info": {"title": "Acme"},
        "host": "api.acme.example",
        "basePath": "/v2",
        "schemes": ["http", "https"],
        "securityDefinitions": {"k": {"type": "apiKey", "in": "query", "name": "api_key"}},
        "security": [{"k": []}],
        "paths": {
            "/things/{id}": {
                "parameters": [{"name": "id", "in": "path", "type": "string", "format": "uuid", "required": True}],
                "put": {"parameters": [{"name": "body", "in": "body", "schema": {"$ref": "#/definitions/T"}}]},
                "post": {
                    "consumes": ["application/x-www-form-urlencoded"],
                    "parameters": [{"name": "title", "in": "formData", "type": "string", "required": True}],
                },
            }
        },
        "definitions": {"T": obj(name={"type": "string", "x-nullable": True})},
    }
    made = draft(swagger, "PUT /things/{id}")
    assert made.target.base_url == "https://api.acme.example/v2"
    assert made.target.id["id"].format == "uuid"
    assert made.target.repeatable
    assert rules(made) == {"name": {"nullable": True}}
    assert made.target.auth.model_dump(exclude_unset=True) == {
        "scheme": "query",
        "env": "ACME_API_KEY",
        "name": "api_key",
    }
    made = draft(swagger, "POST /things/{id}")
    assert made.target.body.format == "form"
    assert rules(made) == {"title": {"required": True}}
    assert not made.target.repeatable


# ---- the rest of the request ----


def test_several_path_variables_get_plain_names_and_their_rules(draft: Drafts) -> None:
    document = api(obj(name={}), path="/shops/{shop-id}/items/{item.id}/kinds/{kind}")
    document["paths"]["/shops/{shop-id}/items/{item.id}/kinds/{kind}"]["parameters"] = [
        {"name": "shop-id", "in": "path", "schema": {"type": "integer"}, "description": "The shop"},
        {"name": "item.id", "in": "path", "schema": {"type": "string", "pattern": "^i_", "maxLength": 30}},
        {"name": "kind", "in": "path", "schema": {"enum": ["a.b", "c"]}},
    ]
    made = draft(document)
    assert made.target.path == "/shops/{shop_id}/items/{item_id}/kinds/{kind}"
    assert made.target.id["shop_id"].pattern == "^-?[0-9]+$"
    assert made.target.id["shop_id"].example == "1024"
    assert made.target.id["item_id"].max_length == 30
    assert made.target.id["kind"].pattern == r"^(?:a\.b|c)$"


@pytest.mark.parametrize(
    ("schema", "pattern", "example"),
    [
        ({"$ref": "#/components/schemas/Bank"}, "^bank_", "bank_7"),
        ({"allOf": [{"$ref": "#/components/schemas/Bank"}]}, "^bank_", "bank_7"),
        ({"type": "string", "minLength": 8}, "^.{8,}$", ""),
        ({"type": "string", "format": "date"}, "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "2026-11-21"),
        ({"type": "integer", "maximum": 9}, "^-?[0-9]+$", "9"),
        ({"type": "number", "minimum": 5000}, r"^-?[0-9]+(?:\.[0-9]+)?$", "5001"),
        ({"enum": [1, 2]}, "^(?:1|2)$", "1"),
        ({"type": "boolean"}, "^(?:true|false)$", "true"),
        ({"type": "string"}, None, ""),
    ],
)
def test_an_id_looks_as_the_document_says(
    draft: Drafts, schema: dict[str, Any], pattern: str | None, example: str
) -> None:
    bank = {"type": "string", "pattern": "^bank_", "example": "bank_7"}
    document = api(obj(name={}), components={"schemas": {"Bank": bank}})
    document["paths"]["/things/{id}"]["parameters"] = [{"name": "id", "in": "path", "schema": schema}]
    made = draft(document).target.id["id"]
    assert (made.pattern, made.example) == (pattern, example)


def test_the_server_is_the_first_that_is_no_sandbox_and_its_variables_are_the_targets(draft: Drafts) -> None:
    servers = [
        {"url": "https://sandbox.acme.example", "description": "Sandbox"},
        {
            "url": "https://{Site}.acme.example/{v}",
            "variables": {"Site": {"default": "eu", "enum": ["eu", "us"]}, "v": {"default": "v1/x"}},
        },
    ]
    document = api(obj(name={}), servers=servers)
    made = draft(document)
    assert made.target.base_url == "https://{site}.acme.example/v1/x"
    assert made.target.with_variables({"site": "us"}).base_url == "https://us.acme.example/v1/x"
    assert made.target.variables["site"].pattern == "^(?:eu|us)$"
    assert any("others (--server N): 1 https://sandbox.acme.example" in note for note in made.notes)
    assert draft(document, server=1).target.base_url == "https://sandbox.acme.example"
    with pytest.raises(UsageError, match="no server 3"):
        draft(document, server=3)


def test_a_server_without_a_host_is_a_path_and_is_said(draft: Drafts) -> None:
    made = draft(api(obj(name={}), servers=[{"url": "/api/v3"}]))
    assert made.target.base_url is None
    assert made.target.path == "/api/v3/things/{id}"
    assert any("--base-url" in note for note in made.notes)


def test_what_every_request_needs_is_a_constant_or_a_variable(draft: Drafts) -> None:
    parameters = [
        {"name": "api-version", "in": "query", "required": True, "schema": {"default": "2026-01"}},
        {"name": "site", "in": "query", "required": True, "schema": {"type": "string"}},
        {"name": "Acme-Version", "in": "header", "required": True, "schema": {"enum": ["7"]}},
        {"name": "X-Tenant", "in": "header", "required": True, "schema": {"type": "string"}},
        {"name": "From", "in": "header", "required": True, "schema": {"type": "string", "format": "email"}},
        {"name": "Content-Type", "in": "header", "required": True, "schema": {"default": "a/b"}},
        {"name": "Idempotency-Key", "in": "header", "schema": {"type": "string"}},
        {"name": "fields", "in": "query", "schema": {"type": "string"}},
    ]
    made = draft(api(obj(name={}), operation={"parameters": parameters})).target
    assert made.path == "/things/{id}?api-version=2026-01&site={site}"
    assert made.headers == {"Acme-Version": "7", "X-Tenant": "{x_tenant}", "From": "{from}"}
    assert made.variables["from"].example == "ann@example.com"
    assert made.variables["from"].pattern == r"^[^@\s]+@[^@\s]+$"
    assert made.variables["x_tenant"].env == "ACME_X_TENANT"
    assert made.idempotency is not None
    assert made.idempotency.header == "Idempotency-Key"


def test_a_header_for_the_version_becomes_a_precondition_where_the_record_can_be_read(draft: Drafts) -> None:
    guard = {"parameters": [{"name": "If-Match", "in": "header", "required": True, "schema": {"type": "string"}}]}
    made = draft(api(obj(name={}), operation=guard, item=reply(obj(id={}, name={})))).target
    assert made.precondition is not None
    assert (made.precondition.header, made.precondition.source) == ("If-Match", "etag")
    made_without = draft(api(obj(name={}), operation=guard))
    assert made_without.target.precondition is None
    assert any("wants the record's version in If-Match" in note for note in made_without.notes)


FLOW = {"tokenUrl": "https://login.acme.example/token", "scopes": {"write": "x"}}
SCHEMES: dict[str, dict[str, Any]] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "basic": {"type": "http", "scheme": "basic"},
    "header": {"type": "apiKey", "in": "header", "name": "X-Key"},
    "secret": {"type": "apiKey", "in": "header", "name": "X-Secret"},
    "query": {"type": "apiKey", "in": "query", "name": "key"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "sid"},
    "word": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "Send: Acme-Key {your key}"},
    "client": {"type": "oauth2", "flows": {"clientCredentials": FLOW}},
    "code": {"type": "oauth2", "flows": {"authorizationCode": FLOW}},
}


@pytest.mark.parametrize(
    ("security", "wanted"),
    [
        ([{"bearer": []}], {"scheme": "bearer", "env": "ACME_TOKEN"}),
        ([{"basic": []}], {"scheme": "basic", "user": {"env": "ACME_USER"}, "env": "ACME_KEY"}),
        ([{"header": []}], {"scheme": "header", "name": "X-Key", "value": "{key}", "env": "ACME_API_KEY"}),
        ([{"query": []}], {"scheme": "query", "name": "key", "env": "ACME_API_KEY"}),
        (
            [{"word": []}],
            {"scheme": "header", "name": "Authorization", "value": "Acme-Key {key}", "env": "ACME_API_KEY"},
        ),
        (
            [{"client": ["write"]}],
            {
                "scheme": "oauth2",
                "grant": "client_credentials",
                "token_url": "https://login.acme.example/token",
                "client_id": {"env": "ACME_CLIENT_ID"},
                "client_secret": {"env": "ACME_CLIENT_SECRET"},
            },
        ),
        ([{"code": []}, {"cookie": []}], {"scheme": "bearer", "env": "ACME_TOKEN"}),
        (
            [{"cookie": []}, {"code": []}, {"header": []}],
            {"scheme": "header", "name": "X-Key", "value": "{key}", "env": "ACME_API_KEY"},
        ),
        (
            [{"header": [], "secret": []}],
            {
                "scheme": "header",
                "name": "X-Key",
                "value": "{key}",
                "env": "ACME_API_KEY",
                "also": ({"scheme": "header", "name": "X-Secret", "value": "{key}", "env": "ACME_X_SECRET"},),
            },
        ),
        ([{"cookie": []}], {"scheme": "none"}),
        ([], {"scheme": "none"}),
    ],
)
def test_security_schemes_become_auth(draft: Drafts, security: list[Any], wanted: dict[str, Any]) -> None:
    made = draft(api(obj(name={}), security=security, components={"securitySchemes": SCHEMES}))
    assert made.target.auth.model_dump(exclude_unset=True) == wanted


# ---- reading ----


def reply(schema: Any, **more: Any) -> dict[str, Any]:
    return {"get": {"responses": {"200": {"content": {JSON: {"schema": schema}}, **more.pop("reply", {})}}, **more}}


def test_the_record_is_found_in_the_reply_to_a_get_and_the_list_above_it(draft: Drafts) -> None:
    record = obj(id={}, attributes=obj(name={}, size={}))
    page = obj(data={"type": "array", "items": record}, meta=obj(next_cursor={"type": "string"}))
    cursor = {"parameters": [{"name": "cursor", "in": "query"}]}
    document = api(
        obj(data=obj(["attributes"], attributes=obj(name={}, size={}, secret={}))),
        item=reply(obj(data=record)),
        paths={"/things": reply(page, **cursor)},
    )
    made = draft(document).target
    assert made.read is not None
    assert made.read.record == "data.attributes"
    assert made.list is not None
    assert made.list.model_dump(exclude_unset=True) == {
        "path": "/things",
        "records": "data",
        "fields": {"name": "attributes.name", "size": "attributes.size"},
        "absent": ("secret",),
        "pagination": {"style": "cursor", "parameter": "cursor", "next": "meta.next_cursor"},
    }


@pytest.mark.parametrize(
    ("more", "page", "wanted"),
    [
        ({"reply": {"headers": {"Link": {}}}}, {}, {"style": "link"}),
        (
            {
                "parameters": [
                    {"name": "page", "in": "query"},
                    {"name": "per_page", "in": "query", "schema": {"maximum": 100}},
                ]
            },
            {},
            {"style": "page", "parameter": "page", "size_parameter": "per_page", "size": 100},
        ),
        (
            {
                "parameters": [
                    {"name": "offset", "in": "query"},
                    {"name": "limit", "in": "query", "schema": {"default": 20}},
                ]
            },
            {},
            {"style": "offset", "parameter": "offset", "size_parameter": "limit", "size": 20},
        ),
        ({}, {"links": obj(next={"type": "string"})}, {"style": "next", "next": "links.next"}),
        ({}, {}, {}),
    ],
)
def test_pagination_is_guessed_from_parameters_and_reply(
    draft: Drafts, more: dict[str, Any], page: dict[str, Any], wanted: dict[str, Any]
) -> None:
    items = obj(items={"type": "array", "items": obj(id={}, name={})}, **page)
    made = draft(api(obj(name={}), paths={"/things": reply(items, **more)})).target
    assert made.list is not None
    assert made.list.pagination.model_dump(exclude_unset=True) == wanted


def test_a_list_or_a_read_that_wants_more_than_the_document_settles_is_left_out(draft: Drafts) -> None:
    needs = {"parameters": [{"name": "q", "in": "query", "required": True}]}
    record = obj(id={}, name={})
    document = api(
        obj(name={}), item=reply(record, **needs), paths={"/things": reply({"type": "array", "items": record}, **needs)}
    )
    made = draft(document).target
    assert made.read is None
    assert made.list is None


# ---- what is written ----


def test_the_written_yaml_says_where_each_part_came_from_and_is_read_as_it_was_meant(draft: Drafts) -> None:
    document = api(
        obj(name={"type": "string", "description": "Its name: 'a' # b\n second"}, on={"enum": ["yes", "1", "null"]}),
        operation={"summary": "Update: a thing", "externalDocs": {"url": "https://docs.acme.example/x"}},
    )
    made = draft(document)
    assert "# From the body of paths./things/{id}.patch." in made.yaml
    assert made.target.fields["name"].description == "Its name: 'a' # b second"
    assert made.target.fields["on"].enum == ("yes", "1", "null")
    assert made.target.title == "Acme API: Update: a thing"
    assert made.target.name == "acme-api-update-thing"
    assert made.target.docs == "https://docs.acme.example/x"
    assert yaml.safe_load(made.yaml)["method"] == "PATCH"
