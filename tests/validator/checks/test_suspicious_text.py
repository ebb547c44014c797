# ruff: noqa: RUF001 - odd characters are what this is about
from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from batchupdate.config import Input, Secrets
from batchupdate.model import Level, Problem, Row
from batchupdate.targets import Target
from batchupdate.validator import CheckedRows, Validator, map_columns
from batchupdate.validator.checks.suspicious_text import LEVELS, Kind, harmless, read_right, suspicions, trimmed


def target_of(rule: dict[str, Any] | None = None) -> Target:
    declared = {"name": "t", "title": "", "path": "/{id}", "auth": {"scheme": "none"}, "id": {"id": rule or {}}}
    return Target.model_validate(declared | {"fields": {"name": {}, "note": {}, "seats": {"type": "integer"}}})


def check(*rows: tuple[str, ...], rule: dict[str, Any] | None = None, strictness: Any = "normal") -> CheckedRows:
    target = target_of(rule)
    layout = map_columns(["Id", "Name", "Note", "Seats"], target, Input())
    cells = [(*row, *("",) * (4 - len(row))) for row in rows]
    return Validator(target, layout, Secrets(), strictness).check([Row(n, each) for n, each in enumerate(cells, 2)])


def codes(name: str, **options: Any) -> list[str]:
    return [problem.code for problem in check(("1", name), **options).problems]


@pytest.mark.parametrize(
    ("cell", "code", "said"),
    [
        ("MÃ¼ller", "mojibake", "'MÃ¼ller' looks like 'Müller' read in the wrong encoding; export the file as UTF-8"),
        ("itâ€™s", "mojibake", "looks like 'it’s'"),
        ("ðŸ˜€", "mojibake", "looks like '😀'"),
        ("ÐŸÑ€Ð¸", "mojibake", "looks like 'При'"),
        ("æ—¥æœ¬", "mojibake", "looks like '日本'"),
        ("ï»¿Name", "mojibake", "looks like"),
        ("GrÃ¶ÃŸe in 日本", "mojibake", "looks like 'Größe in 日本'"),
        ("M\ufffdller", "replacement_character", "lost a character"),
        ("Sa\u200bles", "invisible_character", "ontains an invisible character (U+200B) at position 3; delete it"),
        ("Sa\u00adles", "invisible_character", "(U+00AD)"),
        ("Sa\u202eles", "invisible_character", "(U+202E)"),
        ("Sa\u200dles", "invisible_character", "(U+200D)"),
        ("Sa\x07les", "control_character", "a control character (U+0007) at position 3; delete it"),
        ("Sa\x85les", "control_character", "(U+0085)"),
        ('=HYPERLINK("http://a","b")', "formula", "is a formula, not its result; paste the value"),
        ("=A1&B1", "formula", "is a formula"),
        (" =1+1", "formula", "is a formula"),
        ("+SUM(1)", "formula", "is a formula"),
        ("@SUM(A1)", "formula", "is a formula"),
        ("=-1", "formula", "is a formula"),
        ("1.23457E+18", "number_rounded", "a number that a spreadsheet program has rounded; enter all its digits"),
    ],
)
def test_a_cell_that_something_went_wrong_with_is_told_with_the_way_out(cell: str, code: str, said: str) -> None:
    checked = check(("1", cell), ("2", "fine"))
    (problem,) = checked.problems
    assert (problem.code, problem.row, problem.column, problem.cell) == (code, 2, "Name", cell)
    assert said in problem.message
    assert problem.level is LEVELS[code][1]
    assert (checked.records[0] is None) == (problem.level is Level.ERROR)
    assert checked.records[1] == {"name": "fine"}


@pytest.mark.parametrize(
    "cell",
    [
        "Größe & Maß",
        "NESTLÉ®",
        "« l'été… »",
        "SÃO PAULO",
        "Île-de-France",
        "日本 Office",
        "👩‍👩‍👧 family",
        "می‌خواهم",
        "שלום \u200fעולם\u200e!",
        "10 000 €",  # a blank that does not break, inside
        "two\nlines\tand a tab",
        "=== heading ===",
        "- a point",
        "+49 170 123",
        "@handle",
        "a = b",
        "f(x)",
        "E+ and 1E5",
        "007",
        "1.0",
        "´`^°§",
        "naïve Ærø Þór",
    ],
)
def test_what_people_write_is_not_suspicious(cell: str) -> None:
    assert codes(cell, strictness="strict") == []


