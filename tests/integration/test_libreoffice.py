"""Files that LibreOffice has opened and saved: results of a run, and tables of any text."""

from __future__ import annotations

import csv
import random
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from fakes import QuickClock
from libreoffice import SPECIAL_NUMBERS, UTF_8, LibreOffice, as_text, libreoffice

from batchupdate import Settings
from batchupdate.config.yaml_file import parse
from batchupdate.reader import open_table
from batchupdate.roundtrip.sheet import Columns, Form, PulledRow, open_sheet
from batchupdate.run import check_file, execute, prepare
from batchupdate.sandbox import LANGDOCK_KEY, Sandbox, make_records
from batchupdate.spreadsheet.reserved_columns import RESULT_COLUMNS
from batchupdate.targets import Target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batchupdate.model import Problem
    from batchupdate.reporter import Summary

pytestmark = pytest.mark.third_party("libreoffice")

IDS = [record.id for record in make_records().langdock]
STRANGERS = [f"00000000-0000-4000-8000-{number:012}" for number in range(100)]
KEPT = [
    '=HYPERLINK("http://a.example","x")', "=1+1", "+49 30 1234567", "-5", "@SUM(1)", " =A1", "''=A1", "'tis", "'",
    "1/2", "3-4", "2026-11-21", "12:30", "50%", "€ 12.50", "TRUE", "true", "NA", "1e5x", "12 34", "(12)",
    "Zürich “Büro” 😀", "日本語 ✓", "two\nlines", 'a "quoted", text', "a;b|c", "  spaces  ", "\ttab", "<empty>",
]  # fmt: skip
CHANGED = {
    "007": "7",
    "1.50": "1.5",
    "3.0": "3",
    "1,234": "1234",
    "1E5": "100000",
    "219E01": "2190",
    "00": "0",
}
"""What a name becomes where it is imported as "Standard", the type that LibreOffice proposes."""
SUFFIXES = ["csv", "xlsx", "ods"]
BY_KEY = """
name: by-key
title: By any key
path: /integrations/v1/{key}
auth: {scheme: bearer, env: LANGDOCK_API_KEY}
id: {key: {}}
fields: {name: {}}
"""


@pytest.fixture(scope="module")
def office() -> Iterator[LibreOffice]:
    with libreoffice() as found:
        yield found


