"""How the records of an operation are read and listed, as far as the document shows it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from batchupdate.targets.openapi.access import encoded_path, fixed_value
from batchupdate.targets.openapi.operations import operation_at, reply_of
from batchupdate.targets.openapi.schema import properties_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from batchupdate.targets.openapi.document import Document, Node
    from batchupdate.targets.openapi.operations import Operation
    from batchupdate.targets.openapi.schema import Schemas

_PLAIN = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_CURSORS = {
    *("cursor", "after", "starting_after", "page_token", "pagetoken", "next_token", "nexttoken", "continuation_token"),
    *("continuationtoken", "marker", "next_cursor", "page[cursor]", "offset", "page_cursor"),
}
_NEXT_CURSOR = {
    *("next_cursor", "nextcursor", "next_page_token", "nextpagetoken", "next_token", "nexttoken", "next_marker"),
    *("continuation_token", "continuationtoken", "endcursor", "end_cursor", "after", "cursor"),
}
_NEXT_URL = {"next", "next_url", "next_page_url", "next_page_uri", "next_page"}
_SIZES = (
    "per_page",
    "page_size",
    "pagesize",
    "perpage",
    "limit",
    "count",
    "size",
    "max_results",
    "page[size]",
    "pagelen",
)
_OFFSETS = ("offset", "skip", "start", "start_at", "startat")


def _lookup(document: Document, operation: Operation | None) -> str | None:
    """The query that a GET needs, from what the document settles; None if it can't be sent like that."""
    if operation is None:
        return None
    pairs = []
    for one in operation.parameters:
        if one.get("required") is True and one.get("in") == "query":
            value = fixed_value({**document.resolve(one.get("schema")), **one})
            if value is None:
                return None
            pairs.append(f"{quote(one['name'], safe='')}={quote(value, safe='')}")
        elif one.get("required") is True and one.get("in") == "body":
            return None
    return "?" + "&".join(pairs) if pairs else ""


def read_schema(document: Document, operation: Operation) -> object:
    """The schema of the reply to a GET of the record, not resolved yet; None where there is none."""
    get = operation_at(document, "GET", operation.path)
    return reply_of(document, get)[0] if get else None


def read_of(
    document: Document, operation: Operation, schemas: Schemas, members: Sequence[str], names: Mapping[str, str]
) -> Node | None:
    """The declaration's `read`; None if the document shows no way to read the record.

    Args:
        document: to which the operation belongs.
        operation: that updates the record.
        schemas: of the document.
        members: the first members of the fields, by which the record is recognised in the reply.
        names: the target's names of the path's variables.
    """
    get = operation_at(document, "GET", operation.path)
    query = _lookup(document, get)
    if get is None or query is None:
        return None
    place, score = "@", 0
    for candidate, schema in _objects(schemas, reply_of(document, get)[0]):
        found = sum(1 for name in members if name in properties_of(schema))
        if found > score:
            place, score = candidate, found
    if not score:
        return None
    path = encoded_path(operation.path, names) + query
    read: Node = {"path": path} if query else {}
    return read | {"record": place}


def _objects(schemas: Schemas, schema: object) -> Iterator[tuple[str, Node]]:
    """The objects in a reply that could be the record: itself, and those inside it, two deep."""
    left: list[tuple[str, object, int]] = [("@", schema, 0)]
    while left:
        place, raw, depth = left.pop(0)
        node = schemas.plain(raw)
        if node.get("type") == "array" and depth:
            place, node = f"{place}[0]", schemas.plain(node.get("items"))
        yield place, node
        if depth < 2:  # noqa: PLR2004 - data.attributes
            left += [(joined(place, name), one, depth + 1) for name, one in [*properties_of(node).items()][:60]]


def joined(place: str, name: str) -> str:
    """A JMESPath to a member."""
    text = name if _PLAIN.fullmatch(name) else json.dumps(name, ensure_ascii=False)
    return text if place == "@" else f"{place}.{text}"


