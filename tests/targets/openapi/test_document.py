from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from batchupdate.errors import ConfigError
from batchupdate.targets.openapi import draft_target, load_document, operations_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

HEAD = """
openapi: 3.0.3
info: {title: Shop, version: "1"}
paths:
  /items/{id}:
    patch:
      operationId: updateItem
      requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/Item'}}}}
"""


def write(tmp_path: Path, text: str | bytes, name: str = "api.yaml") -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_yaml_has_the_types_of_json_so_that_norway_is_no_truth_value_and_a_day_no_date(tmp_path: Path) -> None:
    text = (
        HEAD + "components: {schemas: {Item: {properties: {country: {enum: [NO, SE, on]}, day: {enum: [2026-01-01]}}}}}"
    )
    document = load_document(write(tmp_path, text))
    (operation,) = operations_of(document)
    fields = draft_target(document, operation).target.fields
    assert fields["country"].enum == ("NO", "SE", "on")
    assert fields["day"].enum == ("2026-01-01",)


def test_json_is_read_as_well_also_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = write(tmp_path, b"\xef\xbb\xbf" + json.dumps({"swagger": "2.0", "paths": {}}).encode(), "api.json")
    assert load_document(path).version == "2"


def test_a_broken_reference_is_named_and_survived(tmp_path: Path) -> None:
    text = (
        HEAD + "components: {schemas: {Item: {properties: {name: {type: string}, size: {$ref: '#/components/nope'}}}}}"
    )
    document = load_document(write(tmp_path, text))
    draft = draft_target(document, operations_of(document)[0])
    assert list(draft.target.fields) == ["name", "size"]
    assert "The reference #/components/nope is broken: there is no 'nope'." in draft.notes
    assert "# Look at: The reference #/components/nope is broken" in draft.yaml


def test_references_lead_through_escaped_names_lists_and_statuses(tmp_path: Path) -> None:
    text = HEAD + (
        "components: {schemas: {Item: {$ref: '#/x/a~1b~0%25/1'}}}\nx: {'a/b~%': [{}, {properties: {name: "
        "{$ref: '#/y/200'}}}]}\ny: {200: {type: integer}}"
    )
    document = load_document(write(tmp_path, text))
    assert draft_target(document, operations_of(document)[0]).target.fields["name"].type == "integer"
    assert not document.broken


def test_other_files_are_followed_only_when_allowed_and_only_below_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "spec"
    (folder / "parts").mkdir(parents=True)
    write(
        folder / "parts",
        "Item: {properties: {name: {$ref: '#/Name'}, n: {$ref: 'more.yaml#/N'}}}\nName: {maxLength: 7}",
        "a.yaml",
    )
    write(folder / "parts", "N: {type: integer}", "more.yaml")
    write(tmp_path, "Secret: {type: string}", "outside.yaml")
    text = HEAD.replace("#/components/schemas/Item", "parts/a.yaml#/Item")
    path = write(folder, text)
    document = load_document(path)
    with pytest.raises(ConfigError):
        draft_target(document, operations_of(document)[0])
    assert list(document.broken.values()) == ["it leads to another file; allow that with --follow-refs"]

    document = load_document(path, follow=True)
    fields = draft_target(document, operations_of(document)[0]).target.fields
    assert fields["n"].type == "integer"
    assert fields["name"].max_length == 7

    path = write(folder, HEAD.replace("#/components/schemas/Item", "../outside.yaml#/Secret"))
    document = load_document(path, follow=True)
    operations_of(document)
    with pytest.raises(ConfigError):
        draft_target(document, operations_of(document)[0])
    assert "leads out of the document's folder" in next(iter(document.broken.values()))


@pytest.mark.parametrize("reference", ["https://api.invalid/a.json#/x", "file:///etc/passwd", "//api.invalid/x"])
def test_a_reference_never_leads_to_the_network_even_when_files_are_followed(tmp_path: Path, reference: str) -> None:
    text = HEAD + f"components: {{schemas: {{Item: {{properties: {{name: {{$ref: '{reference}'}}}}}}}}}}"
    document = load_document(write(tmp_path, text), follow=True)
    draft_target(document, operations_of(document)[0])
    assert "which is never asked" in document.broken[reference]


NAMES = ("Item", *"ABCDEFGH")


def refs(name: str, count: int) -> str:
    return ", ".join([f"{{$ref: '#/components/schemas/{name}'}}"] * count)


