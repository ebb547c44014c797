"""What became of rows in one run and in another."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from batchupdate.journal import Journal
from batchupdate.journal.differences import differences
from batchupdate.model import files_of, labels_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchupdate.journal.differences import Difference
    from batchupdate.model import RowLabels
    from batchupdate.runs.folder import RunFolder


@dataclass(slots=True)
class RunDiff:
    """The rows of two runs that differ; `counts` says how, once all were passed by.

    `counts` has the rows only in one of them (`only_in_first`, `only_in_second`), those that differ in their outcome
    (`outcome`) and those that differ in what they set alone (`fields`).
    """

    one: RunFolder
    other: RunFolder
    one_labels: RowLabels
    other_labels: RowLabels
    counts: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, one: RunFolder, other: RunFolder) -> RunDiff:
        """Of these runs.

        Raises:
            ConfigError: one can't be read.
        """
        return cls(one, other, _labels(one), _labels(other))

    def rows(self) -> Iterator[Difference]:
        """The rows that differ, counted as they pass by; streamed from the journals."""
        self.counts.clear()
        for found in differences(self.one.journal, self.other.journal):
            self.counts[kind_of(found)] += 1
            yield found

    def to_json(self, found: Difference) -> dict[str, Any]:
        """One row for programs."""
        one, other = found.one_row, found.other_row
        return {
            "id": found.record_id,
            "kind": kind_of(found),
            "rows": [
                None if one is None else self.one_labels.label(one),
                None if other is None else self.other_labels.label(other),
            ],
            "outcomes": [found.one_outcome, found.other_outcome],
            "errors": [found.one_error, found.other_error],
            "fields": {name: list(values) for name, values in found.fields.items()},
        }


def kind_of(found: Difference) -> str:
    """How a row differs."""
    if found.other_row is None:
        return "only_in_first"
    if found.one_row is None:
        return "only_in_second"
    return "outcome" if found.one_outcome != found.other_outcome else "fields"


def _labels(folder: RunFolder) -> RowLabels:
    with Journal.open(folder.journal) as journal:
        return labels_of(files_of(journal.meta().get("input")))
