"""What `targets from-openapi` makes of OpenAPI documents.

    python benchmarks/openapi_documents.py FOLDER

FOLDER has documents of your own choice, in JSON or YAML. Nothing is fetched. For each document it counts the operations
that update one record, and of these the ones that become a target which loads and whose example bodies are valid by the
operation's own request schema, judged by jsonschema. The examples are rows of a sheet, checked as any row is: one with
the required fields alone, and one more for each optional field.

Operations whose body is a file or an upload are counted apart: no sheet has such cells.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
from hypothesis import strategies
from hypothesis.errors import NonInteractiveExampleWarning
from jsonschema import Draft4Validator, Draft202012Validator, FormatChecker, validators
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4, DRAFT202012

from batchupdate.config import Input, Secrets
from batchupdate.errors import BatchUpdateError
from batchupdate.model import Row
from batchupdate.targets import FieldRule, Target
from batchupdate.targets.body import Body
from batchupdate.targets.openapi import Document, Draft, Operation, draft_target, load_document, operations_of
from batchupdate.targets.openapi.schema import Schemas, properties_of, required_of
from batchupdate.util import json as exact_json
from batchupdate.validator import Validator, map_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

EXAMPLES = {"date": "2026-11-21", "datetime": "2026-11-21T18:45:00Z", "boolean": "true", "json": "{}"}
FORMATS = {"url": "https://example.com/a", "uuid": "550e8400-e29b-41d4-a716-446655440000"}


def main(folder: Path) -> None:
    """Prints a table with a line for each document, and why operations can't be declared or are not valid."""
    reasons: Counter[str] = Counter()
    sums = [0, 0, 0, 0]
    print("| document | version | operations | of files | declared | valid | % |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for path in sorted(folder.iterdir()):
        try:
            document = load_document(path)
        except BatchUpdateError as error:
            print(f"| {path.name} | {error} |")
            continue
        counts = _document(document, reasons)
        sums = [a + b for a, b in zip(sums, counts, strict=True)]
        print(_line(path.name, document.root.get("openapi") or document.root.get("swagger"), counts), flush=True)
    print(_line("all", "", sums))
    for reason, count in reasons.most_common(int(sys.argv[2]) if len(sys.argv) > 2 else 15):
        print(f"{count:5} {reason}")


def _line(name: str, version: object, counts: list[int]) -> str:
    operations, files, declared, valid = counts
    share = f"{100 * valid / (operations - files):.1f}" if operations > files else "–"
    return f"| {name} | {version} | {operations} | {files} | {declared} | {valid} | {share} |"


def _document(document: Document, reasons: Counter[str]) -> list[int]:
    found = operations_of(document)
    files = declared = valid = 0
    for operation in found:
        if operation.body is None:
            files += 1
            continue
        try:
            draft = draft_target(document, operation)
        except BatchUpdateError as error:
            reasons[str(error)] += 1
            if len(sys.argv) > 2:
                print("   ", operation.name, error)
            continue
        declared += 1
        if problem := _problem(document, operation, draft):
            reasons[problem[:100]] += 1
            if len(sys.argv) > 2:
                print("   ", operation.name, problem[:300])
        else:
            valid += 1
    return [len(found), files, declared, valid]


def _problem(document: Document, operation: Operation, draft: Draft) -> str:
    """Why an example body is not valid; '' if all are."""
    target = _as_json(draft.target)
    target = target.with_variables(
        {name: rule.default or rule.example or "x1" for name, rule in target.variables.items()}
    )
    schemas = Schemas(document)
    validator = _validator(document, operation)
    required = [name for name, rule in target.fields.items() if rule.required]
    required += [rule.any_of[0] for rule in target.rules if not set(rule.any_of) & set(required)]
    optional = [name for name in target.fields if name not in required]
    for wanted in [required, *([*required, one] for one in optional)]:
        if not wanted:
            continue
        names = [*wanted, *_beside(schemas, operation, target, wanted)]
        cells = {name: _cell(target.fields[name], schemas, _schema(schemas, operation, target, name)) for name in names}
        ids = {name: _text(rule.regex) for name, rule in target.id.items()}
        headings = [*ids, *names]
        columns = map_columns(headings, target, Input())
        checked = Validator(target, columns, Secrets()).check(
            [Row(2, (*ids.values(), *(cells[name] for name in names)))]
        )
        if not checked.records[0]:
            return f"its own row is invalid: {[problem.message for problem in checked.problems][:1]}"
        fields = exact_json.dumps(checked.records[0])
        body = json.loads(target.body_of(fields, target.expand(tuple(ids.values()))))
        try:
            error = jsonschema.exceptions.best_match(validator.iter_errors(body))
        except Exception as broken:  # noqa: BLE001 - a reference that leads nowhere, in jsonschema's words
            return f"the schema can't be used: {type(broken).__name__}"
        if error:
            return f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]} (fields: {wanted[-1]})"
    return ""


