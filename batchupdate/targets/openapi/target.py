"""Writes an operation as a target: the YAML, with a comment where each part came from, and what to look at by hand."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from batchupdate.config.yaml_file import parse
from batchupdate.errors import UsageError
from batchupdate.spreadsheet.headers import normalise_heading
from batchupdate.targets.openapi.access import (
    Access,
    add_parameters,
    add_server,
    encoded_path,
    servers_of,
)
from batchupdate.targets.openapi.body import Undeclarable, shape_of
from batchupdate.targets.openapi.fields import FieldReader, Found, clean, named
from batchupdate.targets.openapi.parameters import text_rule
from batchupdate.targets.openapi.picking import picked_of, rules_of
from batchupdate.targets.openapi.reading import list_of, read_of, read_schema
from batchupdate.targets.openapi.schema import Schemas
from batchupdate.targets.openapi.security import add_auth
from batchupdate.targets.target import Target
from batchupdate.util.text import listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchupdate.targets.openapi.document import Document, Node
    from batchupdate.targets.openapi.operations import Operation


class Choices(NamedTuple):
    """What the user chose. `server` counts from 1; `fields` are names or the objects that hold them, empty for all."""

    server: int | None = None
    variant: str = ""
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """A target that was made of an operation.

    `notes` say what the document leaves open, or has and a target can't say. `left_out` are the names of fields.
    """

    target: Target
    yaml: str
    notes: tuple[str, ...]
    left_out: tuple[str, ...]


@dataclass(slots=True)
class _Parts:
    """The declaration, section by section, each with the comment before it."""

    sections: dict[str, Any] = field(default_factory=dict)
    comments: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, value: object, comment: str = "") -> None:
        if value not in (None, {}, [], ""):
            self.sections[name] = value
            self.comments[name] = comment


def draft_target(document: Document, operation: Operation, choices: Choices | None = None) -> Draft:
    """Makes a target of an operation.

    Raises:
        ConfigError: it can't be declared, with the reason.
        UsageError: it has no such server, variant or field.
    """
    choices = choices or Choices()
    ids = _id_names(operation)
    broken_before = set(document.broken)
    schemas = Schemas(document, choices.variant)
    reader = FieldReader(schemas)
    record = read_schema(document, operation)
    shape = shape_of(operation, reader, ids, record, inside_maps=bool(choices.fields))
    notes = reader.notes + _about_variants(schemas, choices)
    picked, left_out = picked_of(reader, shape, choices.fields)
    if not picked:
        raise Undeclarable("The document names no members of its body; name them with --fields.")
    fields, ids = _apart(picked, ids)
    if ids != _id_names(operation):  # the template has the ids' names, too
        shape.body = _renamed(shape.body, dict(zip(_id_names(operation).values(), ids.values(), strict=True)))
    access = Access()
    taken = {*ids.values(), *fields}
    add_server(access, servers_of(document, operation), choices.server, taken)
    add_auth(access, document, operation)
    add_parameters(access, document, operation, taken)
    parts = _parts(document, operation, ids, access)
    pointer = f"paths.{operation.path}.{operation.method.lower()}"
    parts.add("fields", fields, f"From the body of {pointer}.")
    if rules := rules_of(reader, picked, list(fields)):
        parts.add("rules", rules, "What rows have to set beyond the fields that are required.")
    parts.add("body", shape.body, "What stands around the fields, or how the body is written.")
    ways = {name: one.path for name, one in zip(fields, picked, strict=True)}
    prefix = access.prefix
    firsts = list(dict.fromkeys(way[0] for way in ways.values()))
    read = read_of(document, operation, schemas, firsts, ids)
    if read is not None:
        parts.add("read", _prefixed(read, prefix), f"From paths.{operation.path}.get.")
    if access.guard and read is not None:
        comment = "The document requires this header; the version is guessed to be the ETag of the record."
        parts.add("precondition", {"header": access.guard, "from": "etag"}, comment)
    elif access.guard:
        notes.append(f"The API wants the record's version in {access.guard}, and the document shows no way to read it.")
    listing, about = list_of(document, operation, schemas, ways, ids)
    if listing is not None:
        parts.add("list", _prefixed(listing, prefix), f"A GET of the path above. {about}")
    if operation.method == "PUT":
        if read is not None:
            notes.append("If this PUT replaces the whole record, declare 'base: read' under body; see docs/targets.md.")
        parts.add("repeatable", value=True, comment="A PUT may be sent again (RFC 9110, section 9.2.2).")
    notes += access.notes
    notes += [
        f"The reference {name} is broken: {why}." for name, why in document.broken.items() if name not in broken_before
    ]
    text = _written(document, operation, parts, notes, left_out)
    target = parse(text.encode(), Target, "target", f"the target of {operation.name}")
    return Draft(target, text, tuple(dict.fromkeys(notes)), tuple(left_out))


def _id_names(operation: Operation) -> dict[str, str]:
    """The target's names of the path's variables: letters, digits and underscores."""
    made: dict[str, str] = {}
    for variable in operation.variables:
        if variable in made:
            raise Undeclarable(f"Its path has {{{variable}}} twice.")
        name = re.sub(r"\W+", "_", variable, flags=re.ASCII).strip("_") or "id"
        while name in made.values() or name == "fields":
            name += "_"
        made[variable] = name
    return made


def _apart(picked: Sequence[Found], ids: dict[str, str]) -> tuple[dict[str, Node], dict[str, str]]:
    """Names for fields and ids that are different headings: an id gives way, for its name is not sent."""
    headings = {normalise_heading(one.name) for one in picked}
    moved = {
        variable: f"{name}_in_path" if normalise_heading(name) in headings else name for variable, name in ids.items()
    }
    return named(list(picked), moved.values()), moved


def _renamed(body: Any, names: Mapping[str, str]) -> Any:  # noqa: ANN401 - JSON is anything
    if isinstance(body, str):
        return next((f"{{{new}}}" for old, new in names.items() if body == f"{{{old}}}"), body)
    if isinstance(body, list):
        return [_renamed(one, names) for one in body]
    if isinstance(body, dict):
        return {name: _renamed(one, names) for name, one in body.items()}
    return body


def _about_variants(schemas: Schemas, choices: Choices) -> list[str]:
    names = schemas.variants
    wanted = choices.variant
    if wanted and wanted not in names and not (wanted.isdecimal() and 1 <= int(wanted) <= len(names)):
        known = f"It has: {', '.join(names)}." if names else "Its body has one form alone."
        raise UsageError(f"The operation has no variant {wanted!r}.", known)
    if not names:
        return []
    return [f"The body has {len(names)} forms, of which one is declared (--variant): {clean(', '.join(names), 300)}."]


def _parts(document: Document, operation: Operation, ids: Mapping[str, str], access: Access) -> _Parts:
    parts = _Parts()
    info = document.resolve(document.root.get("info"))
    maker = clean(str(info.get("title") or "API"), 60)
    what = operation.summary or operation.operation_id or operation.name
    parts.add("name", _slug(maker, operation))
    parts.add("title", clean(f"{maker}: {what}", 160))
    docs = document.resolve(operation.node.get("externalDocs") or document.root.get("externalDocs")).get("url")
    if isinstance(docs, str) and docs.startswith("http"):
        parts.add("docs", clean(docs, 300))
    parts.add("base_url", access.base_url, "From servers." if access.base_url else "")
    parts.add("method", operation.method)
    path = access.prefix + encoded_path(operation.path, ids)
    query = "&".join(access.query)
    parts.add("path", path + ("&" if "?" in path else "?") * bool(query) + query)
    parts.add(
        "variables", access.variables, "The same in every request: --var NAME=VALUE, the config, or the environment."
    )
    parts.add("auth", access.auth, "From security.")
    parts.add("headers", access.headers, "Required by the document.")
    parts.add(
        "id", {ids[name]: _id_rule(document, operation, name) for name in operation.variables}, "Columns of the sheet."
    )
    if access.idempotency:
        parts.add("idempotency", {"header": access.idempotency})
    return parts


def _id_rule(document: Document, operation: Operation, name: str) -> Node:
    parameter = operation.parameter("path", name)
    about = {key: one for key, one in parameter.items() if key not in {"schema", "required", "in"}}
    schema = {**Schemas(document).plain(parameter.get("schema") or about), **about}
    rule: Node = {"format": "uuid"} if schema.get("format") == "uuid" else text_rule(schema)
    if isinstance(length := schema.get("maxLength"), int) and length >= 1:
        rule["max_length"] = length
    if text := clean(str(schema.get("description") or ""), 160):
        rule["description"] = text
    return rule


def _slug(maker: str, operation: Operation) -> str:
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1-\2", f"{maker} {operation.operation_id or operation.name}")
    slug = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")
    return slug[:64].strip("-") or "target"


def _prefixed(section: Node, prefix: str) -> Node:
    return {**section, "path": prefix + section["path"]} if prefix and "path" in section else section


# ---- writing ----


class _Dumper(yaml.SafeDumper):
    """Without aliases, which a target can't have."""

    def ignore_aliases(self, data: object) -> bool:
        del data
        return True


