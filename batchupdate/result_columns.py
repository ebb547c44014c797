"""The columns that our reports add to the input's own. The reporter writes them, the reader knows them again."""

from __future__ import annotations

ID_COLUMN = "_id"
RESULT_COLUMNS = (
    "_row",
    ID_COLUMN,
    "_outcome",
    "_http_status",
    "_attempts",
    "_error",
    "_request_id",
    "_finished_at",
    "_duration_ms",
)

FILE = "_file"
"""In the reports of several files, what a row's file is called; it stands directly before its number there."""

EXTRA = "_extra_"
"""Cells that stood beyond the heading row come into columns with this prefix and a number from 1."""
