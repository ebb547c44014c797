"""SQLite 3.34, which older distributions have, is enough."""

from __future__ import annotations

from pathlib import Path

import pytest

import batchupdate

FOLDERS = ("journal", "validator", "util", "engine/matching")
"""Those with statements in them."""

NEWER = (
    "MATERIALIZED",  # from here to the next version: 3.35
    "RETURNING",
    "DROP COLUMN",
    "ON CONFLICT DO UPDATE",  # without naming what it conflicts with
    "STRICT",  # 3.37
    "->>",  # 3.38
    "'->",
    "-> '",
    "unixepoch",
    "auto'",  # a modifier of times
    "RIGHT JOIN",  # 3.39
    "RIGHT OUTER JOIN",
    "FULL JOIN",
    "FULL OUTER JOIN",
    "IS DISTINCT",
    "IS NOT DISTINCT",
    "json_error_position",  # 3.42
    "subsec",
    "octet_length",  # 3.43
    "timediff",
    "concat_ws",  # 3.44
    "string_agg",
    "jsonb",  # 3.45
    "json_pretty",  # 3.46
)


def files() -> list[Path]:
    package = Path(batchupdate.__file__).parent
    found = [file for folder in FOLDERS for file in (package / folder).rglob("*") if file.suffix in {".py", ".sql"}]
    assert {"schema.sql", "queries.py", "duplicates.py", "record_index.py"} <= {file.name for file in found}
    return found


@pytest.mark.parametrize("newer", NEWER)
def test_sqlite_is_asked_for_nothing_newer_than_3_34(newer: str) -> None:
    assert [file.name for file in files() if newer in " ".join(file.read_text("utf-8").split())] == []