# A number format needs a workbook: see tests/reader/excel/test_number_format.py.
@pytest.mark.parametrize("code", sorted(LEVELS.keys() - {"number_format"}))
def test_strictness_decides_what_stops_a_row(code: str) -> None:
    cell = {
        "mojibake": "MÃ¼ller",
        "replacement_character": "\ufffd",
        "control_character": "a\x07",
        "invisible_character": "a\u200bb",
        "formula": "=A1",
        "number_rounded": "1.2E+18",
        "trimmed": "a\u00a0",
    }.get(code)
    ids = {"repeated_header": "id", "total_row": "Total", "ruled_line": "---"}
    rows = {"id_as_number": ("1E+5", "x"), **{each: (text, "name") for each, text in ids.items()}}
    for strictness, level in zip(("strict", "normal", "lenient"), LEVELS[code], strict=True):
        checked = check(("1", cell) if cell else rows[code], strictness=strictness)
        (problem,) = checked.problems
        assert (problem.code, problem.level) == (code, level)
        assert (checked.records == [None]) == (level is Level.ERROR)


# ---- ids ----


@pytest.mark.parametrize("cell", ["1.9E+18", "219E01", "123.0", "1e5", "12.00"])
def test_an_id_that_was_taken_for_a_number_is_stopped(cell: str) -> None:
    checked = check((cell, "x"))
    assert [problem.code for problem in checked.problems] == ["id_as_number"]
    assert "format the column as text, and paste the ids again" in checked.problems[0].message
    assert (checked.records, checked.ids) == ([None], [None])
    assert check((cell, "x"), rule={"pattern": "^[0-9.eE+]+$"}).records == [
        {"name": "x"}
    ]  # the target says that ids look so


def test_an_id_that_breaks_its_rule_as_a_number_is_told_so() -> None:
    assert check(("1.9E+18", "x"), rule={"pattern": "^[0-9]{4}$"}).problems[0].code == "id_as_number"


@pytest.mark.parametrize("cell", ["v1.0", "1.5", "E5", "a1e5", "1.0.0", "10"])
def test_other_ids_are_left_alone(cell: str) -> None:
    assert not check((cell, "x")).problems


def test_an_id_that_lost_its_zeros_is_told_with_what_it_was() -> None:
    (problem,) = check(("123", "x"), rule={"pattern": "^[0-9]{6}$"}).problems
    assert problem.code == "lost_zeros"
    assert "may have been '000123'" in problem.message
    assert check(("1234567", "x"), rule={"pattern": "^[0-9]{6}$"}).problems[0].code == "bad_id"
    assert check(("12a", "x"), rule={"pattern": "^[0-9]{6}$"}).problems[0].code == "bad_id"


UUID = "550e8400-e29b-41d4-a716-446655440000"


@pytest.mark.parametrize(("id_cell", "seen"), [("", ""), ("2026", "2026")])
def test_a_row_whose_id_stands_one_column_further_is_told_once(id_cell: str, seen: str) -> None:
    checked = check((id_cell, UUID, " ", "x"), rule={"format": "uuid"})
    found = [problem for problem in checked.problems if problem.code != "white_space"]
    assert [(problem.code, problem.column, problem.cell) for problem in found if problem.column == "Id"] == [
        ("shifted_row", "Id", seen)
    ]
    assert " id is in the column 'Name' beside this one" in found[-1].message or "'Name'" in found[0].message
    assert checked.ids == [None]


def test_an_id_rule_that_anything_meets_tells_no_shift() -> None:
    assert check(("a!", "b"), rule={"pattern": "^[^!]+$"}).problems[0].code == "bad_id"
    assert check(("x", "77"), rule={"pattern": "^[0-9]+$"}).problems[0].code == "bad_id"


# ---- unseen ends ----


