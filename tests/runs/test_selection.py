from __future__ import annotations

import pytest

from batchupdate.errors import ConfigError
from batchupdate.runs.selection import parse_selection


@pytest.mark.parametrize(
    ("outcome", "status", "rows", "said"),
    [
        ("fine", None, None, "--outcome 'fine' can't be sent again"),
        ("invalid", None, None, "--outcome 'invalid' can't be sent again"),
        (None, "6", None, "--status '6' is not an HTTP status"),
        (None, "4x", None, "--status '4x' is not an HTTP status"),
        (None, None, "20-10", "--rows '20-10' names no rows"),
        (None, None, "a", "--rows 'a' names no rows"),
        (None, None, "4, a,5", "--rows 'a,5' names no rows"),
    ],
)
def test_a_wish_that_means_nothing_is_refused(
    outcome: str | None, status: str | None, rows: str | None, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_selection(outcome, status, rows)
