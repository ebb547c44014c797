"""results.xlsx, read back by another program."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Any

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reporter.test_plan_files import HOSTILE
from reporter.test_registry import summary_of
from reporter.test_results_csv import line, untouched

from batchupdate.api.error_group import ErrorGroup
from batchupdate.errors import SafetyStop
from batchupdate.model import Line, Outcome, RowLabels, RowRef
from batchupdate.reader import ReadOptions, open_table
from batchupdate.reporter import results_xlsx
from batchupdate.reporter.results_summary_sheet import LOOKS
from batchupdate.reporter.results_xlsx import Content, write_results_xlsx
from batchupdate.reporter.workbook import MOST_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

COLUMNS = ["id", "name"]
MIXED = [
    line(2, ["a", "A"]),
    line(3, ["b", "B"], Outcome.FAILED, http_status=404, error="404 there is no b"),
    untouched(4, ["c", ""], Outcome.INVALID, "name is blank"),
    untouched(5, ["d", "D"]),
]


def counts_of(lines: Sequence[Line]) -> dict[Outcome, int]:
    return {outcome: sum(one.outcome == outcome for one in lines) for outcome in Outcome}


def write(folder: Path, lines: Sequence[Line], columns: Sequence[str] = COLUMNS, **facts: Any) -> list[Path]:
    names = {"width", "changes", "look", "replies"}
    more = {name: facts.pop(name) for name in names & facts.keys()}
    told = summary_of(folder, len(lines), **{"counts": counts_of(lines), "errors": [], **facts})
    old = more.pop("changes", {})
    content = Content(
        columns,
        more.pop("width", len(columns)),
        lambda: ((one, old.get(one.number, "")) for one in lines),
        bool(old),
        more.pop("look", {}),
        more.pop("replies", ()),
    )
    return write_results_xlsx(folder / "results.xlsx", told, content, told.notices)


def book(folder: Path, lines: Sequence[Line], columns: Sequence[str] = COLUMNS, **facts: Any) -> Any:
    return openpyxl.load_workbook(write(folder, lines, columns, **facts)[0])


def cells(sheet: Any) -> list[list[Any]]:
    return [["" if cell is None else cell for cell in row] for row in sheet.iter_rows(values_only=True)]


def test_the_outcome_stands_before_the_users_own_columns_and_the_rest_behind_them(tmp_path: Path) -> None:
    found = cells(book(tmp_path, MIXED, changes={2: "name: X → A"})["results"])
    assert found[0] == [
        *("_outcome", "_error", "_row", "_change", "id", "name"),
        *("_id", "_http_status", "_attempts", "_request_id", "_finished_at", "_duration_ms"),
    ]
    assert found[1][:6] == ["updated", "", 2, "name: X → A", "a", "A"]
    assert found[2][:6] == ["failed", "404 there is no b", 3, "", "b", "B"]
    assert found[2][6:10] == ["id-3", 404, 1, "r-1"]
    assert str(found[1][10]) == "2026-11-21 18:45:00.123000"


def test_failures_are_listed_on_the_second_sheet_each_with_a_link_to_its_row(tmp_path: Path) -> None:
    made = book(tmp_path, MIXED)
    assert made.sheetnames == ["results", "failures", "summary"]
    sheet = made["failures"]
    assert [row[:5] for row in cells(sheet)[1:]] == [
        ["failed", "404 there is no b", 3, "b", "B"],
        ["invalid", "name is blank", 4, "c", ""],
    ]
    assert [sheet.cell(row, 3).hyperlink.location for row in (2, 3)] == ["'results'!A3", "'results'!A4"]


def test_where_no_row_failed_the_second_sheet_says_so(tmp_path: Path) -> None:
    assert cells(book(tmp_path, MIXED[:1])["failures"])[1][0] == "No row failed."


def test_every_outcome_has_its_colour_whose_text_can_be_read(tmp_path: Path) -> None:
    sheet = book(tmp_path, [line(number, ["a", "A"], one) for number, one in enumerate(Outcome, 2)])["results"]
    for row, outcome in enumerate(Outcome, 2):
        cell = sheet.cell(row, 1)
        assert (cell.fill.fgColor.rgb[2:], cell.font.color.rgb[2:]) == (
            LOOKS[outcome].back[1:],
            LOOKS[outcome].text[1:],
        )
        assert contrast(LOOKS[outcome].back, LOOKS[outcome].text) >= 4.5


def contrast(one: str, other: str) -> float:
    """WCAG 2.2's contrast ratio."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_the_headings_stay_in_view_and_every_column_can_be_filtered(tmp_path: Path) -> None:
    made = book(tmp_path, MIXED)
    assert [made[name].freeze_panes for name in ("results", "failures")] == ["B2", "B2"]
    assert [made[name].auto_filter.ref for name in ("results", "failures")] == ["A1:K5", "A1:K3"]


