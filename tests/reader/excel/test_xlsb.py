from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

from workbooks import xlsb

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


def test_an_error_in_an_xlsb_refuses_it_and_all_else_of_it_is_read(
    read: Callable[..., Any], refused: Callable[..., str]
) -> None:
    rows = [["id", "name", "done"], ["007", 1.5, True]]
    got = read(xlsb(rows), "a.xlsb")
    assert (got.table.format, got.sheet, got.cells) == ("xlsb", "changes", [("007", "1.5", "TRUE")])
    assert "holds an error such as #N/A in B3" in refused(xlsb([*rows, ["008", None]]), "a.xlsb")


def test_an_xlsb_too_large_to_be_looked_through_is_damaged(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batchupdate.reader.excel.xlsb.MAX_PART_BYTES", 1)
    assert "larger than 1 bytes" in refused(xlsb([["id"], ["1"]]), "a.xlsb")


def test_an_error_behind_a_long_record_is_found_and_a_part_that_breaks_off_is_damage(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batchupdate.reader.excel.xlsb.survives_workbook", lambda *_args: True)
    row = b"\x00\x11" + (16).to_bytes(4, "little") + bytes(13)
    error = b"\x03\x09" + (2).to_bytes(4, "little") + bytes(4) + b"\x2a"
    long = b"\x91\x01\x80\x01" + bytes(128)
    for sheet, sentence in ((long + row + error, "such as #N/A in C17"), (long + b"\x80", "a sheet breaks off")):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("xl/workbook.bin", b"")
            archive.writestr("xl/worksheets/sheet1.bin", sheet)
        assert sentence in refused(out.getvalue(), "a.xlsb")