def _as_json(target: Target) -> Target:
    """The same target with a body that can be judged: that of a form, before it is encoded."""
    if target.body.format != "form":
        return target
    body = target.body.model_dump(exclude={"format", "content_type"}, exclude_unset=True)
    return target.model_copy(update={"body": Body.model_validate(body)})


def _schema(schemas: Schemas, operation: Operation, target: Target, name: str) -> dict[str, Any]:
    """The schema of a field."""
    return _at(schemas, operation, target, target.paths.get(name) or target.places[name].members_before)


def _at(schemas: Schemas, operation: Operation, target: Target, place: Sequence[str]) -> dict[str, Any]:
    """The schema at a place among the fields."""
    assert operation.body is not None
    node, template = schemas.plain(operation.body.schema, body=True), target.body.whole
    while True:
        if isinstance(template, list):
            node, template = schemas.plain(node.get("items"), body=True), template[0]
        elif isinstance(template, dict) and "..." not in template:
            member = next(key for key, value in template.items() if "{fields}" in json.dumps(value))
            node, template = schemas.plain(properties_of(node).get(member), body=True), template[member]
        else:
            break
    for part in place:
        raw = properties_of(node).get(part)
        node = {**schemas.plain(raw), "$raw": raw}
    return node


def _beside(schemas: Schemas, operation: Operation, target: Target, names: list[str]) -> list[str]:
    """The fields that a row has to set as well, because it sets a part of an object that requires them."""
    found: list[str] = []
    paths = {path: name for name, path in target.paths.items()}
    left = [path[:depth] for name in names for path in [target.paths.get(name, ())] for depth in range(1, len(path))]
    while left:
        parent = left.pop()
        node = _at(schemas, operation, target, parent)
        for member in required_of(node):
            path = (*parent, member)
            if (name := paths.get(path)) and name not in names and name not in found:
                found.append(name)
            elif path not in paths and (inside := [one for one in paths if one[: len(path)] == path]):
                if not any(paths[one] in {*names, *found} for one in inside):
                    found.append(paths[inside[0]])
                left += [one[:depth] for one in inside[:1] for depth in range(len(path), len(one))]
    return found


def _cell(rule: FieldRule, schemas: Schemas, schema: dict[str, Any]) -> str:
    if rule.type == "json":
        made = _instance(schemas, schema.get("$raw", schema))
        empty: Any = [] if rule.json_type == "array" else {}
        return json.dumps(made if isinstance(made, type(empty)) else empty)
    if rule.type == "list":
        item, least = _value(rule.items or FieldRule()), max(rule.min_items or 0, 1)
        free = not (rule.items and (rule.items.pattern or rule.items.format or rule.items.enum))
        return json.dumps([f"{item}{number}" if free and number else item for number in range(least)])
    if isinstance(values := schema.get("enum"), list) and rule.type in {"integer", "number"}:
        return str(values[0])
    return _value(rule)


def _value(rule: FieldRule) -> str:
    if rule.enum:
        return next((value for value in rule.enum if value), "<empty>")
    if rule.type in {"integer", "number"}:
        low, high = rule.minimum, rule.maximum
        return str(1 if (low is None or low <= 1) and (high is None or high >= 1) else high if low is None else low)
    if rule.type in EXAMPLES:
        return EXAMPLES[rule.type]
    if rule.format in FORMATS:
        return FORMATS[rule.format]
    if rule.pattern:
        return _text(rule.pattern, rule.min_length or 1, rule.max_length or 200)
    return "x" * (rule.min_length or 1)


