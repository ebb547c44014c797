from __future__ import annotations

from typing import TYPE_CHECKING

import openpyxl

from batchupdate.sandbox import Sandbox, make_records

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    Cli = Callable[..., Result]
    Sandboxes = Callable[..., Sandbox]

RECORDS = make_records().langdock


TARGET = "langdock-integration"


FAST = ("--rate", "unlimited", "--yes")


def edit(path: str, cells: dict[tuple[int, str], str | None]) -> None:
    """Edits some cells, by row and heading, as a spreadsheet program would."""
    book = openpyxl.load_workbook(path)
    sheet = book["changes"]
    places = {cell.value: cell.column for cell in sheet[1]}
    for (row, heading), text in cells.items():
        sheet.cell(row, places[heading]).value = text
    book.save(path)


def test_a_template_filled_in_runs(cli: Cli, batchupdate_sandbox: Sandboxes) -> None:
    sandbox = batchupdate_sandbox()
    made = cli("template", TARGET)
    assert (made.exit_code, made.stderr) == (0, "")
    assert "langdock-integration.xlsx: fill it in, then: batchupdate check" in made.stdout
    empty = cli("check", f"{TARGET}.xlsx", "--target", TARGET)
    assert (empty.exit_code, empty.stderr) == (0, "")
    assert empty.stdout == "There is nothing to do: the file has no data rows.\n"
    edit(
        f"{TARGET}.xlsx", {(2, "integrationId"): RECORDS[0].id, (2, "name"): "From a template", (2, "color"): "<null>"}
    )
    checked = cli("check", f"{TARGET}.xlsx", "--target", TARGET)
    assert (checked.exit_code, checked.stderr) == (0, "")
    assert cli("run", f"{TARGET}.xlsx", "--target", TARGET, *FAST, "--base-url", sandbox.url).exit_code == 0
    assert [change.fields for change in sandbox.applied] == [{"name": "From a template", "color": None}]
