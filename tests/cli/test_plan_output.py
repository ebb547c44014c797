"""What `plan` prints."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plans import ABSENT, HIDDEN, changed, ended, plan_of
from rich.cells import cell_len
from rich.text import Text

from batchupdate.cli.console import Screen
from batchupdate.cli.plan_output import show_plan
from batchupdate.model import RowLabels, RowRef
from batchupdate.reporter import plan_rows
from batchupdate.sandbox import make_records

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    from batchupdate.reporter import Plan
    from batchupdate.sandbox import Sandbox

RECORDS = make_records().langdock


def printed(plan: Plan, monkeypatch: pytest.MonkeyPatch, columns: int | None = None, **kind: Any) -> tuple[str, str]:
    """What goes to standard output and to standard error; without columns, where nothing has an edge."""
    out, err = io.StringIO(), io.StringIO()
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout", out)
        patch.setattr("sys.stderr", err)
        if columns is None:
            patch.delenv("COLUMNS", raising=False)
        else:
            patch.setenv("COLUMNS", str(columns))
        show_plan(plan, Screen(**kind))
    return out.getvalue(), err.getvalue()


def fields(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is said of the rows, without the table and the last lines."""
    out, _ = printed(plan, monkeypatch)
    return re.split(r"\n +\n", out)[0]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("Slack Sales", "Slack Verkauf", "'Slack [-Sales-]{+Verkauf+}'"),
        ("Slack Sales", "Slack Sales (EU)", "'Slack Sales{+ (EU)+}'"),
        ("the big red house", "the small blue house", "'the [-big red-]{+small blue+} house'"),
        ("Ann", "Ann  ", "'Ann{+  +}'"),
        ("Sales", "Verkauf", "'Sales' → 'Verkauf'"),
        ("Sales", "", "'Sales' → empty"),
        ("", "Sales", "empty → 'Sales'"),
        (None, "Sales", "null → 'Sales'"),
        ("Sales", None, "'Sales' → null"),
        (ABSENT, "Sales", "blank → 'Sales'"),
        ("null", None, "'null' → null"),
        (1, 10, "1 → 10"),
        (True, "true", "true → 'true'"),
        (["a", "b"], ["a", "c"], '["a","[-b-]{+c+}"]'),
        ("a [-x-] b", "a [-x-] c", "'a [-x-] b' → 'a [-x-] c'"),
        ("顧客の名前", "顧客の住所", "'顧客の[-名前-]{+住所+}'"),
        ("one\ntwo", "one\nthree", r"'one\n[-two-]{+three+}'"),
    ],
)
def test_without_colour_a_change_is_readable(
    old: object, new: object, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fields(plan_of([changed(2, name=(old, new))]), monkeypatch) == f"row 2  k  name: {said}"


def test_in_colour_words_that_go_are_struck_and_words_that_come_underlined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    out, _ = printed(plan_of([changed(2, name=("Slack Sales", "Slack Verkauf"))]), monkeypatch, 80)
    line = next(line for line in out.splitlines() if "Slack" in line)
    said = Text.from_ansi(line)
    assert said.plain == "    name: 'Slack SalesVerkauf'"
    styles = {said.plain[span.start : span.end]: str(span.style) for span in said.spans}
    assert "strike" in styles["Sales"]
    assert "underline" in styles["Verkauf"]


def test_with_no_color_nothing_is_said_by_style_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    out, _ = printed(plan_of([changed(2, name=("Slack Sales", "Slack Verkauf"))]), monkeypatch, 80)
    assert "'Slack [-Sales-]{+Verkauf+}'" in out


def test_a_long_text_is_cut_around_what_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = "once upon a time " * 50, " and so it went on" * 50
    said = fields(plan_of([changed(2, name=(f"{before}red{after}", f"{before}blue{after}"))]), monkeypatch)
    assert re.search(r"…[^…]{10,40}\[-red-\]\{\+blue\+\}[^…]{10,40}…", said)
    assert len(said) < 200


def test_a_text_of_forty_thousand_characters_is_shown_around_its_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "lorem ipsum " * 1700
    said = fields(plan_of([changed(2, name=(f"{text}A {text}", f"{text}B {text}"))]), monkeypatch)
    assert "lorem ipsum [-A-]{+B+} lorem ipsum" in said
    assert len(said) < 200


def test_two_long_texts_with_little_in_common_are_cut_and_stand_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = (" ".join(f"{letter}{number}" for number in range(9000)) for letter in "ab")
    said = fields(plan_of([changed(2, name=(old, new))]), monkeypatch)
    before, after = said.split("name: ")[1].split(" → ")
    assert before.startswith("'a0 a1")
    assert after.startswith("'b0 b1")
    assert before.endswith("…")
    assert len(said) < 800


def test_a_value_that_nothing_reads_is_a_question_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    said = fields(plan_of([changed(2, name=(HIDDEN, "Sales"))]), monkeypatch)
    assert said.splitlines() == ["row 2  k  will be sent  name: ? → 'Sales'"]


texts = st.text(
    st.sampled_from("ab cdefgh   \t\n\r\x1b\x07\x9b\u202e\u200b\u2019'\"[-]{+}日本語한국어🚀👩é\u0301"),
    max_size=300,
)
values = st.one_of(texts, st.none(), st.booleans(), st.integers(), st.lists(texts, max_size=4), st.just(ABSENT))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(values, values), min_size=1, max_size=4), texts, texts, st.sampled_from([40, 80, 200]))
def test_nothing_runs_over_the_edge_and_no_control_character_passes(
    monkeypatch: pytest.MonkeyPatch, pairs: list[tuple[Any, Any]], record_id: str, message: str, columns: int
) -> None:
    lines = [
        changed(row, record_id, **{f"field{row}": (old, None if new is ABSENT else new)})
        for row, (old, new) in enumerate(pairs, 2)
    ]
    plan = plan_of([*lines, ended(99, "conflict", message, record_id)], RowLabels())
    out, _ = printed(plan, monkeypatch, columns)
    rows, rest = re.split(r"\n +\n", out, maxsplit=1)
    assert max(cell_len(line) for line in rows.split("\n")) <= columns
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", rows + rest)


