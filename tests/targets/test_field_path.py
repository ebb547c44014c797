from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchupdate.targets import field_path

members = st.lists(st.text(min_size=1, max_size=5) | st.sampled_from([".", "\\", "a.b", "\\.", "..\\"]), min_size=1)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("city", ("city",)),
        ("address.city", ("address", "city")),
        ("a.b.c", ("a", "b", "c")),
        (r"a\.b", ("a.b",)),
        (r"a\\.b", ("a\\", "b")),
        (r"a\\\.b.c", ("a\\.b", "c")),
        (" a .b", (" a ", "b")),
    ],
)
def test_a_dot_leads_into_an_object_and_a_backslash_makes_it_a_letter(name: str, path: tuple[str, ...]) -> None:
    assert field_path.split(name) == path


@given(members)
def test_every_place_has_one_name(path: list[str]) -> None:
    name = ".".join(map(field_path.escaped, path))
    assert field_path.split(name) == tuple(path)
    assert field_path.plain(name) == ".".join(path)


@pytest.mark.parametrize("name", ["", ".", "a.", ".a", "a..b"])
def test_a_member_without_a_name_is_refused(name: str) -> None:
    with pytest.raises(
        ValueError, match=re.escape(r"there is no name before or after a dot; write \. for a dot that belongs")
    ):
        field_path.split(name)


@pytest.mark.parametrize("name", ["a\\", r"a\b", r"a\\\b", r"a.\ "])
def test_a_backslash_before_anything_else_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="a backslash must be followed by a dot or another backslash; write"):
        field_path.split(name)


def test_members_stand_in_the_order_in_which_they_are_first_named() -> None:
    paths = {name: field_path.split(name) for name in ("a.y", "b", "a.x", "a.z.q")}
    made: dict[str, Any] = {}
    field_path.nest({"a.y": 1, "b": 2, "a.x": None, "a.z.q": []}, paths, made)
    assert made == {"a": {"y": 1, "x": None, "z": {"q": []}}, "b": 2}
    assert [list(made), list(made["a"])] == [["a", "b"], ["y", "x", "z"]]


@pytest.mark.parametrize(
    ("name", "item"),
    [
        ("labels[0]", ("labels", 0)),
        ("a.labels[12]", ("a.labels", 12)),
        ("labels[ 07 ] ", ("labels", 7)),
        ("a[1][2]", ("a[1]", 2)),
        ("labels", None),
        ("labels[]", None),
        ("labels[-1]", None),
        ("labels[x]", None),
        ("[0]", None),
        ("labels[0].a", None),
        ("labels[٣]", None),
        (f"labels[{'9' * 5000}]", None),
    ],
)
def test_a_name_of_an_item_is_known(name: str, item: tuple[str, int] | None) -> None:
    assert field_path.item_of(name) == item