WIDE = "".join(f"    {a}: {{oneOf: [{refs(b, 40)}]}}\n" for a, b in pairwise(NAMES))
KEYS = ", ".join(f"k{number}: 1" for number in range(100))
ALIASES = "".join(f"{b}: &{b} {{before}}{', '.join(['*' + a] * 9)}{{after}}\n" for a, b in pairwise("abcdefgh"))
HOSTILE: dict[str, str | bytes] = {
    "loop": HEAD + f"components: {{schemas: {{Item: {refs('B', 1)}, B: {refs('Item', 1)}}}}}",
    "allOf of itself": HEAD + f"components: {{schemas: {{Item: {{allOf: [{refs('Item', 2)}]}}}}}}",
    "oneOf in oneOf": HEAD + "components:\n  schemas:\n" + WIDE + "    H: {type: string}",
    "aliases": "a: &a [x]\n" + ALIASES.format(before="[", after="]") + "openapi: 3.0.0\npaths: {}",
    "merge keys": f"a: &a {{{KEYS}}}\n" + ALIASES.format(before="{<<: [", after="]}") + HEAD,
    "aliases in an example": "a: &a {x: y}\n"
    + ALIASES.format(before="{", after="}").replace("*a,", "k: *a,")
    + HEAD.replace("schema:", "example: *h, schema:"),
    "an alias of itself": HEAD.replace("{$ref: '#/components/schemas/Item'}", "&s {properties: {a: *s}}"),
    "deep YAML": "a: " + "[" * 100_000 + HEAD,
    "deep JSON below the limit of Python": '{"openapi": "3.0.0", "paths": {}, "x": ' + "[" * 700 + "]" * 700 + "}",
    "deep JSON": '{"openapi": "3.0.0", "paths": {}, "x": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "50 MB": b'{"openapi": "3.0.0", "paths": {}, "x": "' + b"a" * 50_000_000 + b'"}',
    "many nodes": "openapi: 3.0.0\npaths: {}\nx: [" + "a," * 1_100_000 + "a]",
    "long number": '{"openapi": "3.0.0", "paths": {}, "x": ' + "9" * 10_000 + "}",
    "no text": b"openapi: 3.0.0\nx: \xff",
    "control characters": b"\x00\x01",
    "no document": "a: 1",
    "no paths": "openapi: 3.0.0",
    "a list": "[1]",
    "nonsense": "openapi: 3.0.0\npaths: {1: 2, '/x/{id}': {patch: [], put: {requestBody: 3, parameters: {a: 1}}}}",
}


READS = """
import json, sys, time
from pathlib import Path
from batchupdate.errors import BatchUpdateError
from batchupdate.targets.openapi import draft_target, load_document, operations_of

def end(path):
    try:
        document = load_document(path)
        for one in operations_of(document):
            draft_target(document, one)
    except BatchUpdateError as error:
        return str(error)
    return "There is nothing in it."

for name in sys.argv[1:]:
    began = time.process_time()
    print(json.dumps([name, end(Path(name)), time.process_time() - began]))
status = Path("/proc/self/status")  # what getrusage says has the memory of the process that started this one in it
lines = status.read_text().splitlines() if status.exists() else []
used = sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
print(json.dumps(["", "", used]))
"""


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, float]]:
    """How reading each document ends, and its seconds of processor time; under "", the bytes that all of it needed."""
    folder = tmp_path_factory.mktemp("hostile")
    files = {str(write(folder, text, f"{number}.yaml")): name for number, (name, text) in enumerate(HOSTILE.items())}
    command = [sys.executable, "-c", READS, *files]
    done = subprocess.run(command, capture_output=True, timeout=600, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {files.get(file, ""): (said, used) for file, said, used in lines}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_document_ends_in_a_sentence_within_seconds(ends: dict[str, tuple[str, float]], name: str) -> None:
    said, seconds = ends[name]
    assert said.endswith(".")
    assert len(said) < 500
    assert seconds < 20


def test_hostile_documents_need_little_memory(ends: dict[str, tuple[str, float]]) -> None:
    assert ends[""][1] < 400_000_000


@pytest.mark.parametrize("name", ["aliases", "aliases in an example", "an alias of itself"])
def test_aliases_of_aliases_are_refused_before_anything_follows_them(
    ends: dict[str, tuple[str, float]], name: str
) -> None:
    assert "too large for YAML" in ends[name][0] or "an alias stands inside of what it is for" in ends[name][0]


def test_a_schema_that_contains_itself_becomes_a_field_of_json(tmp_path: Path) -> None:
    text = HEAD + (
        "components: {schemas: {Item: {properties: {name: {type: string}, parent: {$ref: '#/components/schemas/Item'}, "
        "children: {type: array, items: {$ref: '#/components/schemas/Item'}}}}}}"
    )
    document = load_document(write(tmp_path, text))
    fields = draft_target(document, operations_of(document)[0]).target.fields
    assert [(name, rule.json_type) for name, rule in fields.items() if rule.type == "json"] == [
        ("parent.parent", "object"),
        ("parent.children", "array"),
        ("children", "array"),
    ]


def test_a_document_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read: No such file"):
        load_document(tmp_path / "none.yaml")