def test_equal_changes_are_one_line_and_their_rows_are_not_listed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [changed(row, f"k{row}", description=(ABSENT, "Archived")) for row in range(2, 814)]
    said = fields(plan_of([*lines, changed(900, "other", name=("A", "B"))]), monkeypatch)
    assert said.splitlines() == [
        "description: 812 × blank → 'Archived'",  # noqa: RUF001 - the sign is meant
        "row 900  other  name: 'A' → 'B'",
    ]


def test_rows_with_the_same_new_value_are_one_line_although_their_old_values_differ(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = [changed(row, f"k{row}", status=(f"s{row % 14}", "Archived")) for row in range(2, 814)]
    said = fields(plan_of([*lines, changed(900, "other", name=("A", "B"))]), monkeypatch)
    assert said.splitlines() == [
        "status: 812 × 14 values → 'Archived'",  # noqa: RUF001 - the sign is meant
        "row 900  other  name: 'A' → 'B'",
    ]


def test_where_most_rows_had_the_same_old_value_it_is_named_and_the_others_are_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = [changed(row, f"k{row}", status=(ABSENT, "Archived")) for row in range(2, 10)]
    said = fields(plan_of([*lines, changed(11, "other", status=("open", "Archived"))]), monkeypatch)
    assert said.splitlines() == [
        "status: 8 × blank → 'Archived'",  # noqa: RUF001 - the sign is meant
        "row 11  other  status: 'open' → 'Archived'",
    ]


def test_more_old_values_than_are_counted_are_many_and_every_row_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_rows, "MOST_DISTINCT", 20)
    plan = plan_of([changed(row, f"k{row}", note=(f"n{row}", None)) for row in range(2, 52)])
    assert fields(plan, monkeypatch).splitlines() == ["note: 50 × many values → null"]  # noqa: RUF001 - as above
    assert plan.to_json()["equal"] == [
        {"name": "note", "old": None, "new": "null", "rows": 50, "example": 2, "values": 0}
    ]


def test_a_row_of_a_group_that_changes_more_is_listed_with_all_its_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [changed(row, f"k{row}", note=("x", "Archived")) for row in range(2, 8)]
    said = fields(plan_of([*lines, changed(9, "k9", note=("x", "Archived"), name=("A", "B"))]), monkeypatch)
    assert said.splitlines()[1:] == ["row 9  k9", "    note: 'x' → 'Archived'", "    name: 'A' → 'B'"]