def fits(text: str) -> bool:
    return len(text) < MOST_CHARACTERS


@pytest.mark.parametrize(
    "text", [*filter(fits, HOSTILE), "007", "1/2", "https://example.com", "TRUE", "1e5"], ids=lambda text: text[:12]
)
def test_a_text_stays_a_text_whatever_it_looks_like(text: str, tmp_path: Path) -> None:
    hostile = line(2, [text, text], Outcome.FAILED, error=text, record_id=text, request_id=text, captured="")
    for sheet in ("results", "failures"):
        row = book(tmp_path, [hostile], [text, "name"])[sheet][2]
        for cell in (row[1], row[3], row[4], row[5], row[8]):
            assert (cell.value.replace("_x000D_", "\r"), cell.data_type, cell.number_format) == (text, "s", "@")


def test_a_text_that_is_too_long_for_a_cell_is_cut_and_shows_that(tmp_path: Path) -> None:
    sheet = book(tmp_path, [line(2, ["a" * 40_000, "b"])])["results"]
    assert sheet.cell(2, 4).value == "a" * 32_766 + "…"


def test_widths_and_formats_are_those_of_the_users_sheet(tmp_path: Path) -> None:
    look = {"name": "renames", "others": ["prices"], "widths": [12, 33, None]}
    look["formats"] = [None, {"code": "#,##0.00", "date": False}, {"code": "d mmm yyyy", "date": True}]
    rows = [line(2, ["007", "1234.5", "2026-01-05"]), line(3, ["8", "n/a", "2026-01-05T06:00:00"])]
    made = book(tmp_path, rows, ["code", "cost", "since"], look=look)
    sheet = made["results"]
    assert [sheet.column_dimensions[one].width for one in "DE"] == [12.7109375, 33.7109375]
    first, second = sheet[2][3:6], sheet[3][3:6]
    assert [cell.value for cell in first][:2] == ["007", 1234.5]
    assert [cell.number_format for cell in first] == ["@", "#,##0.00", "d mmm yyyy"]
    assert (str(first[2].value), str(second[2].value)) == ("2026-01-05 00:00:00", "2026-01-05 06:00:00")
    assert (second[1].value, second[1].data_type) == ("n/a", "s")
    assert "'renames'; not read: 'prices'" in [row[1] for row in cells(made["summary"])]


NUMBERS = st.one_of(
    st.from_regex(r"-?[0-9]{1,20}(\.[0-9]{1,20})?", fullmatch=True),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers().map(str),
)


