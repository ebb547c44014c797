from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from workbooks import book

from batchupdate.reader import open_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize(
    ("sheet", "address"),
    [("changes", "changes!C2"), ("Final list", "'Final list'!C2"), ("Q1", "'Q1'!C2"), ("It's", "'It''s'!C2")],
)
def test_an_address_is_written_as_a_spreadsheet_program_does(
    make: Callable[..., Path], sheet: str, address: str
) -> None:
    with open_table(make(book((sheet, [["id", "name"], ["1", "A"]]), at=(0, 1)), "a.xlsx")) as table:
        assert table.address(2, 1) == address


def test_an_address_in_a_text_file_has_no_sheet(make: Callable[..., Path]) -> None:
    with open_table(make("id,name\n1,A\n")) as table:
        assert table.address(2, 1) == "B2"


def test_the_address_in_results_of_ours_is_that_in_the_report(make: Callable[..., Path]) -> None:
    own = "_row,_id,_outcome,_http_status,_attempts,_error,_request_id,_finished_at,_duration_ms"
    with open_table(make(f"id,{own},name\n1{',' * 10}A,spilled\n")) as table:
        assert table.columns == ("id", "name")
        assert [table.address(2, place) for place in range(3)] == ["A2", "K2", "L2"]
