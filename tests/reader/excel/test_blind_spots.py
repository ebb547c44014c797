from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from workbooks import ods, xlsb

from batchupdate.reader.excel import blind_spots

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TRUE_CELL = b"\x05\x02\x08\x00"


def test_an_error_in_an_xls_refuses_it_with_its_address(
    refused: Callable[..., str], read: Callable[..., Any], data: Path
) -> None:
    content = (data / "changes.xls").read_bytes()
    assert read(content, "a.xls").cells[1] == ("NA", "TRUE", "2026-11-21")
    at = content.index(TRUE_CELL) + 10
    broken = content[:at] + b"\x2a\x01" + content[at + 2 :]
    text = refused(broken, "a.xls")
    assert "holds an error such as #N/A in D6" in text or "holds an error such as #N/A in C6" in text
    assert "save the workbook as .xlsx" in text


def test_a_formula_with_an_error_in_an_xls_is_found(tmp_path: Path) -> None:
    record = b"\x06\x00\x1b\x00" + b"\x10\x00\x02\x00\x0f\x00" + b"\x02\x00\x2a\x00\x00\x00\xff\xff" + bytes(10)
    path = tmp_path / "a.xls"
    path.write_bytes(b"x" * 100 + record)
    assert blind_spots._in_xls(path) == "C17"
    path.write_bytes(b"x" * 100 + record.replace(b"\x02\x00\x2a", b"\x01\x00\x01"))
    assert blind_spots._in_xls(path) is None


def test_an_error_in_an_xlsb_is_found_with_its_address(tmp_path: Path) -> None:
    row = b"\x00\x11" + (16).to_bytes(4, "little") + bytes(13)
    text = b"\x07\x0c" + (1).to_bytes(4, "little") + bytes(8)
    error = b"\x03\x09" + (2).to_bytes(4, "little") + bytes(4) + b"\x2a"
    long = b"\x91\x01\x80\x01" + bytes(128)
    assert blind_spots.first_error(long + row + text + error) == "C17"
    assert blind_spots.first_error(long + row + text) is None
    with pytest.raises(ValueError, match="breaks off"):
        blind_spots.first_error(long + b"\x80")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("xl/worksheets/sheet1.bin", row + error)
    path = tmp_path / "a.xlsb"
    path.write_bytes(out.getvalue())
    assert blind_spots._in_xlsb(path) == "C17"


def test_an_error_in_an_xlsb_refuses_it_and_all_else_of_it_is_read(
    read: Callable[..., Any], refused: Callable[..., str]
) -> None:
    rows = [["id", "name", "done"], ["007", 1.5, True]]
    got = read(xlsb(rows), "a.xlsb")
    assert (got.table.format, got.sheet, got.cells) == ("xlsb", "changes", [("007", "1.5", "TRUE")])
    assert "holds an error such as #N/A in B3" in refused(xlsb([*rows, ["008", None]]), "a.xlsb")


@pytest.mark.slow
def test_a_large_ods_that_is_packed_very_small_is_not_taken_for_a_damaged_one(read: Callable[..., Any]) -> None:
    rows = [["id", "name", "note"], *[["1", "Integration", "always the same"]] * 100_000]
    assert len(read(ods(rows), "a.ods").rows) == 100_000


def test_an_xlsb_too_large_to_be_looked_through_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blind_spots, "MAX_PART_BYTES", 1)
    path = tmp_path / "a.xlsb"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/worksheets/sheet1.bin", bytes(4))
    with pytest.raises(ValueError, match="larger than"):
        blind_spots.refuse_errors(path, "xlsb", "a.xlsb")


def test_typed_cells_of_an_ods_become_the_texts_that_the_guide_says(read: Callable[..., Any]) -> None:
    cells = [
        ('"float" office:value="123"', "123"),
        ('"percentage" office:value="0.5"', "0.5"),
        ('"currency" office:value="12.5" office:currency="EUR"', "12.5"),
        ('"boolean" office:boolean-value="true"', "TRUE"),
        ('"date" office:date-value="2026-11-21"', "2026-11-21"),
        ('"date" office:date-value="2026-11-21T18:45:00"', "2026-11-21T18:45:00"),
        ('"time" office:time-value="PT18H45M00S"', "18:45:00"),
        ('"time" office:time-value="PT30H00M01.500000000S"', "30:00:01.5"),
    ]
    row = "".join(f"<table:table-cell office:value-type={cell}/>" for cell, _ in cells)
    got = read(ods([[f"h{n}" for n in range(len(cells))]], f"<table:table-row>{row}</table:table-row>"), "a.ods")
    assert got.cells == [tuple(text for _, text in cells)]
    assert got.table.format == "ods"
