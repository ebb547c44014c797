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

BATCH_MOST = 100
_METHODS: Mapping[str, Sequence[str]] = {"all": ("GET",), "batch": ("POST",), "one": ("GET", "PATCH")}
_WRONG = "name must be a text, labels a list, and address an object or null"
_TYPES: Mapping[str, tuple[type, ...]] = {"name": (str,), "labels": (list,), "address": (dict, type(None))}


class Contacts:
    """Contacts with a name, labels and an address.

    `POST /contacts/batch` changes up to 100 at once: unless one of the changes is impossible, for then none is made.
    An id that is not there is an error of its own.

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
        if path == f"{self._root}/batch":
            return Place("batch")
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
        allowed = _METHODS[place.what]
        if call.method not in allowed:
            return replace(self.error(405), headers={"Allow": ", ".join(allowed)})
        match place.what:
            case "batch":
                return self._change_all(call.body)
            case "all":
                return Answer(200, to_json({"contacts": list(map(_shown, self.records.values()))}))
            case _:
                return self._one(call, place)

    def _one(self, call: Call, place: Place) -> Answer:
        record = self.find(place.id)
        if record is None:
            return self.error(404)
        if call.method == "GET":
            return Answer(200, to_json(_shown(record)))
        fields = _fields(_parsed(call.body))
        if fields is None:
            return self.error(400, _WRONG)
        return Answer(200, to_json(_shown(self._set(record, fields))), written=fields, id=record.id)

    def _set(self, record: ContactRecord, fields: Mapping[str, Any]) -> ContactRecord:
        changed = self.records[record.id] = replace(record, fields={**record.fields, **fields})
        return changed

    def _change_all(self, body: bytes) -> Answer:
        sent = _parsed(body)
        contacts = sent.get("contacts") if isinstance(sent, dict) else None
        if not isinstance(contacts, list) or not all(isinstance(one, dict) for one in contacts):
            return self.error(400, "contacts must be a list of objects")
        if len(contacts) > BATCH_MOST:
            return self.error(413, f"a batch has {BATCH_MOST} contacts at most")
        wanted = [_fields(one) for one in contacts]
        if None in wanted:
            return self.error(400, f"contacts[{wanted.index(None)}]: {_WRONG}")
        results, changes = [], []
        for one, fields in zip(contacts, wanted, strict=True):
            record = self.find(str(one.get("id")))
            if record is None or fields is None:
                results.append({"id": one.get("id"), "status": 404, "error": self._usual[404]})
            else:
                results.append({"status": 200, **_shown(self._set(record, fields))})
                changes.append((record.id, fields))
        results.reverse()  # in no order that anybody may count on
        status = 200 if len(changes) == len(contacts) else 207
        return Answer(status, to_json({"results": results}), batch=changes)


def _parsed(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _fields(sent: object) -> dict[str, Any] | None:
    """The fields that a body sets; None for one that is refused. Unknown ones are ignored."""
    if not isinstance(sent, dict):
        return None
    fields = {name: sent[name] for name in _TYPES if name in sent}
    return fields if all(isinstance(value, _TYPES[name]) for name, value in fields.items()) else None


def _shown(record: ContactRecord) -> dict[str, Any]:
    return {"id": record.id, **record.fields}
