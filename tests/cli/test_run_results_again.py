from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import openpyxl
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    from batchupdate.sandbox import Sandbox

    Cli = Callable[..., Result]
    Sandboxes = Callable[..., Sandbox]

NOBODY = "00000000-0000-4000-8000-000000000000"


def text() -> str:
    Path("in.csv").write_bytes(f"Umbenennungen\n\nid;name\n{NOBODY};Größe\n".encode("cp1252"))
    return "input: {encoding: cp1252, delimiter: ';', header_row: 3}"


def workbook() -> str:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Q4"
    for row in (["Umbenennungen"], [], ["id", "name"], [NOBODY, "Größe"]):
        sheet.append(row)
    book.save("in.xlsx")
    return "input: {sheet: Q4, header_row: 3}"


@pytest.mark.parametrize("name", ["results.csv", "failed.csv", "results.xlsx"])
@pytest.mark.parametrize(("make", "file"), [(text, "in.csv"), (workbook, "in.xlsx")])
def test_the_results_of_a_run_can_be_run_with_its_config(
    cli: Cli, batchupdate_sandbox: Sandboxes, make: Callable[[], str], file: str, name: str
) -> None:
    sandbox = batchupdate_sandbox()
    Path("batchupdate.yaml").write_text(f"target: langdock-integration\n{make()}\n", encoding="utf-8")
    common = ("--config", "batchupdate.yaml", "--base-url", sandbox.url, "--yes", "--diff", "never", "--json")
    assert cli("run", file, *common).exit_code == 1
    again = cli("run", f"batchupdate-runs/latest/{name}", *common)
    assert again.exit_code == 1, again.stderr
    assert '"failed": 1' in again.stdout


@pytest.mark.parametrize(("make", "file"), [(text, "in.csv"), (workbook, "in.xlsx")])
def test_an_annotated_copy_can_be_checked_with_the_config_of_its_input(
    cli: Cli, make: Callable[[], str], file: str
) -> None:
    Path("batchupdate.yaml").write_text(f"target: langdock-integration\n{make()}\n", encoding="utf-8")
    for name, more in ((file, ("--annotate", "checked.xlsx")), ("checked.xlsx", ())):
        checked = cli("check", name, "--config", "batchupdate.yaml", "--json", *more)
        assert checked.exit_code == 0, checked.stderr
        assert '"rows": 1' in checked.stdout
