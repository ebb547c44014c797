"""What is read just before a change: the record that it starts from, and the version that it must still have.

A target's YAML declares the version under `precondition` (RFC 9110, section 13.1.1: with `If-Match`, an API refuses a
change with 412 if the record has changed since), and the record under `body.base`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from pydantic import ConfigDict, Field

from batchupdate.config.json_path import JsonPath, UnexpectedReplyError, search, text_of
from batchupdate.config.yaml_file import Strict
from batchupdate.targets.seen import Seen
from batchupdate.targets.value_types import HeaderName
from batchupdate.util import json as exact_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchupdate.model import Reply

LONGEST_VERSION = 1000
"""Characters; nothing that is longer is a version."""

NOTHING_SENT = "nothing was sent: "
"""So begins the error of a row that is not sent because its record is not as it was expected."""

_OF_HTTP = frozenset({"if-match", "if-unmodified-since"})
_OF_HEADERS = {"etag": "etag", "last_modified": "last-modified"}


class Precondition(Strict):
    """A header by which the API takes a change only if the record still has the version that was read.

    `from` is where the version is in the reply to a read: `etag` and `last_modified` are the headers of these names,
    anything else is a JMESPath expression for the record, such as `sys.version`.
    """

    model_config = ConfigDict(populate_by_name=True)  # a run's journal keeps it as `source`

    header: HeaderName = "If-Match"
    source: JsonPath = Field(alias="from")

    def version(self, reply: Reply, record: object) -> str:
        """The version that a record has.

        Raises:
            UnexpectedReplyError: the reply has none.
        """
        if self.source in _OF_HEADERS:
            found: Any = reply.headers.get(_OF_HEADERS[self.source])
        else:
            found = search(self.source, record, "precondition.from")
        if version := version_of(found):
            return version
        raise UnexpectedReplyError(f"the record has no version ({self.source}), so that a change can't be guarded")

    def headers(self, version: str) -> dict[str, str]:
        """The header that goes out with a change: the record must have this version, or must not be there without one.

        That is `If-Match` where the declaration says nothing else, and `If-None-Match: *` for a record that is to be
        made (RFC 9110, section 13.1.2).
        """
        return {self.header: version} if version else {"If-None-Match": "*"}

    @property
    def guards_new_records(self) -> bool:
        """Whether `If-None-Match: *` guards a record that is not there yet (RFC 9110, section 13.1.2)."""
        return self.header.lower() in _OF_HTTP

    @property
    def member(self) -> str:
        """Where the version is in a record (JMESPath); '' where it is in a header of the reply."""
        return "" if self.source in _OF_HEADERS else self.source


def version_of(found: object) -> str:
    """A version as the text of a header; '' for what can't be one."""
    text = text_of(found)
    return text if len(text) <= LONGEST_VERSION and text.isascii() and text.isprintable() else ""


class Pulled(NamedTuple):
    """What a record must still be when its row is sent: as it was when it was pulled, planned or changed by a run.

    Attributes:
        version: its version then; '' where it is not known.
        old: by name the old values of fields that the row sets, as `pull` has written them into cells.
        expected: by name what the sheet expects of fields, set by the row or not, as the user has typed it.
        matched: by name the fields by which the record was found, as `KeyField` has made texts of what the sheet says.
        held: the fields that the row sets, where a plan has left out those that were so already: they must still be so.
        seen: the fields as they were read then.
        by: who has seen it so: a `plan`, a run that compared its rows first (`diff`), the `read` just before the
            change, the `run` that is undone, or what a `look_up` starts from; '' for the sheet.
        lost: by name the fields that an undo can't restore with this row, and why.
    """

    version: str = ""
    old: Mapping[str, str] = {}
    expected: Mapping[str, str] = {}
    seen: Seen | None = None
    by: str = ""
    lost: Mapping[str, str] = {}
    matched: Mapping[str, str] = {}
    held: Sequence[str] = ()

    def __bool__(self) -> bool:
        return bool(self.version or self.old or self.expected or self.matched or self.seen)

    @property
    def said(self) -> tuple[str, ...]:
        """The fields that the sheet says the record has, set by the row or not."""
        return (*self.expected, *(name for name in self.matched if name not in self.expected))

    @property
    def gone(self) -> bool:
        """Whether there was no such record."""
        return self.seen is not None and self.seen.gone

    @property
    def versioned(self) -> bool:
        """Whether a header can say what the record must still be: a version, or not there."""
        return bool(self.version) or self.gone

    def to_json(self) -> str:
        """As the journal keeps it: without what is not known."""
        known = {name: value for name, value in self._asdict().items() if value}
        if self.seen:
            known["seen"] = self.seen.to_json()
        return json.dumps(known, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What `to_json` has written; nothing is known where there is no text."""
        if not text:
            return cls()
        known = json.loads(text)
        return cls(**{**known, "seen": Seen.from_json(known["seen"]) if "seen" in known else None})


class Current(NamedTuple):
    """A record as it was a moment ago: its JSON text ('' where nobody wants it), and its version ('' likewise).

    `refused` is what the API said when it did not take the version that was sent, so that the record is read once more.
    """

    record: str = ""
    version: str = ""
    refused: str = ""


def record_of(reply: Reply, record_path: str) -> dict[str, Any]:
    """The record in the reply to a read, with every digit.

    Args:
        reply: a success, with its body.
        record_path: where the record is in it (JMESPath).

    Raises:
        UnexpectedReplyError: it is not there.
    """
    try:
        record = search(record_path, exact_json.loads(reply.body.decode("utf-8")), "read.record")
    except (ValueError, RecursionError) as error:
        if isinstance(error, UnexpectedReplyError):
            raise
        raise UnexpectedReplyError("the reply to the read is not JSON") from error
    if not isinstance(record, dict):
        raise UnexpectedReplyError(f"the reply to the read has no record ({record_path})")
    return record


def current_of(reply: Reply, record_path: str, precondition: Precondition | None, *, wants_record: bool) -> Current:
    """What the reply to a read says of a record.

    Args:
        reply: a success, with its body.
        record_path: where the record is in it (JMESPath).
        precondition: where its version is, if that is wanted.
        wants_record: whether the record itself is.

    Raises:
        UnexpectedReplyError: it is not there.
    """
    if not wants_record and (precondition is None or not precondition.member):
        return Current(version=precondition.version(reply, None) if precondition else "")
    record = record_of(reply, record_path)
    text = exact_json.dumps(record) if wants_record else ""
    return Current(text, precondition.version(reply, record) if precondition else "")
