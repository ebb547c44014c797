from __future__ import annotations

from pathlib import Path

import pytest
from declarations import NESTED, PLAIN, complaint, read, swapped

from batchupdate.targets import builtin_names, find_target

SAMPLES = Path(__file__).parents[2] / "samples"


def test_a_list_of_values_is_clearable_only_if_it_holds_the_empty_one() -> None:
    target = read(
        swapped("  size: {}", "  size: {enum: [a]}\n  tint: {enum: ['', a]}\n  note: {min_length: 1}\n  free: {}")
    )
    assert [name for name, rule in target.fields.items() if rule.clearable] == ["name", "tint", "free"]


# Reading a record.


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            "address..city: {}",
            "t.yaml:12: fields.address..city: there is no name before or after a dot; write \\. for a dot",
        ),
        ("address.: {}", "t.yaml:12: fields.address.: there is no name before or after a dot"),
        (
            "a\\: {}",
            "t.yaml:12: fields.a\\: a backslash must be followed by a dot or another backslash; write \\\\ for a",
        ),
        (
            "contacts[0].email: {}",
            "values, declare 'contacts' with type list, which has the columns contacts[0], contacts[1] and so on; for",
        ),
        ("labels[]: {}", "t.yaml:12: fields.labels[]: an item of an array can't be a field. For an array of plain val"),
        (
            "address: {}\n  address.city: {}",
            "t.yaml:13: fields.address.city: 'address' is declared as string, which has no members; make it type jso",
        ),
        ("a.b: {type: list}\n  a.b.c.d: {}", "t.yaml:13: fields.a.b.c.d: 'a.b' is declared as list, which has no"),
        ("a: {type: json, json_type: array}\n  a.b: {}", "t.yaml:13: fields.a.b: 'a' is declared as an array, which"),
        (
            "a: {type: json}\n  a.b: {required: true}",
            "t.yaml:13: fields.a.b: a row sets 'a' either as a whole or by its members, so 'a.b' can't be required.",
        ),
        ("a: {type: json, required: true}\n  a.b: {}", "t.yaml:12: fields.a: a row sets 'a' either as a whole or"),
        ('a: {type: integer, enum: ["1", "02"]}', "fields.a.enum: '02' is not a whole number; write it in quotes, as "),
        ("a: {type: json, example: '{x'}", "fields.a.example: '{x' is not JSON"),
        ("a: {type: json, json_type: array, example: '{}'}", "fields.a.example: '{}' is not a JSON array"),
        ("a.b: {}\n  A.b: {}", "t.yaml:13: fields.A.b: as column headings, 'A.b' and 'a.b' are the same"),
        (
            "labels: {type: list, aliases: [tags]}\n  other: {aliases: ['Tags[0]']}",
            "t.yaml:13: fields.other.aliases: 'tags[0]' already means an item of the list 'labels'; remove it.",
        ),
    ],
)
def test_a_field_that_leads_nowhere_is_refused_with_its_line(fields: str, said: str) -> None:
    assert said in complaint(PLAIN.replace("  name: {}\n  size: {}\n", f"  one: {{}}\n  {fields}\n"))


def test_an_object_can_be_set_as_a_whole_or_by_its_members() -> None:
    target = read(NESTED + "  address: {type: json, nullable: true}\n  address.geo: {type: json}\n")
    assert target.parts == {
        "address": ("address.city", "address.geo.lat", "address.geo"),
        "address.geo": ("address.geo.lat",),
    }
    assert target.body_of('{"address":null}') == b'{"address":null}'


# Examples.


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "  size: {}",
            "  size: {pattern: '^[0-9]+$', example: ten}",
            "fields.size.example: 'ten' does not match",
        ),
        ("  size: {}", "  size: {example: ten}", "an example is shown in place of a pattern, and there is no pattern"),
        ("  size: {}", "  size: {format: uuid, example: x}", "and format uuid has one of its own; remove it"),
        ("  size: {}", "  size: {type: integer, example: '5'}", "example is for type json or string, not integer"),
        (
            "  size: {}",
            "  size: {type: list, items: {pattern: '^a', example: b}}",
            "fields.size.items.example: 'b' does",
        ),
        (
            "  x: {}",
            "  x: {pattern: '^c[0-9]$', example: c12}",
            "id.x.example: 'c12' does not match the pattern",
        ),
    ],
)
def test_an_example_that_its_pattern_does_not_accept_is_refused(old: str, new: str, said: str) -> None:
    assert said in complaint(swapped(old, new))


@pytest.mark.parametrize("path", [*builtin_names(), *map(str, SAMPLES.glob("*.yaml"))])
def test_every_pattern_that_we_ship_has_an_example(path: str) -> None:
    target = find_target(path)
    rules = [*target.id.values(), *target.fields.values()]
    assert [rule for rule in rules if rule.pattern and not rule.example] == []
    assert any(SAMPLES.glob("*.yaml"))
