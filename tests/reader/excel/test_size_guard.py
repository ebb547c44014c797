from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

import pytest
from workbooks import book, with_sheet

from batchupdate.reader.excel import size_guard

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


TABLE = [["id", "name"], ["007", "A"], ["", ""], ["NA", "B"]]


def test_an_encrypted_part_is_named_as_a_password(refused: Callable[..., str]) -> None:
    content = bytearray(book(("s", TABLE)))
    at = content.index(b"PK\x01\x02")
    content[at + 8] |= 1
    assert "protected with a password" in refused(bytes(content), "a.xlsx")


def test_a_workbook_that_unfolds_too_far_is_refused_before_it_is_read(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(size_guard, "MAX_UNPACKED_BYTES", 1000)
    assert "1,000 bytes" in refused(book(("s", TABLE)), "a.xlsx")


def test_a_workbook_of_absurdly_many_parts_is_refused(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(size_guard, "MAX_MEMBERS", 3)
    assert "at most" in refused(book(("s", TABLE)), "a.xlsx")


def test_a_part_that_is_larger_than_it_says_is_refused(refused: Callable[..., str]) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book(("s", TABLE)))) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name) + (b" " * 5_000_000 if name.endswith("sharedStrings.xml") else b""))
    content = bytearray(out.getvalue())
    at = content.rindex(b"xl/sharedStrings.xml") - 46
    content[at + 24 : at + 28] = (500).to_bytes(4, "little")
    assert "damaged workbook" in refused(bytes(content), "a.xlsx")


@pytest.mark.parametrize(
    ("xml", "sentence"),
    [
        (
            '<row r="1"><c r="A1"><v>1</v></c><c r="XFD1048576"><v>1</v></c></row>',
            "spreads over 1,048,576 rows and 16,384",
        ),
        ('<row r="1"><c r="AAAAAA1"><v>1</v></c></row>', "beyond row"),
        ('<row r="1"><c r="A99999999999999"><v>1</v></c></row>', "beyond row"),
        ('<row r="4294967295"><c><v>1</v></c></row>', "beyond row"),
        ('<row r="1048577"><c r="A1048577"><v>1</v></c></row>', "beyond row"),
        ("<row>" + "<c/>" * 16_385 + "</row>", "beyond row"),
        ("<row>" + "<c/>" * 16_000 + '</row><row r="900000"><c/></row>', "spreads over"),
    ],
)
def test_cells_that_lie_absurdly_far_apart_are_refused_before_they_are_read(
    refused: Callable[..., str], xml: str, sentence: str
) -> None:
    assert sentence in refused(with_sheet(xml), "a.xlsx")


@pytest.mark.parametrize("size", [25, 30, 64, 200])
def test_a_cell_far_out_is_seen_wherever_a_piece_ends(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(size_guard, "CHUNK_BYTES", size)
    near = "".join(f'<row r="{n}"><c r="B{n}" s="1"><v>1</v></c></row>' for n in range(1, 9))
    assert "beyond row" in refused(with_sheet(f'{near}<row r="9"><c r="XFE9"><v>1</v></c></row>'), "a.xlsx")


def test_an_endless_text_or_tag_between_two_pieces_takes_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(size_guard, "CHUNK_BYTES", 10)
    assert max(map(len, size_guard.pieces(io.BytesIO(b"x" * 500 + b"<" + b"y" * 500)))) < 40


def is_suspicious(make: Callable[..., Path], xml: str, size: int = 1 << 20) -> bool:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(size_guard, "CHUNK_BYTES", size)
        return bool(size_guard.survey_xlsx(make(with_sheet(xml), "a.xlsx"), "a.xlsx"))


@pytest.mark.parametrize(
    "cell",
    [
        "<f>1+1</f><v>2</v>",
        '<f t="shared" ref="A1:A9" si="0">1+1</f><v>2</v>',
        '<f t="shared" si="0"/><v>2</v>',
        "<v>2</v>",
        "<is><t>: 'e</t></is>",
    ],
)
def test_a_sheet_whose_formulas_all_have_values_is_not_gone_through(make: Callable[..., Path], cell: str) -> None:
    rows = "".join(f'<row r="{n}"><c r="A{n}">{cell}</c><c r="B{n}"><v>1</v></c></row>' for n in range(1, 200))
    for size in (300, 301, 302, 317, 1 << 20):
        assert not is_suspicious(make, rows, size)


@pytest.mark.parametrize(
    "cell",
    [
        "<f>1+1</f>",
        "<f>1+1</f><v/>",
        "<f>1+1</f><v></v>",
        '<f t="shared" si="0"/>',
        '<f t="shared" si="0"/><v></v>',
        "<v>2</v><f>1+1</f>",
        '<x:f xmlns:x="http://schemas.openxmlformats.org/spreadsheetml/2006/main">1+1</x:f>',
    ],
)
def test_one_formula_without_a_value_among_many_with_one_is_seen(make: Callable[..., Path], cell: str) -> None:
    rows = [f'<row r="{n}"><c r="A{n}"><f>1</f><v>{n}</v></c></row>' for n in range(1, 100)]
    for place in (0, 50, 99):
        for size in (300, 301, 1 << 20):
            mixed = "".join([*rows[:place], f'<row r="1"><c r="A1">{cell}</c></row>', *rows[place:]])
            assert is_suspicious(make, mixed, size)


@pytest.mark.parametrize("tag", ['t="e"', "t='e'"])
def test_one_error_is_seen(make: Callable[..., Path], tag: str) -> None:
    assert is_suspicious(make, f'<row r="1"><c r="A1" {tag}><v>#N/A</v></c></row>')
