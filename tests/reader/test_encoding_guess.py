from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from batchupdate.model import UncertainNotice
from batchupdate.reader import encoding_guess, open_table
from batchupdate.reader.encoding_guess import is_plausible

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OTHERS = [
    ("cp1251", "Продажи", "Отдел снабжения"),
    ("cp1253", "Αθήνα", "Πωλήσεις"),
    ("cp1256", "القاهرة", "مبيعات"),
    ("gb18030", "北京办公室", "上海销售部"),
    ("cp932", "東京オフィス", "営業の部"),
    ("cp949", "서울 사무소", "영업부"),
]


@pytest.mark.parametrize(("codec", "one", "other"), OTHERS)
def test_a_text_that_is_no_western_one_is_read_as_what_it_likely_is_and_the_guess_is_marked(
    make: Callable[..., Path], codec: str, one: str, other: str
) -> None:
    with open_table(make(f"id,name\n12ae6d88-3ea1-49d3-acdb-7958821ce492,{one}\nk2,{other}\n".encode(codec))) as table:
        (notice,) = table.notices
        assert [row.cells[1] for batch in table.batches() for row in batch] == [one, other]
    assert isinstance(notice, UncertainNotice)
    assert f"read as {codec}, which is a guess. Row 2 then reads '{one}'" in notice


@pytest.mark.parametrize(
    "text",
    [
        "Zürich",
        "Größe",
        "Škoda",
        "Café «été»",
        "ŒUVRE",
        "5 €",
        "m²",
        "créée",
        "Ålesund, Þór",
        "São João",
        "¿Qué tal?",
        "“so” it…",
        "NESTLÉ®",
        "50 µm ± 2 °C",
        "Àéroport",
    ],
)
def test_western_text_is_plausible(text: str) -> None:
    assert is_plausible(f"k1,{text}\n")


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("mac_roman", "Zürich Größe"),
        ("mac_roman", "José"),
        ("cp850", "café"),
        ("cp1250", "Gdańsk, Łódź"),
        ("big5", "台北辦公室"),
        ("koi8_r", "Продажи"),
    ],
)
def test_what_other_encodings_make_of_a_text_is_not(codec: str, text: str) -> None:
    assert not is_plausible(text.encode(codec).decode("cp1252", "replace"))


def test_a_few_odd_signs_in_much_western_text_are_plausible() -> None:
    assert is_plausible("Müller\nMeier & Söhne\n" * 20 + "x€y\n")


def test_a_guess_that_is_plausible_is_not_marked(make: Callable[..., Path]) -> None:
    with open_table(make("id,name\nk1,Zürich\n".encode("cp1252"))) as table:
        assert [type(notice) for notice in table.notices] == [str]


def test_a_given_encoding_is_no_guess(read: Callable[..., Any]) -> None:
    assert read("id,name\nk1,Продажи\n".encode("cp1251"), encoding="cp1251").notices == ""


def test_a_file_of_an_old_mac_is_marked_however_late_the_first_letter_beyond_ascii_stands(
    make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding_guess, "CHUNK_BYTES", 50)
    content = "id,name\r" + "k1,A\r" * 99 + "k2,José García Zürich\r"
    with open_table(make(content.encode("mac_roman"))) as table:
        assert isinstance(table.notices[0], UncertainNotice)