def _written(
    document: Document, operation: Operation, parts: _Parts, notes: Sequence[str], left_out: Sequence[str]
) -> str:
    head = [f"Made by 'batchupdate targets from-openapi' of {document.path.name}: {operation.name}."]
    head += [f"Look at: {note}" for note in dict.fromkeys(notes)]
    if left_out:
        head.append(f"Left out (choose with --fields): {', '.join(left_out)}")
    lines = [_comment(text) for text in head]
    for name, value in parts.sections.items():
        if comment := parts.comments[name]:
            lines += ["\n" + _comment(comment).rstrip("\n")]
        if name in {"fields", "id", "variables"}:
            lines.append(f"{name}:")
            lines += [_indented(_dumped(one, rule)) for one, rule in value.items()]
        else:
            lines.append(_dumped(name, value))
    text = "\n".join(line.rstrip("\n") for line in lines) + "\n"
    if len(text.encode()) > 1_000_000:  # noqa: PLR2004 - what a target's file may have
        raise Undeclarable("Its target would be larger than 1 MB; choose some fields with --fields.")
    return text


def _dumped(name: str, value: object) -> str:
    """One entry; what holds only single values stands on one line, in braces."""
    flow = None if isinstance(value, dict | list) else False
    text = yaml.dump(
        {name: value}, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110, default_flow_style=flow
    )
    if isinstance(value, dict) and text.startswith(f"{name}: {{") and "\n" in text.rstrip("\n"):
        return f"{name}:\n" + "\n".join(_indented(_dumped(one, inner)) for one, inner in value.items())
    return text


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" if line else line for line in text.rstrip("\n").split("\n"))


def _comment(text: str) -> str:
    lines = textwrap.wrap(clean(text, 2000), 110, break_long_words=False, break_on_hyphens=False)
    return "\n".join(f"# {line}" if number == 0 else f"#   {line}" for number, line in enumerate(lines))


def about_left_out(names: Sequence[str]) -> str:
    """A sentence about the fields that were left out; '' where there are none."""
    if not names:
        return ""
    return f"Left out are {len(names):,} fields, such as {listed(list(names[:5]))}; choose with --fields a,b,c."
