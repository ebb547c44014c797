"""The fields of a body, each with the rule that its schema makes: types, lengths, patterns, values."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from batchupdate.spreadsheet.headers import normalise_heading
from batchupdate.targets import field_path
from batchupdate.targets.openapi.examples import EMAIL, FORMATS, json_example, text_example
from batchupdate.targets.openapi.schema import SCALARS, Schemas, is_number, properties_of, required_of
from batchupdate.util.text import one_line, quoted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from batchupdate.targets.openapi.document import Node

MAX_FIELDS = 1000
MAX_NESTING = 4
MAX_VALUES = 2000
_FORMATS = {"date": "date", "date-time": "datetime"}
_SPECIAL = re.compile(r"[\\.\[\]]")


@dataclass(frozen=True, slots=True)
class Found:
    """A field: the members that lead to it, and its rule as YAML has it."""

    path: tuple[str, ...]
    rule: Node

    @property
    def name(self) -> str:
        """Its dotted name."""
        return ".".join(map(field_path.escaped, self.path))


class Need(NamedTuple):
    """A row that sets a member of the object `when` has to set `what`, or a member of it; () means every row."""

    when: tuple[str, ...]
    what: tuple[str, ...]


@dataclass(slots=True)
class FieldReader:
    """Reads the fields of one body.

    `notes` collects, in sentences, what the document says and a target can't.
    """

    schemas: Schemas
    notes: list[str] = field(default_factory=list)
    needs: list[Need] = field(default_factory=list)
    """What rows have to set, although no one field is required of all of them."""
    examples: Schemas = field(init=False)

    def __post_init__(self) -> None:
        """Examples choose forms of their own."""
        self.examples = self.schemas.apart()

    def read(self, members: Mapping[str, Node], required: Collection[str]) -> list[Found]:
        """The fields among an object's members, which are plain schemas; those in objects inside it, too."""
        found: list[Found] = []
        for one in self._walk(members, required, (), frozenset()):
            if len(found) == MAX_FIELDS:
                self.notes.append(f"The document has more than {MAX_FIELDS:,} fields; the others are left out.")
                break
            found.append(one)
        return found

    def writable(self, schema: Node) -> dict[str, Node]:
        """An object's members, plain, without those that can only be read.

        Each has its schema as the document has it under `$raw`, and the references in that under `$from`.
        """
        members = {
            name: {**self.schemas.plain(one), "$raw": one, "$from": _references(one)}
            for name, one in properties_of(schema).items()
        }
        for name in sorted(required_of(schema) - set(members)):
            members[name] = {"$from": frozenset()}
        return {
            name: one
            for name, one in members.items()
            if one.get("readOnly") is not True and one.get("not") != {} and one.get("x-readonly") is not True
        }

    def _walk(
        self, members: Mapping[str, Node], required: Collection[str], above: tuple[str, ...], seen: frozenset[str]
    ) -> Iterator[Found]:
        for name, schema in members.items():
            path, references = (*above, name), schema.get("$from", frozenset())
            if not normalise_heading(name) or not _is_clean(name):
                self.notes.append(f"{quoted('.'.join(path))} can't be a column heading; it is left out.")
                continue
            inner = self.writable(schema) if schema.get("type") == "object" else {}
            if inner and len(path) <= MAX_NESTING and not references & seen:
                known = len(self.needs)
                inside = list(self._walk(inner, required_of(schema), path, seen | references))
                if name in required:
                    if not any(one.rule.get("required") for one in inside):
                        self.needs.append(Need((), path))
                    yield from inside
                    continue
                self.needs[known:] = [Need(one.when or path, one.what) for one in self.needs[known:]]
                self.needs += [Need(path, one.path) for one in inside if one.rule.get("required")]
                yield from (_conditional(one, path) for one in inside)
            else:
                yield Found(path, self.rule(schema, path, required=name in required))

    def rule(self, schema: Node, path: tuple[str, ...], *, required: bool = False) -> Node:
        """The rule of one field, as YAML has it."""
        made: Node = {"required": True} if required else {}
        kind = schema.get("type")
        if kind == "array":
            made |= self._list(schema, path)
        elif kind == "object":
            made |= {"type": "json", "json_type": "object"}
        else:
            made |= self._scalar(schema, path)
        if made.get("type") == "json" and (example := json_example(self.examples, schema.get("$raw", schema))):
            made["example"] = example
        if schema.get("nullable"):
            made["nullable"] = True
        if isinstance(description := schema.get("description"), str) and (text := clean(description, 160)):
            made["description"] = text
        return made

    def _list(self, schema: Node, path: tuple[str, ...]) -> Node:
        items = self.schemas.plain(schema.get("items"))
        if items.get("type") not in SCALARS or items.get("nullable"):
            return {"type": "json", "json_type": "array"}
        made: Node = {"type": "list"}
        if rule := self._scalar(items, (*path, "[]")):
            made["items"] = rule
        made |= {
            ours: schema[theirs]
            for ours, theirs, least in (("min_items", "minItems", 0), ("max_items", "maxItems", 1))
            if _is_whole(schema.get(theirs), least)
        }
        if made.get("min_items", 0) > made.get("max_items", made.get("min_items", 0)):
            del made["min_items"], made["max_items"]
        if made.get("min_items") == 0:
            del made["min_items"]
        return made

    def _scalar(self, schema: Node, path: tuple[str, ...]) -> Node:
        kind = schema.get("type")
        if kind in {"integer", "number"}:
            return {"type": kind} | self._bounds(schema, path, whole=kind == "integer")
        if kind == "boolean":
            return {"type": "boolean"}
        values = [schema["const"]] if "const" in schema else schema.get("enum")
        if isinstance(values, list) and values and all(isinstance(one, str) and _is_clean(one) for one in values):
            if len(values) <= MAX_VALUES:
                return {"enum": list(dict.fromkeys(values))}
            self.notes.append(f"{self._at(path)}: {len(values):,} possible values are left out.")
            return {}
        named = str(schema.get("format", "")).lower()
        if kind == "string" and named in _FORMATS:
            return {"type": _FORMATS[named]} | ({"timezone": "required"} if named == "date-time" else {})
        return self._text(schema, path, named) if kind == "string" else {}

    def _text(self, schema: Node, path: tuple[str, ...], named: str) -> Node:
        made: Node = {}
        low, high = schema.get("minLength"), schema.get("maxLength")
        if _is_whole(low, 1):
            made["min_length"] = low
        if _is_whole(high, 1):
            made["max_length"] = high
        if made.get("min_length", 0) > made.get("max_length", made.get("min_length", 0)):
            made = {}
        if isinstance(pattern := schema.get("pattern"), str) and pattern:
            made |= self._pattern(schema, path, pattern)
        elif named == "uuid":
            made["format"] = "uuid"
        elif named in {"uri", "url"}:
            made["format"] = "url"
        elif named == "email":
            made |= {"pattern": EMAIL, "example": FORMATS["email"]}
        return made

    def _pattern(self, schema: Node, path: tuple[str, ...], pattern: str) -> Node:
        if not _is_clean(pattern):
            return {}
        try:
            example = text_example(schema, pattern)
        except ValueError:
            self.notes.append(f"{self._at(path)}: the pattern {quoted(pattern)} can't be used, and is left out.")
            return {}
        return {"pattern": pattern} | ({"example": example} if example else {})

    def _bounds(self, schema: Node, path: tuple[str, ...], *, whole: bool) -> Node:
        made: Node = {}
        for ours, theirs, step in (("minimum", "exclusiveMinimum", 1), ("maximum", "exclusiveMaximum", -1)):
            bound, exclusive = schema.get(ours), schema.get(theirs)
            if is_number(exclusive):
                bound, exclusive = exclusive, True
            if not isinstance(bound, int | float) or not is_number(bound):
                continue
            if exclusive is True and not whole:
                self.notes.append(f"{self._at(path)}: {bound} itself is not allowed, which a target can't say.")
            made[ours] = int(bound) + (step if exclusive is True else 0) if whole else bound
        if made.get("minimum", 0) > made.get("maximum", made.get("minimum", 0)):
            return {}
        values = [schema["const"]] if "const" in schema else schema.get("enum")
        if isinstance(values, list) and 0 < len(values) <= MAX_VALUES and all(map(is_number, values)):
            if whole and all(isinstance(one, int) for one in values):
                return {"enum": [str(one) for one in dict.fromkeys(values)]}
            made = {"minimum": min(values), "maximum": max(values)}
            if len(values) > 1:
                self.notes.append(f"{self._at(path)}: one of {one_line(str(values), 80)}.")
        if schema.get("multipleOf") not in (None, 1):
            self.notes.append(f"{self._at(path)}: a multiple of {schema['multipleOf']}.")
        return made

    @staticmethod
    def _at(path: tuple[str, ...]) -> str:
        return ".".join(path)


