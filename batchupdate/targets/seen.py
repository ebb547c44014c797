"""A record as it was read: what is known of its fields, in a form that the journal keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

from batchupdate.util import json as exact_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Seen(NamedTuple):
    """What is known of a record's fields.

    Attributes:
        values: by name the fields that it has, as JSON values with every digit.
        absent: the fields that it is known not to have.
        version: its version for `precondition`; '' where that is not known.
        gone: whether there is no such record.
        undeclared: by the name of an object that the API replaces as a whole, what the record has in it beside the
            target's fields. It counts at the moment of the read, and the journal does not keep it.

    Of a field in neither of the first two nothing is known: the API takes it and does not return it.
    """

    values: Mapping[str, Any] = {}
    absent: tuple[str, ...] = ()
    version: str = ""
    gone: bool = False
    undeclared: Mapping[str, Sequence[str]] = {}

    def knows(self, name: str) -> bool:
        """Whether it is known what the record has in a field."""
        return name in self.values or name in self.absent

    def to_json(self) -> str:
        """As the journal keeps it: without what is empty."""
        kept: dict[str, Any] = {"values": self.values} if self.values else {}
        if self.absent:
            kept["absent"] = self.absent
        if self.version:
            kept["version"] = self.version
        if self.gone:
            kept["gone"] = True
        return exact_json.dumps(kept)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What `to_json` has written."""
        kept = exact_json.loads(text)
        return cls(kept.get("values", {}), tuple(kept.get("absent", ())), kept.get("version", ""), "gone" in kept)
