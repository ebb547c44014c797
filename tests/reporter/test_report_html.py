"""report.html: what it says, how large it gets, and that nothing in it comes from a cell but text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from html.parser import HTMLParser
from itertools import islice
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from fakes import EPOCH, claim
from hypothesis import given
from hypothesis import strategies as st
from report_html import HOSTILE, make_run

from batchupdate.errors import SafetyStop
from batchupdate.journal import Journal
from batchupdate.model import SUCCEEDED, Line, Outcome, PaceSample, Result, RowLabels, RowRef
from batchupdate.reporter.report_html import page
from batchupdate.reporter.report_html.axes import Frame
from batchupdate.reporter.report_html.latency_chart import latency_chart, latency_of
from batchupdate.reporter.report_html.rate_chart import columns_of, rate_chart, spans_of
from batchupdate.reporter.report_html.rows import RowWriter, ShownRow, script_json
from batchupdate.runs.folder import create
from batchupdate.runs.history import rebuild_reports
from batchupdate.targets.catalogue import find_target
from batchupdate.targets.precondition import Pulled
from batchupdate.targets.seen import Seen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

FRAME = Frame(920, 232, 46, 14, 914, 176)
LARGEST = 1_500_000


class Page(HTMLParser):
    """A page as a browser takes it apart: its elements, and the text outside of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: dict[str, str] = {}
        self.styles: list[str] = []
        self._texts: list[str] = []
        self._inside = ""
        self._id = ""
        self.feed(text)
        self.text = " ".join("".join(self._texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in {"td", "th", "p", "li", "dd"}:
            self._texts.append(" ")
        if tag in {"script", "style"}:
            self._inside, self._id = tag, dict(attrs).get("id") or "code"

    def handle_endtag(self, tag: str) -> None:
        if tag == self._inside:
            self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[self._id] = self.scripts.get(self._id, "") + data
        elif self._inside == "style":
            self.styles.append(data)
        else:
            self._texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def small_run(
    folder: Path,
    *,
    error: str = "404 there is no id-3",
    name: str = "New",
    cells: Sequence[str] = (),
    rate_per_s: float | None = 5.0,
    auto: bool = False,
) -> Page:
    """A run of four rows: updated with a known old value, failed, invalid, not attempted."""
    run = create(folder, "renames.csv", EPOCH)
    with Journal.create(run.journal) as journal:
        rows: list[Any] = [(n, [f"id-{n}", name], f"id-{n}", f"/{n}", {"name": name}) for n in (2, 3, 5)]
        invalid = Result(4, Outcome.INVALID, error="column 'Name': is blank; fill it in")
        journal.add_rows([*rows[:2], (4, [*(cells or ["id-4", "x"])], "id-4", None, None), rows[2]], [invalid])
        journal.keep_before([(2, Seen({"name": "Old"}).to_json())])
        journal.seal(
            {
                "rows": 4,
                "columns": ["Id", "Name"],
                "width": max(2, len(cells)),
                "target": find_target("langdock-integration").model_dump(mode="json", exclude_unset=True),
                "input": {"path": "/data/renames.csv", "sha256": "ab"},
                "rate_per_s": rate_per_s,
                "rate_auto": auto,
                "same": {},
            }
        )
        journal.begin_session(1.0, repeatable=True)
        answered = Result(3, Outcome.FAILED, 404, 1, error, finished_at=3.0, duration_ms=2400.0)
        updated = Result(2, Outcome.UPDATED, 200, 1, finished_at=2.0, duration_ms=80.0)
        claim(journal, 0, 2, [(updated, True), (answered, True)])
    summary = rebuild_reports(run)
    return Page((summary.folder / "report.html").read_text("utf-8"))


def test_a_page_says_what_became_of_the_rows_and_what_to_do_next(tmp_path: Path) -> None:
    shown = small_run(tmp_path / "batchupdate-runs")
    assert "renames.csv → applied to langdock-integration" in shown.text
    assert "1 of 4 rows succeeded, 3 did not" in shown.text
    assert "invalid 1 25.0 %" in shown.text
    assert "1 row left; to resume: batchupdate resume" in shown.text
    assert (
        "1 row 404 there is no id-3 Check the ids; leave rows out whose records are gone. failed, row 3" in shown.text
    )
    assert "name from Old → to New" in shown.text
    assert "Id id-4 Name x" in shown.text  # of a row that sets nothing, the cells
    assert "p50 1.24 s" in shown.text
    assert "This page has all 3 rows that did not succeed and all 1 that succeeded." in shown.text
    assert [row[:4] for row in json.loads(shown.scripts["data"])] == [
        [3, -1, "id-3", "failed"],
        [4, -1, "id-4", "invalid"],
        [5, -1, "id-5", "not_attempted"],
        [2, -1, "id-2", "updated"],
    ]


@pytest.mark.parametrize(
    "text",
    [
        HOSTILE,
        "</style><script>alert(1)</script>",
        "{{ 7 * 7 }}{% raw %}",
        '"><img src=http://a.example/x onerror=alert(1)>',
        "<!--<script>",
        "\u2028\u2029</SCRIPT >",
        "\x00 &lt; &#60;script>",
    ],
)
def test_a_cell_or_an_error_of_any_text_stays_text(tmp_path: Path, text: str) -> None:
    shown = small_run(tmp_path, error=f"404 {text}", name=text, cells=[text, text, text])
    plain = small_run(tmp_path / "plain", error="404 no", name="x", cells=["x", "y", "z"])
    of_page = [tag for tag, _ in shown.elements if tag not in {"rect", "line", "path", "text"}]
    assert of_page == [tag for tag, _ in plain.elements if tag not in {"rect", "line", "path", "text"}]
    assert "49" not in shown.scripts["data"]
    rows = json.loads(shown.scripts["data"])
    assert rows[-1][10] == [["name", "Old", text]]
    assert not re.search("[<>&\u2028\u2029]", shown.scripts["data"] + shown.scripts["facts"])


def test_a_page_lets_nothing_run_but_its_own_script_and_style_and_asks_nobody(tmp_path: Path) -> None:
    shown = small_run(tmp_path)
    policy = next(one["content"] or "" for one in shown.all("meta") if "http-equiv" in one)
    said = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert said["default-src"] == "'none'"
    for kind, text in (("script-src", shown.scripts["code"]), ("style-src", shown.styles[0])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert said[kind] == f"'sha256-{digest}'"
    named = {name: value for _, attributes in shown.elements for name, value in attributes.items()}
    assert not {"src", "srcset", "style", "onclick", "onload", "action"} & named.keys()
    assert [one["href"] for one in shown.all("link")] == ["data:,"]
    assert not shown.all("a")


def line(number: int, outcome: Outcome, error: str = "", record_id: str = "") -> Line:
    return Line(number, "[]", record_id or f"id-{number:030}", outcome.value, 400, 1, error, "", "", 5.0, 80.0)


def writer(**facts: Any) -> RowWriter:
    return RowWriter(**{"columns": [], "names": [], "labels": RowLabels(), "groups": [], "started_at": 0.0, **facts})


def many_rows(count: int, outcome: Outcome, error: str = "") -> Iterator[ShownRow]:
    for n in range(count):
        yield ShownRow(line(n, outcome, error and f"{error} {n}"), '{"name": "New"}')


def test_rows_beyond_the_size_of_a_page_are_left_out_and_not_even_read() -> None:
    failed, succeeded = many_rows(100_000, Outcome.FAILED, "400 " + "no" * 90), many_rows(100_000, Outcome.UPDATED)
    rows = writer().rows(failed, succeeded, 3)
    assert rows.failed + rows.succeeded == len(rows.texts)
    assert 3000 < rows.failed < 6000
    assert 100 < rows.succeeded <= 2000
    assert sum(len(text.encode()) + 2 for text in rows.texts) < 1_200_000
    assert len(rows.first) == 3
    assert len(list(islice(failed, 90_000))) == 90_000


def test_a_page_that_lacks_rows_says_so_and_names_the_files_that_have_them(tmp_path: Path) -> None:
    run = make_run(tmp_path, 30_000, failing=90)
    summary = rebuild_reports(run)
    path = summary.folder / "report.html"
    failures = sum(count for outcome, count in summary.counts.items() if outcome not in SUCCEEDED)
    shown = Page(path.read_text("utf-8"))
    found = re.search(r"This page has the first ([\d,]+) of ([\d,]+) rows that did not succeed", shown.text)
    assert found is not None
    assert int(found[2].replace(",", "")) == failures > int(found[1].replace(",", "")) > 1000
    assert "failed.csv has all that did not succeed; results.csv has every row." in shown.text
    assert path.stat().st_size < LARGEST


def test_a_row_that_has_its_groups_own_sentence_does_not_repeat_it(tmp_path: Path) -> None:
    run = make_run(tmp_path, 3000)
    summary = rebuild_reports(run)
    shown = Page((summary.folder / "report.html").read_text("utf-8"))
    facts, rows = json.loads(shown.scripts["facts"]), json.loads(shown.scripts["data"])
    gone = [row for row in rows if row[4] == 404]
    assert gone
    for row in gone:
        assert row[9] is None
        assert facts["messages"][row[8]] == "404 there is no such record: integration <id> not found"
    too_long = [row for row in rows if row[4] == 400]
    assert {facts["messages"][row[8]] for row in too_long} == {
        "400 Bad Request: name … is too long: at most 40 characters"
    }
    assert all(row[9].startswith("400 Bad Request: name 'Sales ") for row in too_long)
    for group in summary.errors:
        index = facts["messages"].index(group.message)
        assert sum(row[8] == index for row in rows) == group.count


@pytest.mark.parametrize(
    ("count", "rows", "shown"),
    [(1, 4, "25.0 %"), (4, 4, "100.0 %"), (7, 20_000, "< 0.1 %"), (19_999, 20_000, "> 99.9 %"), (1, 1000, "0.1 %")],
)
def test_some_rows_are_never_said_to_be_none_or_all(tmp_path: Path, count: int, rows: int, shown: str) -> None:
    run = create(tmp_path, "renames.csv", EPOCH)
    with Journal.create(run.journal) as journal:
        found = [Result(n, Outcome.INVALID, error="x") for n in range(2, count + 2)]
        found += [Result(n, Outcome.UNCHANGED) for n in range(count + 2, rows + 2)]
        journal.add_rows([(n, ["x"], "x", None, None) for n in range(2, rows + 2)], found)
        target = find_target("langdock-integration").model_dump(mode="json", exclude_unset=True)
        facts = {"rows": rows, "columns": ["Id"], "width": 1, "target": target, "rate_per_s": 5.0, "same": {}}
        journal.seal({**facts, "input": {"path": "/data/renames.csv", "sha256": "ab"}})
    summary = rebuild_reports(run)
    assert f"invalid {count:,} {shown}" in Page((summary.folder / "report.html").read_text("utf-8")).text


def test_rows_of_several_files_are_named_with_their_files() -> None:
    labels = RowLabels(("a.csv", "b.csv"))
    found = writer(labels=labels).values(ShownRow(line(RowRef(1, 7).key, Outcome.UPDATED)))
    assert found[:2] == [7, 1]


@pytest.mark.parametrize(
    ("state", "pulled", "shown"),
    [
        (None, None, ["name", "New"]),
        (Seen({"name": "Old"}).to_json(), None, ["name", "Old", "New"]),
        (Seen({"name": None}).to_json(), None, ["name", "null", "New"]),
        (Seen(absent=("name",)).to_json(), None, ["name", "blank", "New"]),
        (Seen(gone=True).to_json(), None, ["name", "blank", "New"]),
        (Seen({"other": 1}).to_json(), None, ["name", "New"]),
        (None, '{"old": {"name": "typed"}}', ["name", "typed", "New"]),
        (None, Pulled(seen=Seen({"name": ""}), by="plan").to_json(), ["name", "empty", "New"]),
    ],
)  # fmt: skip
def test_the_old_value_of_a_field_is_shown_where_anything_knows_it(
    state: str | None, pulled: str | None, shown: list[str]
) -> None:
    row = ShownRow(line(2, Outcome.UPDATED), '{"name": "New"}', state, pulled)
    assert writer().values(row)[10] == [shown]


def test_long_values_and_many_of_them_are_cut_off() -> None:
    row = ShownRow(line(2, Outcome.UPDATED), json.dumps({f"f{n}": "x" * 999 for n in range(20)}))
    values = writer().values(row)[10]
    assert len(values) == 9
    assert values[-1] == ["… and 12 more", ""]
    assert {len(text) for _, text in values[:-1]} == {160}


def test_what_is_kept_of_replies_stands_behind_the_values_bounded_as_they_are() -> None:
    kept = json.dumps({"etag": HOSTILE, "long": "x" * 500, "blank": "", "not asked for any more": "x"})
    row = ShownRow(line(2, Outcome.UPDATED)._replace(captured=kept), '{"name": "New"}')
    names = ["long", "etag", "blank", "missing"]
    values = writer(captured=names).values(row)[10]
    assert values == [["name", "New"], ["_reply.long", "x" * 159 + "…"], ["_reply.etag", HOSTILE]]
    assert "<script>" not in script_json(values)
    many = {f"n{number}": "x" for number in range(20)}
    shown = writer(captured=[*many]).values(row._replace(line=row.line._replace(captured=json.dumps(many))))[10]
    assert len(shown) == 10
    assert shown[-1] == ["… and 12 more", ""]


@pytest.mark.parametrize(
    ("rate_per_s", "auto", "said"),
    [
        (5.0, False, "at most 5/s"),
        (None, False, "no limit set"),
        (200.0, True, "limit found out, at most 200/s"),
        (None, True, "limit found out"),
    ],
)
def test_a_ceiling_is_not_said_to_be_what_was_found_out(
    tmp_path: Path, rate_per_s: float | None, auto: bool, said: str
) -> None:
    text = " ".join(small_run(tmp_path, rate_per_s=rate_per_s, auto=auto).text.split())
    figures = text[text.index("Requests/s") : text.index("Requests/s") + 80]
    assert said in figures
    assert auto == ("found out" in figures)


def test_a_page_that_cannot_be_written_costs_no_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise SafetyStop("The disk is full.", "Free some space.")

    monkeypatch.setattr(page, "replacing", full)
    run = make_run(tmp_path, 50)
    summary = rebuild_reports(run)
    assert "The disk is full. Free some space." in summary.notices
    assert (summary.folder / "results.csv").is_file()
    assert not (summary.folder / "report.html").exists()


def test_a_page_is_rebuilt_byte_by_byte(tmp_path: Path) -> None:
    run = make_run(tmp_path, 500)
    first = (rebuild_reports(run).folder / "report.html").read_bytes()
    (run.path / "report.html").unlink()
    assert (rebuild_reports(run).folder / "report.html").read_bytes() == first


@given(st.lists(st.floats(0, 1e7) | st.sampled_from([0.1, 2.5, 70.0]), min_size=1, max_size=60))
def test_percentiles_are_those_of_pandas(durations: list[float]) -> None:
    latency = latency_of(len(durations), sorted(Counter(durations).items()))
    assert latency is not None
    expected = pd.Series(durations).quantile([0.5, 0.95, 0.99])
    assert list(latency.quantiles.values()) == pytest.approx(list(expected))
    assert sum(latency.bars.values()) == latency.count == len(durations)
    chart = latency_chart(latency, FRAME, 10)
    for bar in chart.bars:
        assert FRAME.left - 1 <= bar.x <= bar.x + bar.width <= FRAME.right + 1
        assert FRAME.top <= bar.y <= bar.y + bar.height <= FRAME.bottom + 0.1
    assert all(FRAME.left - 1 <= mark.at <= FRAME.right + 1 for mark in [*chart.along, *chart.quantiles])


steps = st.tuples(st.floats(0.01, 500), st.integers(0, 1000), st.integers(0, 5), st.floats(0, 9), st.booleans())


@given(st.lists(steps, min_size=3, max_size=40), st.integers(3, 200))
def test_a_chart_of_the_pace_has_every_request_once_and_no_time_between_sessions(
    taken: list[tuple[float, int, int, float, bool]], count: int
) -> None:
    samples = [PaceSample(1, 100.0, 0, 0, 0.0, None)]
    total = worked = 0.0
    for length, sent, throttled, waited, begins in taken:
        last = samples[-1]
        if begins:
            samples.append(PaceSample(last.session + 1, last.at + 9999, 0, 0, 0.0, None))
            last = samples[-1]
        at = last.at + length
        worked += at - last.at
        total += sent
        samples.append(
            PaceSample(last.session, at, last.sent + sent, last.throttled + throttled, last.waited_s + waited, 5.0)
        )
    spans = spans_of(samples)
    columns = list(columns_of(spans, spans[-1].start_s + spans[-1].length_s, count))
    length_s = worked / count
    assert sum(column.per_s * length_s for column in columns) == pytest.approx(total, abs=1e-6)
    assert all(0 <= column.paused <= 1 for column in columns)
    chart = rate_chart(samples, FRAME, count, 8)
    assert chart is not None
    assert all(FRAME.left <= lane.x <= lane.x + lane.width <= FRAME.right + 1 for lane in chart.throttled)
    assert len(chart.hovers) <= count


def test_a_run_that_was_too_short_has_no_chart_of_its_pace() -> None:
    assert rate_chart([PaceSample(1, 0.0, 0, 0, 0.0, None), PaceSample(1, 1.0, 9, 0, 0.0, 5.0)], FRAME, 99, 8) is None
    assert latency_of(0, []) is None


def test_json_in_a_script_holds_nothing_that_could_end_it() -> None:
    value = {"a": "</script><!--\u2028&"}
    assert json.loads(script_json(value)) == value
    assert not re.search("[<>&\u2028]", script_json(value))