def write(path: Path, rows: list[list[str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def settings(folder: Path, sandbox: Sandbox | None = None, target: str = "langdock-integration") -> Settings:
    chosen: dict[str, Any] = {"target": target, "runs_dir": folder / "runs", "rate": "unlimited"}
    chosen |= {"timeout": 1000.0, "connect_timeout": 1000.0}  # ten seconds, by the quick clock
    chosen["base_url"] = sandbox.url if sandbox else "http://127.0.0.1:9"
    return Settings.model_validate({**chosen, "input": {"strictness": "lenient"}})


async def run(source: Path, folder: Path, target: str = "langdock-integration") -> tuple[Summary, dict[str, str]]:
    """Applies a file to a new sandbox: the summary, and the name that each record was given."""
    async with Sandbox() as sandbox:
        chosen = settings(folder, sandbox, target)
        with prepare(
            source, chosen, new=True, environ={"LANGDOCK_API_KEY": LANGDOCK_KEY}, clock=QuickClock()
        ) as prepared:
            summary = await execute(prepared)
        return summary, {change.id: change.fields["name"] for change in sandbox.applied if change.fields}


def cells_of(path: Path) -> list[tuple[str, ...]]:
    with open_table(path) as table:
        return [row.cells for batch in table.batches() for row in batch]


async def first_run(folder: Path) -> tuple[Summary, dict[str, str]]:
    """A run of every name, once for a record that there is and once for one that there is not."""
    names = [*KEPT[:-1], *CHANGED]
    rows = [
        list(pair) for pair in zip([*IDS, *STRANGERS], [*names, *["x"] * (len(IDS) - len(names)), *names], strict=False)
    ]
    return await run(write(folder / "in.csv", [["id", "name"], *rows]), folder)


@pytest.mark.parametrize("suffix", SUFFIXES)
async def test_results_that_libreoffice_saved_set_the_same_names_on_the_same_records(
    office: LibreOffice, tmp_path: Path, suffix: str
) -> None:
    summary, given = await first_run(tmp_path)
    assert set(given.values()) > {*KEPT[:-1], *CHANGED}  # nothing was run or changed the first time
    files = [summary.folder / "results.csv", summary.folder / "failed.csv"]
    results, failed = office.save_as(suffix, files, tmp_path, opened_as=UTF_8)
    for before, after in zip(cells_of(files[1]), cells_of(failed), strict=True):
        assert after == (before[0], CHANGED.get(before[1], before[1]))
    again, given_again = await run(results, tmp_path)
    assert again.counts == summary.counts
    assert given_again == {record: CHANGED.get(name, name) for record, name in given.items()}


@pytest.mark.parametrize("suffix", SUFFIXES)
async def test_results_that_are_imported_as_text_come_back_without_any_change(
    office: LibreOffice, tmp_path: Path, suffix: str
) -> None:
    summary, given = await first_run(tmp_path)
    results = summary.folder / "results.csv"
    [saved] = office.save_as(suffix, [results], tmp_path, opened_as=as_text(2 + len(RESULT_COLUMNS)))
    assert cells_of(saved) == cells_of(results)
    _, given_again = await run(saved, tmp_path)
    assert given_again == given


async def test_an_id_that_came_back_as_another_one_is_never_sent(office: LibreOffice, tmp_path: Path) -> None:
    keys = "007 7 12345678901234567890 1234567890123456 123456789012345 1E5 219E01 1.50 1,234 00 1/2 2026-11-21 +49 a-7"
    target = tmp_path / "by-key.yaml"
    target.write_text(BY_KEY, "utf-8")
    source = write(tmp_path / "in.csv", [["name", "key"], *(["Sales", key] for key in keys.split())])
    summary, _ = await run(source, tmp_path, str(target))
    failed = summary.folder / "failed.csv"
    assert [key for _, key in cells_of(failed)] == keys.split()
    for suffix, opened_as in product(SUFFIXES, (UTF_8, SPECIAL_NUMBERS)):
        [saved] = office.save_as(suffix, [failed], tmp_path, opened_as=opened_as)
        problems: list[Problem] = []
        checkup = check_file(saved, settings(tmp_path, target=str(target)), on_problem=problems.append, environ={})
        changed = [key for key, (_, now) in zip(keys.split(), cells_of(saved), strict=True) if key != now]
        assert {"007", "12345678901234567890", "1E5", "219E01", "1.50", "1,234", "00"} <= set(changed)
        stopped = [problem.message for problem in problems if problem.level == "error"]
        assert [key for key in keys.split() if any(f"was {key!r} in the run" in told for told in stopped)] == changed
        assert checkup.invalid == len(changed)
        if opened_as == SPECIAL_NUMBERS:
            assert "1/2" in changed


def any_text(chance: random.Random) -> str:
    """Letters, blanks, marks and signs from all of Unicode, and what spreadsheet programs look for."""
    kind = chance.random()
    if kind < 0.15:
        return chance.choice([*KEPT, *CHANGED, ""])
    letters = ("ab 'Zz\",;=+-@#0123456789.\t\n", "äßéñ\u00a0\u200b\u0301\u05d0\u0627\u202e€“”")
    return "".join(
        chance.choice(letters[kind < 0.4]) if kind < 0.6 else _any_character(chance)
        for _ in range(chance.randrange(15))
    )


def _any_character(chance: random.Random) -> str:
    while True:
        code = chance.choice(
            [chance.randrange(0xA0, 0x3000), chance.randrange(0xA0, 0x10000), chance.randrange(0x110000)]
        )
        odd = 0xD800 <= code < 0xE000 or 0xFDD0 <= code < 0xFDF0 or code & 0xFFFE == 0xFFFE or code == 0xFEFF
        if code >= 0xA0 and not odd:
            return chr(code)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_any_text_that_libreoffice_saved_comes_back_cell_by_cell(
    office: LibreOffice, tmp_path: Path, suffix: str
) -> None:
    seed = random.randrange(1 << 32)  # noqa: S311 - no secret
    chance = random.Random(seed)  # noqa: S311 - as above
    rows = [[str(number), *(any_text(chance) for _ in range(4))] for number in range(600)]
    if suffix == "ods":  # LibreOffice itself drops tabs there, in cells of several lines
        rows = [[cell.replace("\t", "") if "\n" in cell else cell for cell in row] for row in rows]
    source = write(tmp_path / "t.csv", [["id", "a", "b", "c", "d"], *rows])
    (tmp_path / "to").mkdir()
    [saved] = office.save_as(suffix, [source], tmp_path / "to", opened_as=as_text(5))
    for number, (want, got) in enumerate(zip(rows, cells_of(saved), strict=True)):
        assert list(got) == want, f"row {number} of seed {seed}"


@pytest.mark.parametrize(("suffix", "opened_as"), list(product(SUFFIXES, (UTF_8, SPECIAL_NUMBERS))))
async def test_a_pulled_sheet_that_libreoffice_saved_sends_only_edits_and_to_no_other_record(
    office: LibreOffice, tmp_path: Path, suffix: str, opened_as: str
) -> None:
    target = tmp_path / "by-key.yaml"
    listed = "fields: {name: {}, size: {type: number}, live: {type: boolean}}\nlist: {path: /a}\n"
    target.write_text(BY_KEY.replace("fields: {name: {}}\n", listed), "utf-8")
    keys = ["007", "12345678901234567890", "1E5", "+49", "a-7"]
    columns = Columns.pulled(parse(target.read_bytes(), Target, "target", "t"), "mine")
    for name, form in (("unedited", Form.CSV), ("edited", Form.CSV)):
        with open_sheet(tmp_path / f"{name}.csv", form, columns) as sheet:
            for key in keys:
                new = ("New",) if name == "edited" else ("007",)
                sheet.add(PulledRow((key,), (*new, "1.50", "true"), ("007", "1.5", "TRUE")))
    files = [tmp_path / "unedited.csv", tmp_path / "edited.csv"]
    unedited, edited = office.save_as(suffix, files, tmp_path / "saved", opened_as=opened_as)
    chosen = settings(tmp_path, target=str(target))
    assert check_file(unedited, chosen, environ={}).untouched == len(keys)
    checkup = check_file(edited, chosen, environ={})
    assert (checkup.codes["id_as_number"], checkup.invalid, checkup.untouched) == (3, 3, 0)
