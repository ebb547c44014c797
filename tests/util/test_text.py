from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchupdate.util.text import as_sentence, listed, quoted, short_names


def test_a_quoted_text_is_on_one_line_and_cut_where_it_is_long() -> None:
    assert quoted("a\nb") == "'a\\nb'"
    assert quoted("x" * 60) == f"'{'x' * 60}'"
    assert quoted("x" * 61) == f"'{'x' * 59}…'"


@pytest.mark.parametrize(
    ("text", "sentence"), [("Invalid token", "Invalid token."), ("Invalid token.", "Invalid token."), ("Why?", "Why?")]
)
def test_a_sentence_ends_with_one_stop(text: str, sentence: str) -> None:
    assert as_sentence(text) == sentence


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["x/a.csv", "x/b.csv"], ("a.csv", "b.csv")),
        (["jan/a.csv", "feb/a.csv"], ("jan/a.csv", "feb/a.csv")),
        (["a.csv", "feb/a.csv"], ("a.csv", "feb/a.csv")),
        (["/x/jan/a.csv", "/y/jan/a.csv"], ("x/jan/a.csv", "y/jan/a.csv")),
        (["/a.csv", "a.csv"], ("/a.csv", "a.csv")),
        (["https://h/a", "https://h/a"], ("https:/h/a (1)", "https:/h/a (2)")),  # their queries are not shown
        ([], ()),
    ],
)
def test_files_are_called_by_as_much_of_their_paths_as_tells_them_apart(
    paths: list[str], names: tuple[str, ...]
) -> None:
    assert short_names(paths) == names


@given(paths=st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join), unique=True, max_size=6))
def test_different_files_have_different_names(paths: list[str]) -> None:
    assert len(set(short_names(paths))) == len(paths)


def test_names_are_listed_as_people_do_and_not_without_end() -> None:
    assert listed([]) == ""
    assert listed(["a"]) == "a"
    assert listed(["a", "b"]) == "a and b"
    assert listed(list("abcdef")) == "a, b, c, d, e and f"
    assert listed(list("abcdefg")) == "a, b, c, d, e and 2 more files"
