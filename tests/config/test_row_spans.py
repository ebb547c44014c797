from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from batchupdate.config.row_spans import RowSpan, parse_rows, rows_text
from batchupdate.errors import ConfigError

SPANS = st.lists(
    st.builds(
        lambda file, first, more: RowSpan(file, first, first + more),
        st.from_regex(r"|[a-z][a-z, .]{0,8}[a-z]", fullmatch=True),
        st.integers(0, 10_000),
        st.integers(0, 50),
    ),
    min_size=1,
)


@given(spans=SPANS)
@example(spans=[RowSpan("a ,a", 0, 0)])
def test_rows_are_read_as_they_are_written(spans: list[RowSpan]) -> None:
    assert parse_rows(rows_text(tuple(spans))) == tuple(spans)


@pytest.mark.parametrize("said", ["", "x", "20-10", "1-", "-5", "4;9", "b.csv:", None, 2.5, "5,20-10", "1" * 13])
def test_what_names_no_rows_is_refused_with_the_form(said: object) -> None:
    with pytest.raises(ValueError, match="names no rows; write 10-20, or several: 4,10-20,31"):
        parse_rows(said)


@pytest.mark.parametrize(
    ("said", "names", "message"),
    [
        ("b.csv:4", (), "names a file, but this run has only one"),
        ("4", ("a.csv", "b.csv"), "names no file, but this run has several"),
        ("c.csv:4-9", ("a.csv", "b.csv"), "'c.csv', which this run does not have"),
    ],
)
def test_a_file_is_named_where_there_are_several(said: str, names: tuple[str, ...], message: str) -> None:
    (span,) = parse_rows(said)
    with pytest.raises(ConfigError, match=message):
        span.file_index(names)