@pytest.mark.parametrize(
    ("cell", "kept"),
    [
        ("\u00a0a", "a"),
        ("a\u00a0 ", "a"),
        ("\ufeffa b\u200b", "a b"),
        ("\u3000 a", "a"),
        (" a ", " a "),
        ("a\u00a0b",) * 2,
    ],
)
def test_unseen_ends_are_taken_off_and_told_and_spaces_stay(cell: str, kept: str) -> None:
    checked = check(("1", cell))
    assert checked.records == [{"name": kept}]
    assert [problem.code for problem in checked.problems] == ([] if cell == kept else ["trimmed"])


def test_an_id_with_unseen_ends_names_its_record() -> None:
    checked = check((f"{UUID}\u00a0", "x"), rule={"format": "uuid"})
    assert checked.ids == [(UUID,)]
    assert "(U+00A0); they are not sent" in checked.problems[0].message
    strict = check((f"{UUID}\u00a0", "x"), rule={"format": "uuid"}, strictness="strict")
    assert strict.records == [None]
    assert "remove them" in strict.problems[0].message


def test_a_number_with_unseen_ends_is_a_number() -> None:
    assert check(("1", "", "", "12\u00a0")).records == [{"seats": 12}]


@pytest.mark.parametrize("cell", ["\u200b", "\ufeff \u200b", "\u00a0"])
def test_a_name_of_nothing_that_can_be_seen_is_stopped(cell: str) -> None:
    checked = check(("1", cell))
    assert [problem.code for problem in checked.problems] == ["white_space"]
    assert checked.records == [None]


# ---- the quick proof ----

TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    ["=A1", "+SUM(1)", "1.2E+18", "1E5", "12.0", "a\u00a0", "Ã¼", "\ufffd", "a|b", "|=", " =1", "x\n", "€"]
)


@given(st.lists(TEXTS, min_size=1, max_size=6), st.sampled_from(["id", "ruled_id", "text", "other"]))
def test_a_column_that_is_proven_harmless_holds_nothing_odd(column: list[str], kind: Kind) -> None:
    if harmless(column, kind):
        for cell in column:
            assert trimmed(cell, kind) == cell
            if kind == "id":  # a character of an id that can't be seen is found by the rule for ids
                assert [one.code for one in suspicions(cell, kind)] == []
            assert list(suspicions(cell, kind)) == []


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x24F, exclude_categories=["Cs", "Cc"])))
def test_latin_text_read_in_the_wrong_encoding_is_found(text: str) -> None:
    assume(any("\u00a0" <= one <= "\u017f" for one in text))
    assume(not read_right(text))
    spoiled = "".join(
        bytes([byte]).decode("cp1252") if byte not in {0x81, 0x8D, 0x8F, 0x90, 0x9D} else chr(byte)
        for byte in text.encode()
    )
    assert read_right(spoiled) or not any("\u00a0" <= one <= "\u017f" for one in text)


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(["id", "text"]))
def test_trimming_twice_is_trimming_once(cell: str, kind: Kind) -> None:
    assert trimmed(trimmed(cell, kind), kind) == trimmed(cell, kind)


@pytest.mark.parametrize("cell", ["k1 ", " k1", "  k1\t", "k1\r\n", "\u00a0 k1"])
@pytest.mark.parametrize("rule", [None, {"pattern": "^k[0-9]$"}])
def test_white_space_at_the_ends_of_an_id_is_reported_and_not_sent(cell: str, rule: dict[str, Any] | None) -> None:
    checked = check((cell, "x"), ("k2", "y "), rule=rule)
    assert [(problem.code, problem.row, problem.level) for problem in checked.problems] == [
        ("trimmed", 2, Level.WARNING)
    ]
    assert checked.ids == [("k1",), ("k2",)]
    assert checked.records == [{"name": "x"}, {"name": "y "}]
    assert check((cell, "x"), rule=rule, strictness="strict").records == [None]


def test_blanks_are_called_blanks() -> None:
    assert check(("a b ", "x")).problems[0].message == "the cell starts or ends with blanks; they are not sent"


# ---- what the reader knows ----


def known(column: str, level: Level = Level.ERROR, row: int = 2) -> Problem:
    return Problem("error_cell", row, column, "#N/A", "C2 holds the error #N/A", level)


def knowing(*problems: Problem, cells: tuple[str, ...] = ("1", "#N/A", "", "")) -> CheckedRows:
    target = target_of()
    layout = map_columns(["Id", "Name", "Other", "Seats"], target, Input())
    return Validator(target, layout, Secrets()).check([Row(2, cells)], problems)


