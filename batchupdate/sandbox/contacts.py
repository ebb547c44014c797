"""An API of nobody's that replaces nested objects, to rehearse what such an API does to a record.

A PATCH merges the members of a contact, but a member that is an object or an array is replaced as a whole: whatever of
`address` is not sent is gone afterwards.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from batchupdate.sandbox.apis import Answer, Place, to_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from batchupdate.sandbox.apis import Call
    from batchupdate.sandbox.records import ContactRecord

_TYPES: Mapping[str, tuple[type, ...]] = {"name": (str,), "labels": (list,), "address": (dict, type(None))}


class Contacts:
    """Contacts with a name, labels and an address.

    Args:
        records: what it holds.
    """

    name = "contacts"
    key_prefix = "ct_"
    _root = "/contacts"
    _usual: Mapping[int, str] = {
        401: "invalid or missing API key",
        404: "contact not found",
        405: "method not allowed",
        413: "request body too large",
        429: "rate limit exceeded",
        500: "internal server error",
        503: "service unavailable",
    }

    def __init__(self, records: Sequence[ContactRecord]) -> None:
        self.records = {record.id: record for record in records}

    def place(self, path: str) -> Place | None:
        """What a path names: all contacts, or one."""
        if path == self._root:
            return Place("all")
        rest = path.removeprefix(f"{self._root}/")
        return None if rest == path or "/" in rest else Place("one", unquote(rest))

    def find(self, record_id: str) -> ContactRecord | None:
        """The record with this id."""
        return self.records.get(record_id)

    def error(self, status: int, message: str = "") -> Answer:
        """`{"error": …}`, always a text."""
        return Answer(status, to_json({"error": message or self._usual[status]}))

    def answer(self, call: Call, place: Place, now: datetime) -> Answer:  # noqa: ARG002 - Nairi needs the time
        """Lists, reads or changes."""
        if call.method not in ({"GET"} if place.what == "all" else {"GET", "PATCH"}):
            return replace(self.error(405), headers={"Allow": "GET" if place.what == "all" else "GET, PATCH"})
        if place.what == "all":
            return Answer(200, to_json({"contacts": list(map(_shown, self.records.values()))}))
        record = self.find(place.id)
        if record is None:
            return self.error(404)
        if call.method == "GET":
            return Answer(200, to_json(_shown(record)))
        fields = _fields(call.body)
        if fields is None:
            return self.error(400, "name must be a text, labels a list, and address an object or null")
        record = replace(record, fields={**record.fields, **fields})
        self.records[record.id] = record
        return Answer(200, to_json(_shown(record)), written=fields, id=record.id)


def _fields(body: bytes) -> dict[str, Any] | None:
    """The fields that a body sets; None for one that is refused. Unknown ones are ignored."""
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(sent, dict):
        return None
    fields = {name: sent[name] for name in _TYPES if name in sent}
    return fields if all(isinstance(value, _TYPES[name]) for name, value in fields.items()) else None


def _shown(record: ContactRecord) -> dict[str, Any]:
    return {"id": record.id, **record.fields}
