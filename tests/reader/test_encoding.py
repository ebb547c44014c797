from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from batchupdate.reader import encoding

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


GUESS = encoding.Encoding("cp1252", guessed=True)
TABLE = "id,name\n1,Zürich “Büro”\n2,naïve\n"


@pytest.mark.parametrize(
    ("encoding", "found"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("utf-16", "utf-16-le"),
        ("utf-32", "utf-32-le"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("cp1252", "cp1252"),
    ],
)
def test_the_encoding_is_found_out(read: Callable[..., Any], encoding: str, found: str) -> None:
    got = read(TABLE.encode(encoding))
    assert got.table.encoding == found
    assert got.columns == ("id", "name")
    assert got.cells == [("1", "Zürich “Büro”"), ("2", "naïve")]


@pytest.mark.parametrize(("mark", "codec"), [(b"\xfe\xff", "utf-16-be"), (b"\0\0\xfe\xff", "utf-32-be")])
def test_big_endian_marks_are_known(read: Callable[..., Any], mark: bytes, codec: str) -> None:
    got = read(mark + TABLE.encode(codec))
    assert got.table.encoding == codec
    assert got.cells[1] == ("2", "naïve")


def test_a_guess_is_told_with_the_first_cell_where_it_matters(read: Callable[..., Any]) -> None:
    got = read('id,name\n1,"A\nB"\n\n2,Zürich\n'.encode("cp1252"))
    assert "Windows-1252" in got.notices
    assert "Row 4 then reads 'Zürich'" in got.notices
    assert "--encoding" in got.notices


def test_a_guess_is_told_without_a_cell_where_quotes_are_broken_before(make: Callable[..., Path]) -> None:
    path = make(f"id,name\n1,{'x' * 140_000}\n2,Zürich\n".encode("cp1252"))
    assert "reads" not in encoding.encoding_notice(path, GUESS, ",", 0)
    assert "reads" not in encoding.encoding_notice(make("id\n1\n"), GUESS, ",", 0)


def test_a_character_beyond_ascii_late_in_the_file_is_found(read: Callable[..., Any]) -> None:
    filler = "".join(f"{n},{'x' * 50}\n" for n in range(30_000))
    assert read(f"id,name\n{filler}1,Zürich\n").table.encoding == "utf-8"
    assert "Row 30,002 then reads 'Zürich'" in read(f"id,name\n{filler}1,Zürich\n".encode("cp1252")).notices


def test_one_broken_byte_in_a_utf8_file_is_no_reason_to_read_all_of_it_as_windows_1252(
    refused: Callable[..., str],
) -> None:
    text = refused("id,name\n1,Zürich\n2,Köln\n".encode() + b"3,M\xfcnchen\n4,D\n")
    assert "row 4 (byte 30) is not" in text
    assert "UTF-8" in text


def test_a_windows_file_that_happens_to_hold_valid_utf8_is_read(read: Callable[..., Any]) -> None:
    got = read("id,name\n1,«CAFÉ»\n2,Zürich\n3,Köln\n".encode("cp1252"))
    assert got.cells[0] == ("1", "«CAFÉ»")


def test_bytes_that_no_guess_explains_ask_for_the_encoding(refused: Callable[..., str]) -> None:
    text = refused(b"id,name\n1,A\n2,\x81\x8d\x90\n")
    assert "row 3 (byte 15)" in text
    assert "--encoding" in text


@pytest.mark.parametrize("name", ["cp1252", "windows-1252", "CP1252"])
def test_a_given_encoding_is_used_without_a_word(read: Callable[..., Any], name: str) -> None:
    got = read("id\nÄ\n".encode("cp1252"), encoding=name)
    assert got.cells == [("Ä",)]
    assert got.notices == ""


@pytest.mark.parametrize("given", ["utf-8", "utf-8-sig", "UTF8"])
def test_a_mark_is_never_part_of_the_first_heading(read: Callable[..., Any], given: str) -> None:
    assert read(b"\xef\xbb\xbfid\n1\n", encoding=given).columns == ("id",)
    assert read("\ufeffid\n1\n".encode("utf-16-le"), encoding="utf-16-le").columns == ("id",)


@pytest.mark.parametrize("codec", ["shift_jis", "gb18030", "cp1251", "utf-7", "iso2022_jp"])
def test_other_encodings_can_be_said(read: Callable[..., Any], codec: str) -> None:
    word = {"cp1251": "Москва"}.get(codec, "東京")
    assert read(f"id,name\n1,{word}\n".encode(codec), encoding=codec).cells == [("1", word)]


def test_a_given_encoding_that_does_not_fit_is_refused_with_the_place(refused: Callable[..., str]) -> None:
    text = refused(b'id,name\n1,"A\nB"\n2,\xfc\n', encoding="utf-8")
    assert "row 3 (byte 19) is no text in UTF-8" in text
    assert "--encoding" in text


@pytest.mark.parametrize("name", ["klingon", "hex", "rot13", "idna", "undefined", "\0", "é", ""])
def test_an_unknown_encoding_is_refused(refused: Callable[..., str], name: str) -> None:
    assert "no text encoding named" in refused("id\n1\n", encoding=name)


def test_an_encoding_that_contradicts_the_files_mark_is_refused(refused: Callable[..., str]) -> None:
    assert "begins with the mark of UTF-8" in refused(b"\xef\xbb\xbfid\n1\n", encoding="cp1252")


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16"])
def test_a_marked_file_that_is_broken_is_refused_with_the_row(refused: Callable[..., str], codec: str) -> None:
    broken = {"utf-8-sig": b"\xff", "utf-16": b"\x00\xdc\x20\x00"}[codec]
    assert "row 3 (byte" in refused("id,name\n1,A\n2,".encode(codec) + broken + b"\n\0")


def test_utf16_that_is_cut_off_is_refused(refused: Callable[..., str]) -> None:
    assert "is no text in UTF-16-LE" in refused("id,name\n1,A\n".encode("utf-16")[:-1])


def test_a_place_is_counted_past_quoted_line_ends_over_many_pieces(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "CHUNK_BYTES", 5)
    assert "row 4 (byte" in refused(b'id;name\r\n1;"A\r\n\r\nB"\r\n2;C\r\n3;\xfc\r\n', encoding="utf-8")
    assert "row 2 (byte" in refused(b"sep=;\r\nid;name\r\n1;\xfc\r\n", encoding="utf-8")


def test_a_nul_character_is_refused_with_its_row(refused: Callable[..., str]) -> None:
    assert "row 3 (byte 20) holds a NUL" in refused(b"id,name\n1,A and B\n2\0,B and C and D and so on, and on and on\n")
    assert "row 3 (byte 31) holds a NUL" in refused("id,name\n1,A\n2,\0\n".encode("utf-16"))


@pytest.mark.parametrize(
    "content", [bytes(range(256)), b"id,name\n" + bytes(range(20)), b"\xfe\x01\x02\x03" * 9, b"a\0\1\0\2\0\3\0" * 99]
)
def test_binary_content_is_refused(refused: Callable[..., str], content: bytes) -> None:
    assert "is a binary file" in refused(content)


def test_a_nul_after_windows_characters_is_refused(refused: Callable[..., str]) -> None:
    assert "holds a NUL" in refused(b"id,name\n1,\xfc" + b"x" * 100 + b"\0\n")


def test_a_line_without_end_is_refused(refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "MAX_LINE", 1000)
    assert "a line is longer than 1,000 characters" in refused("id\n1\n" + "x" * 1001)


@pytest.mark.parametrize("codec", ["utf-16", "utf-32"])
def test_a_wide_encoding_can_be_said_by_its_short_name_without_a_mark(
    read: Callable[..., Any], refused: Callable[..., str], codec: str
) -> None:
    assert read("id\nÄ\n".encode(f"{codec}-le"), encoding=codec).cells == [("Ä",)]
    assert f"is no text in {codec.upper()}-LE" in refused("id\n1\n".encode(f"{codec}-le")[:-1], encoding=codec)


def test_big_endian_text_can_be_said_by_its_short_name(read: Callable[..., Any]) -> None:
    assert read("id\nÄ\n".encode("utf-16-be"), encoding="utf-16").cells == [("Ä",)]


def test_a_place_behind_a_cell_beyond_the_csv_limit_is_still_told(refused: Callable[..., str]) -> None:
    assert "row 2 (byte" in refused(b"id,name\n1," + b"x" * 140_000 + b"\xff", encoding="utf-8")