_KNOWN: dict[tuple[str | None, int, int], str] = {}


def _text(pattern: str | None, least: int = 1, most: int = 200) -> str:
    import re
    import warnings

    if pattern is None:
        return "x1"
    if (key := (pattern, least, most)) not in _KNOWN:
        clean = re.sub(r"\\p\{L\}|\\p\{N\}", "a", pattern)
        found = strategies.from_regex(
            clean, fullmatch=False, alphabet=strategies.characters(min_codepoint=33, max_codepoint=126)
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NonInteractiveExampleWarning)
            try:
                _KNOWN[key] = found.filter(lambda text: least <= len(text) <= most and text.strip() == text).example()
            except Exception:  # noqa: BLE001 - a pattern in a dialect that Python does not have
                _KNOWN[key] = "x1"
    return _KNOWN[key]


def _instance(schemas: Schemas, raw: object, depth: int = 0) -> Any:  # noqa: ANN401 - JSON is anything
    """The smallest value that a schema allows: what a user would write into a cell of JSON."""
    node = schemas.plain(raw, body=True)
    if "const" in node or node.get("enum"):
        return node.get("const", (node.get("enum") or [None])[0])
    kind = node.get("type")
    if kind == "object" or (kind is None and properties_of(node)):
        members = properties_of(node)
        return {name: _instance(schemas, members.get(name), depth + 1) for name in required_of(node) if depth < 8}
    if kind == "array":
        return [_instance(schemas, node.get("items"), depth + 1) for _ in range(node.get("minItems") or 0)]
    if kind == "string":
        named = {"date": "2026-11-21", "date-time": "2026-11-21T18:45:00Z", **FORMATS, "uri": FORMATS["url"]}
        text = named.get(str(node.get("format")), "")
        return text or _text(node.get("pattern"), node.get("minLength") or 1, node.get("maxLength") or 200)
    if kind in {"integer", "number"}:
        return node.get("minimum", 1)
    return {"boolean": True, None: {}}.get(kind)


def _validator(document: Document, operation: Operation) -> Any:  # noqa: ANN401 - jsonschema's own
    """The validator of the operation's request body, with OpenAPI's `nullable`."""
    assert operation.body is not None
    modern = document.version == "3.1"
    base = Draft202012Validator if modern else Draft4Validator

    def nullable(check: Any) -> Any:  # noqa: ANN401
        def checked(validator: Any, value: Any, instance: Any, schema: Any) -> Any:  # noqa: ANN401
            if instance is None and (schema.get("nullable") or schema.get("x-nullable")):
                return
            yield from check(validator, value, instance, schema)

        return checked

    def required(validator: Any, names: Any, instance: Any, schema: Any) -> Any:  # noqa: ANN401
        """What can only be read need not be sent (OpenAPI 3.0, "Schema Object", readOnly)."""
        members = schema.get("properties", {})
        needed = [name for name in names if document.resolve(members.get(name)).get("readOnly") is not True]
        yield from base.VALIDATORS["required"](validator, needed, instance, schema)

    checks = {name: nullable(base.VALIDATORS[name]) for name in ("type", "enum")}
    extended = validators.extend(base, {**checks, "required": required})
    root = json.loads(json.dumps(document.root, default=str))
    resource = Resource(root, DRAFT202012 if modern else DRAFT4)
    registry = Registry().with_resource("urn:document", resource)
    schema = _absolute(operation.body.schema)
    return extended(schema, registry=registry, format_checker=FormatChecker())


def _absolute(schema: Any) -> Any:  # noqa: ANN401 - JSON is anything
    """The schema with its references into the document."""
    if isinstance(schema, list):
        return [_absolute(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _absolute(part) for name, part in schema.items()}
    if isinstance(reference := schema.get("$ref"), str) and reference.startswith("#"):
        made["$ref"] = f"urn:document{reference}"
    return made


if __name__ == "__main__":
    main(Path(sys.argv[1]))