def test_a_cell_that_the_reader_calls_wrong_stops_its_row_and_is_told_once() -> None:
    assert [problem.code for problem in knowing(known("Name")).problems] == ["error_cell"]
    assert knowing(known("Name")).records == [None]
    checked = knowing(known("Seats"), cells=("1", "x", "", "#N/A"))
    assert [problem.code for problem in checked.problems] == ["error_cell"]  # and not that it is no number too


def test_an_id_that_the_reader_calls_wrong_names_no_record() -> None:
    checked = knowing(known("Id"), cells=("#N/A", "x", "", ""))
    assert (checked.ids, checked.records) == ([None], [None])


def test_a_wrong_cell_in_a_column_that_is_not_used_is_no_matter() -> None:
    checked = knowing(known("Other"))
    assert (list(checked.problems), checked.records) == ([], [{"name": "#N/A"}])


@pytest.mark.parametrize(
    ("problem", "other", "found"),
    [
        (known("Other"), "go", ["error_cell"]),
        (known("Other"), "stop", []),  # left out by the other condition all the same
        (known("Other", Level.WARNING), "go", []),
        (known("Other", row=3), "go", []),
        (Problem("id_as_number", 2, "Other", "7", "was '007'"), "go", []),
    ],
)
def test_a_row_whose_condition_can_not_be_known_is_told_and_not_left_out(
    problem: Problem, other: str, found: list[str]
) -> None:
    target = target_of()
    layout = map_columns(["Id", "Name", "Other", "More"], target, Input(when={"Other": ("go",), "More": ("go",)}))
    checked = Validator(target, layout, Secrets()).check([Row(2, ("1", "x", "#N/A", other))], [problem])
    assert [one.code for one in checked.problems] == found
    assert checked.records == [None]
    assert bool(checked.skipped) is not bool(found)


def test_a_warning_of_the_reader_stops_nothing() -> None:
    checked = knowing(known("Name", Level.WARNING))
    assert checked.records == [{"name": "#N/A"}]
    assert [problem.code for problem in checked.problems] == ["error_cell"]


ODD = st.sampled_from(
    [
        "",
        "x",
        "1",
        "a\xa0",
        "\u200b",
        " ",
        "Ã¼",
        "ü",
        "=A1",
        "a=",
        "+F(x)",
        "1E5",
        "1.2E+18",
        "1.0",
        "�",
        "a\nb",
        "|=",
        "|",
        "\x07",
        "<null>",
        "12\ufeff",
        "日本",
        "é…»",
    ]
)


@pytest.mark.slow
@given(
    st.lists(st.tuples(ODD, ODD, ODD, ODD), min_size=1, max_size=5), st.sampled_from(["strict", "normal", "lenient"])
)
def test_a_row_fares_the_same_alone_and_beside_others(rows: list[tuple[str, ...]], strictness: str) -> None:
    together = check(*rows, strictness=strictness)
    alone = [check(row, strictness=strictness) for row in rows]
    assert list(together.records) == [record for one in alone for record in one.records]
    assert list(together.ids) == [ids for one in alone for ids in one.ids]
    assert [problem.code for problem in together.problems] == [p.code for one in alone for p in one.problems]


def test_a_number_is_no_spoilt_id_in_a_column_that_holds_no_ids() -> None:
    spoilt = [Problem("id_as_number", 2, heading, "7", "was '007'") for heading in ("Seats", "Id")]
    validator = Validator(target_of(), map_columns(["Id", "Seats"], target_of(), Input()), Secrets())
    rows = [Row(2, ("7", "7"))]
    assert list(validator.check(rows, spoilt).problems) == [spoilt[1]]
    assert list(validator.check(rows, spoilt[:1]).records) == [{"seats": 7}]


@pytest.mark.parametrize("blank", ["\t", "\r", "\n", " "])
@pytest.mark.parametrize("before", [(), ("Sales",)])
def test_a_formula_behind_white_space_is_found_wherever_it_stands(blank: str, before: tuple[str, ...]) -> None:
    assert not harmless([*before, f"{blank}=A1"], "text")
