"""An API of nobody's that replaces nested objects, to rehearse what such an API does to a record.

A PATCH merges the members of a contact, but a member that is an object or an array is replaced as a whole: whatever of
`address` is not sent is gone afterwards.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

from batchupdate.sandbox.apis import Answer, Place, to_json
from batchupdate.sandbox.records import ContactRecord

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from batchupdate.sandbox.apis import Call

BATCH_MOST = 100
_METHODS: Mapping[str, Sequence[str]] = {"all": ("GET",), "batch": ("POST",), "one": ("GET", "PATCH", "PUT")}
_WRONG = "name and note must be texts, labels a list, and address an object or null"
_TYPES: Mapping[str, tuple[type, ...]] = {
    "name": (str,),
    "labels": (list,),
    "address": (dict, type(None)),
    "note": (str,),
}


class Contacts:
    """Contacts with a name, labels and an address.

    `POST /contacts/batch` changes up to 100 at once: unless one of the changes is impossible, for then none is made.
    An id that is not there is an error of its own. `GET /contacts?limit=50&after=c12` is a page of the list. A
    contact's `note` can be written, and no reply shows it. A PUT replaces a contact, and makes one that is not there.

    Args:
        records: what it holds.
        versions: whether replies show a contact's `version` and its `ETag`; then `If-Match` and `If-None-Match` count.
    """

    name = "contacts"
    key_prefix = "ct_"
    _root = "/contacts"
    _usual: Mapping[int, str] = {
        401: "invalid or missing API key",
        404: "contact not found",
        412: "the contact has changed",
        405: "method not allowed",
        413: "request body too large",
        429: "rate limit exceeded",
        500: "internal server error",
        503: "service unavailable",
    }

    def __init__(self, records: Sequence[ContactRecord], *, versions: bool = False) -> None:
        self.records = {record.id: record for record in records}
        self._versions = versions

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
                return self._list(parse_qs(call.query))
            case _:
                return self._one(call, place)

    def _one(self, call: Call, place: Place) -> Answer:
        record = self.find(place.id)
        if record is None and call.method != "PUT":
            return self.error(404)
        if record is not None and call.method == "GET":
            return self._reply(record)
        fields = _fields(_parsed(call.body))
        if fields is None:
            return self.error(400, _WRONG)
        if self._versions and not _as_expected(call, record):
            return self.error(412)
        changed = (
            self._put(place.id, record, fields) if call.method == "PUT" or not record else self.change(record, fields)
        )
        status = 200 if record else 201
        return replace(self._reply(changed), status=status, written=fields, id=changed.id)

    def _put(self, record_id: str, record: ContactRecord | None, fields: Mapping[str, Any]) -> ContactRecord:
        """Sets all of a contact, which need not be there; what it is then."""
        blank = ContactRecord(record_id, {"name": "", "labels": [], "address": None}, record.version if record else 0)
        return self.change(blank, fields)

    def change(self, record: ContactRecord, fields: Mapping[str, Any]) -> ContactRecord:
        """Sets some fields of a contact; what it is then."""
        shown = {name: value for name, value in fields.items() if name != "note"}
        changed = self.records[record.id] = replace(
            record,
            fields={**record.fields, **shown},
            version=record.version + 1,
            note=str(fields.get("note", record.note)),
        )
        return changed

    def _list(self, query: Mapping[str, Sequence[str]]) -> Answer:
        """All contacts, or a page of them: those after an id, with the `next` one's beginning."""
        records = list(self.records.values())
        limit, after = query.get("limit", [""])[0], query.get("after", [""])[0]
        if not limit:
            return Answer(200, to_json({"contacts": [*map(self._shown, records)]}))
        if not limit.isdecimal() or not int(limit) or (after and after not in self.records):
            return self.error(400, "limit must be a number from 1 on, and after a contact's id")
        start = [*self.records].index(after) + 1 if after else 0
        page = records[start : start + int(limit)]
        more = page[-1].id if start + len(page) < len(records) else None
        return Answer(200, to_json({"contacts": [*map(self._shown, page)], "next": more, "total": len(records)}))

    def _reply(self, record: ContactRecord) -> Answer:
        return Answer(200, to_json(self._shown(record)), {"ETag": _etag(record)} if self._versions else {})

    def _shown(self, record: ContactRecord) -> dict[str, Any]:
        version = {"version": record.version} if self._versions else {}
        return {"id": record.id, **record.fields, **version}

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
                results.append({"status": 200, **self._shown(self.change(record, fields))})
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


def _as_expected(call: Call, record: ContactRecord | None) -> bool:
    """Whether a contact is what the headers of a change say that it is (RFC 9110, section 13.1)."""
    if call.if_none_match == "*" and record is not None:
        return False
    return not call.if_match or (record is not None and call.if_match in {"*", _etag(record)})


def _etag(record: ContactRecord) -> str:
    return f'"{record.id}-{record.version}"'
