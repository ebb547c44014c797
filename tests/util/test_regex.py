from __future__ import annotations

import pytest

from batchupdate.util.regex import compile_search


def test_a_pattern_is_searched_for_anywhere_in_the_text() -> None:
    found = compile_search("b+")
    assert found("abbc")
    assert not found("ac")


def test_a_pattern_that_backtracks_elsewhere_is_searched_for_in_no_time() -> None:
    assert not compile_search("^(a+)+$")("a" * 50_000 + "b")


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("[", "unclosed character class"),
        ("(?=a)b", "look-around, including look-ahead and look-behind, is not supported"),
        (r"(a)\1", "backreferences are not supported"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_refused_with_the_reason(pattern: str, why: str) -> None:
    with pytest.raises(ValueError, match=f"can't be used as a pattern: {why}"):
        compile_search(pattern)