def list_of(
    document: Document,
    operation: Operation,
    schemas: Schemas,
    fields: Mapping[str, Sequence[str]],
    names: Mapping[str, str],
) -> tuple[Node | None, str]:
    """The declaration's `list`, and what to say of it; None if the document shows no way to list the records.

    Args:
        document: to which the operation belongs.
        operation: that updates a record.
        schemas: of the document.
        fields: the members that lead to each field, by the field's name.
        names: the target's names of the path's variables.
    """
    whole = operation.path.rstrip("/")
    path, _, last = whole.rpartition("/")
    if "{" in path or not last.startswith("{") or not path:
        return None, ""
    get = operation_at(document, "GET", path) or operation_at(document, "GET", f"{path}/")
    query = _lookup(document, get)
    if get is None or query is None:
        return None, ""
    variable = operation.variables[-1]
    schema, headers = reply_of(document, get)
    candidates = list(_lists(schemas, schema, variable, {way[0] for way in fields.values()}))
    if not candidates:
        return None, ""
    _, place, inside, id_name, record = max(candidates, key=lambda one: one[0])
    found: Node = {"path": encoded_path(get.path, names) + query, "records": place}
    if id_name not in {names[variable], "id"}:
        found["id"] = {names[variable]: joined("@", id_name)}
    known = {name: way for name, way in fields.items() if way[0] in properties_of(record)}
    if inside != "@":
        found["fields"] = {name: _path(inside, way) for name, way in known.items()}
    if absent := [name for name in fields if name not in known]:
        found["absent"] = absent
    pagination = _pagination(document, get, schemas, schema, headers)
    if pagination:
        found["pagination"] = pagination
        return found, "How the list is paged is a guess from its parameters; compare it with the API's reference."
    return found, "The document does not show how the list is paged; declare list.pagination if it is."


def _lists(
    schemas: Schemas, schema: object, variable: str, members: Collection[str]
) -> Iterator[tuple[int, str, str, str, Node]]:
    """The lists in a reply whose items have an id and some of the fields: how many, and where all that is."""
    for place, item in _arrays(schemas, schema):
        known = properties_of(item)
        id_name = next((name for name in (variable, "id", "uuid", "key", "sid") if name in known), None)
        for inside, record in _objects_in(schemas, item):
            if id_name and (score := sum(1 for name in members if name in properties_of(record))):
                yield score, place, inside, id_name, record


def _path(inside: str, way: Sequence[str]) -> str:
    for name in way:
        inside = joined(inside, name)
    return inside


def _arrays(schemas: Schemas, schema: object) -> Iterator[tuple[str, Node]]:
    """The arrays of objects in a reply, each with the schema of its items."""
    left: list[tuple[str, object, int]] = [("@", schema, 0)]
    while left:
        place, raw, depth = left.pop(0)
        node = schemas.plain(raw)
        if node.get("type") == "array":
            item = schemas.plain(node.get("items"))
            if properties_of(item):
                yield place, item
        elif depth < 2:  # noqa: PLR2004 - data.items
            left += [(joined(place, name), one, depth + 1) for name, one in [*properties_of(node).items()][:60]]


def _objects_in(schemas: Schemas, item: Node) -> Iterator[tuple[str, Node]]:
    yield "@", item
    for name in ("attributes", "fields", "properties", "data"):
        if name in properties_of(item):
            yield name, schemas.plain(properties_of(item)[name])


def _pagination(document: Document, get: Operation, schemas: Schemas, schema: object, headers: Node) -> Node | None:
    """The declaration's pagination, as the list's parameters and reply let guess."""
    if any(name.lower() == "link" for name in headers):
        return {"style": "link"}
    queries = {one["name"].lower(): one for one in get.parameters if one.get("in") == "query"}
    members = dict(_members(schemas, schema))
    cursor = next((parameter["name"] for name, parameter in queries.items() if name in _CURSORS), None)
    following = next((place for place, last in members.items() if last.lower() in _NEXT_CURSOR), None)
    if cursor and following:
        return {"style": "cursor", "parameter": cursor, "next": following}
    size = next((queries[name] for name in _SIZES if name in queries), None)
    sized = _size(document, size) if size else {}
    if page := queries.get("page") or queries.get("page_number") or queries.get("pagenumber"):
        return {"style": "page", "parameter": page["name"], **sized}
    offset = next((queries[name] for name in _OFFSETS if name in queries), None)
    if offset and size:
        return {"style": "offset", "parameter": offset["name"], **sized}
    url = next((place for place, last in members.items() if last.lower() in _NEXT_URL), None)
    return {"style": "next", "next": url} if url else None


def _members(schemas: Schemas, schema: object) -> Iterator[tuple[str, str]]:
    """The single values in a reply besides its records, three deep: each with its place and its name."""
    left: list[tuple[str, object, int]] = [("@", schema, 0)]
    while left:
        place, raw, depth = left.pop(0)
        for name, one in [*properties_of(schemas.plain(raw)).items()][:60]:
            node = schemas.plain(one)
            if node.get("type") == "object" and depth < 2:  # noqa: PLR2004 - paging.next.after
                left.append((joined(place, name), one, depth + 1))
            elif node.get("type") in {"string", "integer", None}:
                yield joined(place, name), name


def _size(document: Document, parameter: Node) -> Node:
    rule = {**document.resolve(parameter.get("schema")), **parameter}
    for name in ("maximum", "default"):
        if isinstance(value := rule.get(name), int) and not isinstance(value, bool) and 1 <= value <= 1000:  # noqa: PLR2004 - more is no page
            return {"size_parameter": parameter["name"], "size": value}
    return {}
