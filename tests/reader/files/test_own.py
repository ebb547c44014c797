from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

MARK = "\ufeff"
OWN = "_row,_id,_outcome,_http_status,_attempts,_error,_request_id,_finished_at,_duration_ms"
AFTER = "2,1,failed,500,3,no,r,2026-11-21T18:45:00Z,12"
SAID: dict[str, Any] = {"sheet": "Q4", "encoding": "cp1252", "delimiter": ";", "header_row": 3}


@pytest.mark.parametrize(
    ("head", "rows"),
    [
        (f"id,name,{OWN}", [f"1,Größe,{AFTER}"] * 3),
        (f'"na""me, or\nso",id,name,{OWN}', [f"x,1,Größe,{AFTER}"] * 3),
        ("id,name,_old.name", ["1,Größe,Alt"] * 3),
        ("id,name,expected.name,_undo_of", ["1,Größe,Alt,R"] * 3),
    ],
)
def test_what_is_said_of_the_input_does_not_hold_for_a_file_of_ours(
    read: Callable[..., Any], head: str, rows: list[str]
) -> None:
    text = "\n".join([head, *rows])
    got = read(MARK + text, **SAID)
    assert len(got.rows) == 3
    assert all("Größe" in row.cells for row in got.rows)


def test_expectations_alone_make_no_file_of_ours(refused: Callable[..., str]) -> None:
    assert refused(f"{MARK}id,name,expected.name\n1,A,B\n", sheet="Q4")


@pytest.mark.parametrize("begin", ["", MARK])
def test_it_holds_for_files_of_others(refused: Callable[..., str], begin: str) -> None:
    head = f"id,name,{OWN}" if not begin else "id,name,_outcome"
    assert refused(f"{begin}{head}\n1,A,{AFTER}\n", sheet="Q4")


def test_one_that_was_saved_with_semicolons_is_read_as_the_config_says(read: Callable[..., Any]) -> None:
    text = f"id,name,{OWN}\n1,Größe,{AFTER}\n".replace(",", ";")
    assert read(text.encode("cp1252"), encoding="cp1252", delimiter=";").cells == [("1", "Größe")]
