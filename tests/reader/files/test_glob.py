from __future__ import annotations

import glob
import threading
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchupdate.errors import InputError
from batchupdate.reader.files import glob as reader_glob
from batchupdate.reader.files.glob import expand, natural_key


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def refused(word: str) -> str:
    with pytest.raises(InputError) as caught:
        expand([word])
    assert caught.value.hint
    return str(caught.value)


def test_a_pattern_names_its_files_as_a_person_counts_them() -> None:
    touch("x/part 10.csv", "x/part 9.csv", "x/Part 1.csv", "x/notes.txt")
    assert expand(["x/*.csv"]) == ["x/Part 1.csv", "x/part 9.csv", "x/part 10.csv"]


def test_words_keep_their_order_and_what_is_no_pattern_stays() -> None:
    touch("b.csv", "a.csv")
    assert expand(["missing.csv", "-", "?.csv", "b.csv"]) == ["missing.csv", "-", "a.csv", "b.csv", "b.csv"]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file() -> None:
    touch("report[1].csv", "report1.csv", "a*.csv", "ab.csv")
    assert expand(["report[1].csv", "a*.csv"]) == ["report[1].csv", "a*.csv"]


def test_a_url_is_no_pattern() -> None:
    assert expand(["https://host/a?b=[1]*"]) == ["https://host/a?b=[1]*"]


def test_folders_hidden_files_and_what_office_lays_beside_are_left_out() -> None:
    touch("a.csv", ".hidden.csv", "~$open.xlsx", "open.xlsx", "sub/b.csv")
    assert expand(["*"]) == ["a.csv", "open.xlsx"]
    assert expand(["**/*.csv"]) == ["a.csv", "sub/b.csv"]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("x/*.CSV", "Did you mean a.csv or b.csv or renames1.csv?"),
        ("x/rename[1].csv", "Did you mean renames1.csv?"),
        ("x/*.json", "That folder holds a.csv, b.csv, renames1.csv."),
        ("y/*.csv", "There is no folder y; check the path."),
        ("empty/*.csv", "There is no table in that folder."),
        ("*/*.json", "Check the pattern and its folders."),
    ],
)
def test_a_pattern_that_matches_nothing_is_told_with_what_is_near(word: str, said: str) -> None:
    touch("x/a.csv", "x/b.csv", "x/renames1.csv", "x/~$a.csv", "empty/.hidden.csv")
    assert refused(word) == f"No file matches {word!r}. {said}"


def test_a_folder_that_cannot_be_looked_into_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    touch("x/a.csv")

    def fail(_path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", fail)
    assert "The folder x can't be looked into: Permission denied." in refused("x/*.json")


@given(paths=st.lists(st.text(st.sampled_from("aB1٣²0/. "), min_size=1, max_size=8), max_size=6))
def test_any_paths_can_be_sorted(paths: list[str]) -> None:
    keys = sorted(map(natural_key, paths))
    assert all(one <= other for one, other in pairwise(keys))


def test_a_search_that_takes_long_says_so_while_it_goes_on_and_a_short_one_says_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    touch("a.csv")
    said: list[str] = []
    heard = threading.Event()

    def say(text: str) -> None:
        said.append(text)
        heard.set()

    assert expand(["*.csv"], say) == ["a.csv"]
    assert said == []
    monkeypatch.setattr(reader_glob, "LONG_S", 0.0)
    monkeypatch.setattr(glob, "glob", lambda *_args, **_options: ["a.csv"] if heard.wait(30) else [])
    assert expand(["**/*.csv"], say) == ["a.csv"]
    assert said == ["Still searching for files that match '**/*.csv'; Ctrl-C stops that."]
