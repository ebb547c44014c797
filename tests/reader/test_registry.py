from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from workbooks import book

if TYPE_CHECKING:
    from collections.abc import Callable


TABLE = [["id", "name"], ["007", "A"], ["", ""], ["NA", "B"]]


@pytest.mark.parametrize("option", ["encoding", "delimiter"])
def test_options_of_text_files_are_refused_for_a_workbook(refused: Callable[..., str], option: str) -> None:
    assert f"--{option} means nothing" in refused(book(("s", TABLE)), "a.xlsx", **{option: "x"})