@given(texts=st.lists(NUMBERS, min_size=1, max_size=20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_number_is_written_as_one_only_if_the_same_text_comes_back(texts: list[str], tmp_path: Path) -> None:
    look = {"widths": [None], "formats": [{"code": "0.00", "date": False}]}
    path = write(tmp_path, [line(at, [text]) for at, text in enumerate(texts, 2)], ["cost"], look=look)[0]
    with open_table(path, ReadOptions()) as table:
        assert [row.cells[0] for batch in table.batches() for row in batch] == texts


def test_with_several_files_each_row_names_its_own(tmp_path: Path) -> None:
    rows = [line(RowRef(0, 2).key, ["a", "A"]), line(RowRef(1, 2).key, ["b", "B"], Outcome.FAILED, error="no")]
    labels = RowLabels(("a.csv", "b.csv"))
    made = book(tmp_path, rows, labels=labels, errors=[ErrorGroup("no", 1, 2, "b.csv")])
    assert [row[:4] for row in cells(made["results"])] == [
        ["_outcome", "_error", "_file", "_row"],
        ["updated", "", "a.csv", 2],
        ["failed", "no", "b.csv", 2],
    ]
    link = next(cell for row in made["summary"].iter_rows() for cell in row if cell.value == "b.csv row 2")
    assert link.hyperlink.location == "'results'!A3"


def test_cells_beyond_the_headings_and_values_of_replies_have_columns_of_their_own(tmp_path: Path) -> None:
    row = line(2, ["a", "A", "stray"], captured='{"etag":"=1"}')
    found = cells(book(tmp_path, [row], width=3, replies=["etag", "at"])["results"])
    assert found[0][3:6] == ["id", "name", "_extra_1"]
    assert found[0][-2:] == ["_reply.etag", "_reply.at"]
    assert (found[1][5], found[1][-2:]) == ("stray", ["=1", ""])


def test_the_summary_has_counts_times_errors_and_a_chart(tmp_path: Path) -> None:
    errors = [ErrorGroup("404 there is no <id>", 1, 3)]
    made = book(tmp_path, MIXED, errors=errors)["summary"]
    found = {row[0]: row[1:] for row in cells(made)}
    assert found["run"][0] == "20261121-184500-x-abcd"
    assert found["started"][0] == "2026-11-21 18:45:00 UTC"
    assert found["requests"][0] == "10, 2 of them repeats, 1 answered with 'slow down'"
    assert [found[name][:2] for name in ("updated", "failed", "invalid", "not_attempted")] == [[1, 0.25]] * 4
    assert found["all"][0] == 4
    assert found["row 3"][:2] == [1, "404 there is no <id>"]
    (chart,) = made._charts
    assert chart.series[0].val.numRef.f.startswith("summary!$B$")


def test_more_rows_than_a_sheet_holds_go_into_several_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results_xlsx, "MOST_ROWS", 3)
    rows = [line(number, [str(number), "x"], Outcome.FAILED, error="no") for number in range(2, 7)]
    paths = write(tmp_path, rows)
    assert [path.name for path in paths] == ["results.xlsx", "results-2.xlsx", "results-3.xlsx"]
    made = [openpyxl.load_workbook(path) for path in paths]
    assert [[row[2] for row in cells(one["results"])[1:]] for one in made] == [[2, 3], [4, 5], [6]]
    assert [[row[2] for row in cells(one["failures"])[1:]] for one in made] == [[2, 3], [4, 5], [6]]
    said = "A sheet can't hold 5 rows: they stand in results.xlsx to results-3.xlsx."
    assert [said in [row[1] for row in cells(one["summary"])] for one in made] == [True] * 3
    two = openpyxl.load_workbook(write(tmp_path, rows[:4])[0])
    said = "A sheet can't hold 4 rows: they stand in results.xlsx and results-2.xlsx."
    assert said in [row[1] for row in cells(two["summary"])]


def test_the_same_run_gives_the_same_file_and_for_its_owner_alone(tmp_path: Path) -> None:
    first = write(tmp_path, MIXED)[0].read_bytes()
    path = write(tmp_path, MIXED)[0]
    assert path.read_bytes() == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_workbook_that_can_not_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = write(tmp_path, MIXED)[0].read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(results_xlsx, "write_summary_sheet", full)
    with pytest.raises(SafetyStop, match="The disk is full"):
        write(tmp_path, MIXED)
    assert (tmp_path / "results.xlsx").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["results.xlsx"]


@given(rows=st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=2, max_size=2), min_size=1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_either_sheet_is_valid_input_with_the_cells_as_they_were(rows: list[list[str]], tmp_path: Path) -> None:
    lines = [line(at, ["x", *row], Outcome.FAILED, error="no") for at, row in enumerate(rows, 2)]
    path = write(tmp_path, lines, ["key", "_id", "'=name"], changes={2: "name: a → b"}, replies=["etag"])[0]
    for sheet in ("results", "failures"):
        with open_table(path, ReadOptions(sheet=sheet)) as table:
            assert table.columns == ("key", "_id", "'=name")
            found = [[*row.cells] for batch in table.batches() for row in batch]
        assert found == [["x", *row] for row in rows]
