"""How the columns of `undo.csv` are read, and those of an undo's reports: by the names that this program gave them.

What a config says of the input's columns does not hold for them. Their headings are the target's own names, and their
cells values that records had, so no transform, constant or condition of the input may change what is restored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.spreadsheet.headers import normalise_heading
from batchupdate.spreadsheet.reserved_columns import OLD_EMPTY, OLD_NULL, UNDO_OF

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchupdate.config import Input
    from batchupdate.targets import Target


def is_undo(columns: Sequence[str]) -> bool:
    """Whether these are the columns of a file with old values."""
    return UNDO_OF in columns


def options_for(columns: Sequence[str], target: Target, options: Input) -> Input:
    """The options for a file; for one with old values, only what is said of columns that somebody has added to it."""
    if not is_undo(columns):
        return options
    own = {normalise_heading(name) for name in (*target.id, *target.fields)}
    added = {normalise_heading(heading) for heading in columns} - own
    kept = {heading: one for heading, one in options.columns.items() if normalise_heading(heading) in added}
    plain = {"constants": {}, "computed": {}, "when": {}, "match": {}, "decimal": "."}
    return options.model_copy(update={**plain, "columns": kept, "null_marker": OLD_NULL, "empty_marker": OLD_EMPTY})