def _conditional(one: Found, parent: tuple[str, ...]) -> Found:
    """A field that only a row that sets something of its object has to set."""
    if not one.rule.get("required"):
        return one
    rule = {name: value for name, value in one.rule.items() if name not in {"required", "description"}}
    needed = f"Needed in a row that sets another member of {'.'.join(parent)}. {one.rule.get('description', '')}"
    return Found(one.path, {**rule, "description": needed.strip()})


def named(fields: list[Found], taken: Collection[str]) -> dict[str, Node]:
    """The fields' rules by names that are different headings; a field that needs another name says where it is.

    Args:
        fields: of one body.
        taken: names that mean something else already.
    """
    made: dict[str, Node] = {}
    headings = {normalise_heading(name) for name in taken}
    for one in fields:
        name, rule = one.name, one.rule
        if field_path.INDEX.search(name) or normalise_heading(name) in headings or "" in one.path:
            base = " ".join(re.sub(r"[\[\]\\.]+", " ", " ".join(one.path)).split()) or "field"
            name = next(
                each
                for number in range(1, MAX_FIELDS * 2)
                if normalise_heading(each := base if number == 1 else f"{base} {number}") not in headings
            )
            rule = {"at": ".".join(_SPECIAL.sub(r"\\\g<0>", part) for part in one.path), **rule}
        headings.add(normalise_heading(name))
        made[name] = rule
    return made


def clean(text: str, length: int) -> str:
    """A document's text on one short line, without what YAML can't hold."""
    return one_line(text.encode("utf-8", "replace").decode(), length)


def _is_clean(text: str) -> bool:
    """Whether a text can stand in YAML and in a cell."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text) and (text.isprintable() or not text)


def _references(schema: object) -> frozenset[str]:
    """The references by which a member's schema is reached: where one comes again, it contains itself."""
    if not isinstance(schema, dict):
        return frozenset()
    parts: list[Any] = [schema]
    for keyword in ("allOf", "oneOf", "anyOf"):
        inner = schema.get(keyword)
        parts += inner if isinstance(inner, list) else []
    found = (part.get("$ref") for part in parts if isinstance(part, dict))
    return frozenset(reference for reference in found if isinstance(reference, str))


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
