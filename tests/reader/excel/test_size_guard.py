from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from workbooks import MAIN, book, ods, with_sheet, xlsb

from batchupdate.reader.excel import size_guard

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.slow


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
    assert "of which at most 1,000 are read" in refused(book(("s", TABLE)), "a.xlsx")


def test_a_workbook_of_absurdly_many_parts_is_refused(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(size_guard, "MAX_MEMBERS", 3)
    assert "at most" in refused(book(("s", TABLE)), "a.xlsx")


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


def packed(content: bytes, name: str, part: bytes, *, declared: int | None = None, method: int = 8) -> bytes:
    """A workbook with another part in the place of one; `declared` is the size that its directory then says."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for each in [one for one in old.namelist() if one != name]:
            new.writestr(each, old.read(each))
        new.writestr(name, part, method)
    made = bytearray(out.getvalue())
    if declared is not None:
        at = made.rindex(name.encode()) - 46
        made[at + 24 : at + 28] = declared.to_bytes(4, "little")
    return bytes(made)


BOMBS = {
    "a.xlsx": (
        book(("s", TABLE)),
        ["xl/sharedStrings.xml", "xl/worksheets/sheet1.xml", "xl/styles.xml", "xl/workbook.xml", "docProps/core.xml"],
    ),
    "a.ods": (ods(TABLE), ["content.xml", "META-INF/manifest.xml"]),
    "a.xlsb": (xlsb(TABLE), ["xl/worksheets/sheet1.bin", "xl/workbook.bin", "xl/sharedStrings.bin"]),
}


@pytest.mark.parametrize(("name", "part"), [(name, part) for name, (_, parts) in BOMBS.items() for part in parts])
def test_a_part_that_unpacks_absurdly_far_is_named_with_its_size_and_never_unpacked(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch, name: str, part: str
) -> None:
    def unpack(*_args: object) -> None:
        raise AssertionError

    bomb = packed(BOMBS[name][0], part, b" " * (70 << 20))
    monkeypatch.setattr(zipfile.ZipFile, "open", unpack)
    sentence = refused(bomb, name)
    assert f"its part '{part}' unpacks to 73,400,320 bytes" in sentence
    assert "save the sheet as CSV" in sentence


@pytest.mark.parametrize(("name", "part"), [(name, part) for name, (_, parts) in BOMBS.items() for part in parts])
def test_a_part_that_unpacks_to_more_than_it_declares_is_damage_that_is_named(
    refused: Callable[..., str], name: str, part: str
) -> None:
    with zipfile.ZipFile(io.BytesIO(BOMBS[name][0])) as archive:
        found = archive.read(part) if part in archive.namelist() else b""
    lie = packed(BOMBS[name][0], part, found + b" " * (5 << 20), declared=len(found) + 10)
    assert f"{part} unpacks to more than the {len(found) + 10:,} bytes that are declared" in refused(lie, name)


def test_pictures_may_have_any_size_and_ratio_because_they_are_not_unpacked(read: Callable[..., Any]) -> None:
    assert len(read(packed(book(("s", TABLE)), "xl/media/white.bmp", bytes(40 << 20)), "a.xlsx").rows) == 2


def test_a_part_that_is_packed_as_no_workbook_is_refused(refused: Callable[..., str]) -> None:
    bomb = packed(book(("s", TABLE)), "xl/sharedStrings.xml", b" " * 1000, method=zipfile.ZIP_BZIP2)
    assert "packed in a way that workbooks do not have" in refused(bomb, "a.xlsx")


def with_one_text(cells: int, text: str) -> bytes:
    rows = "".join(f'<row r="{n}"><c r="A{n}" t="s"><v>0</v></c></row>' for n in range(1, cells + 1))
    texts = f'<sst xmlns="{MAIN}"><si><t>{text}</t></si></sst>'
    return packed(with_sheet(rows), "xl/sharedStrings.xml", texts.encode())


def test_one_long_text_that_very_many_cells_refer_to_is_refused_before_it_is_copied_for_each(
    refused: Callable[..., str],
) -> None:
    """Calamine would take 1.6 GB for these 300 KB."""
    sentence = refused(with_one_text(50_000, "w" * 32_000), "a.xlsx")
    assert "with a shared text of 32," in sentence
    assert "and 50,000 cells" in sentence


def test_a_long_text_that_many_cells_refer_to_is_read_where_it_fits(
    read: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(size_guard, "MAX_TEXT_BYTES", 1)
    monkeypatch.setattr(size_guard, "MAX_RATIO", 0)
    monkeypatch.setattr(size_guard, "RATIO_MATTERS_FROM", 1 << 20)
    assert len(read(with_one_text(3, "long" * 100), "a.xlsx").rows) == 2


@pytest.mark.parametrize("size", [7, 64, 333, 1 << 20])
def test_the_longest_shared_text_is_found_wherever_a_piece_ends(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(size_guard, "CHUNK_BYTES", size)
    texts = b"<sst>" + b"<si><t>ab</t></si>" * 50 + b"<si><t>" + b"x" * 500 + b"</t></si><si/></sst>"
    assert 500 <= size_guard._longest_text(io.BytesIO(texts), "xl/sharedStrings.xml") <= 600