def test_a_few_equal_changes_are_no_group(monkeypatch: pytest.MonkeyPatch) -> None:
    said = fields(plan_of([changed(row, name=("x", "y")) for row in (2, 3)]), monkeypatch)
    assert said.splitlines() == ["row 2  k  name: 'x' → 'y'", "row 3  k  name: 'x' → 'y'"]


def test_the_first_twenty_changes_and_problems_are_shown_and_the_others_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = [changed(row, name=(f"x{row}", f"y{row}")) for row in range(2, 52)]
    lines += [ended(row, "invalid", f"wrong {row}") for row in range(52, 82)]
    lines += [changed(row, note=("a", "b")) for row in range(82, 92)]
    lines += [ended(99, "conflict", "name was 'A', and is 'B' now")]
    said = fields(plan_of(lines), monkeypatch).splitlines()
    assert said[0] == "row 99  k  conflict: name was 'A', and is 'B' now"
    assert said[19] == "row 70  k  invalid: wrong 70"
    assert said[20:22] == ["… and 11 more problems: see plan.csv", ""]
    assert said[22] == "note: 10 × 'a' → 'b'"  # noqa: RUF001 - the sign is meant
    assert said[23].startswith("row 2   k  name:")
    assert said[-1] == "… and 30 more rows: see plan.csv"
    assert len(said) == 22 + 1 + 20 + 1


def test_a_row_of_several_files_is_named_with_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of([changed(RowRef(1, 7).key, name=("x", "y"))], RowLabels(("a.csv", "b.csv")))
    assert fields(plan, monkeypatch).startswith("b.csv row 7  k  name:")


def test_quiet_prints_nothing_of_a_plan_without_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    assert printed(plan_of([changed(2, name=("x", "y"))]), monkeypatch, quiet=True) == ("", "")


def test_quiet_prints_problems_and_no_changes_on_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of([changed(2, name=("x", "y")), ended(3, "conflict", "name was 'A', and is 'B' now")])
    out, err = printed(plan, monkeypatch, quiet=True)
    assert out == ""
    assert "row 3  k  conflict: name was 'A', and is 'B' now" in err
    assert "row 2" not in err


@pytest.fixture
def pulled(batchupdate_sandbox: Callable[..., Sandbox], tmp_path: Path) -> tuple[str, Path]:
    """A sandbox's address, and a sheet in which a name is changed, one is wrong, and one record is not there."""
    sheet = tmp_path / "renames.csv"
    gone = "e3c48b03-bd88-4404-897e-fb2b26838c99"
    sheet.write_text(f"id,name\n{RECORDS[0].id},Slack Verkauf\n{RECORDS[1].id},{'x' * 400}\n{gone},Gone\n", "utf-8")
    return batchupdate_sandbox().url, sheet


def test_json_stands_alone_on_standard_output(cli: Callable[..., Result], pulled: tuple[str, Path]) -> None:
    url, sheet = pulled
    done = cli("plan", str(sheet), "-t", "langdock-integration", "--base-url", url, "--json")
    assert done.exit_code == 1
    said = json.loads(done.stdout)
    assert said["counts"] | {"change": 1, "not_there": 1, "invalid": 1} == said["counts"]
    assert said["exit_code"] == 1


def test_the_plan_command_prints_rows_and_writes_its_three_files(
    cli: Callable[..., Result], pulled: tuple[str, Path], tmp_path: Path
) -> None:
    url, sheet = pulled
    done = cli("plan", str(sheet), "-t", "langdock-integration", "--base-url", url)
    assert done.exit_code == 1
    assert "name: 'Slack [-Sales-]{+Verkauf+}'" in done.stdout
    assert done.output.count("at most 40 are allowed") == 1
    (folder,) = (tmp_path / "batchupdate-runs").glob("*plan*")
    assert {"plan.json", "plan.csv", "plan.xlsx"} <= {file.name for file in folder.iterdir()}


def test_where_nothing_reads_records_one_sentence_says_so_and_rows_will_be_sent(
    cli: Callable[..., Result], batchupdate_sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    sheet = tmp_path / "n.csv"
    sheet.write_text(f"id,name\n{make_records().nairi[0].id},Neu\n", "utf-8")
    done = cli("plan", str(sheet), "-t", "nairi-llm-integration", "--base-url", batchupdate_sandbox().url)
    assert done.exit_code == 0
    assert done.output.count("has no request that reads these records") == 1
    assert "will be sent" in done.stdout
    assert "name: ? → 'Neu'" in done.stdout
