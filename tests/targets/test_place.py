from __future__ import annotations

from typing import Any

import jmespath
import pytest

from batchupdate.targets.place import Place, undeclared_items


@pytest.mark.parametrize(
    ("text", "value", "record"),
    [
        ("name", "A", {"name": "A"}),
        ("a.b.c", 1, {"a": {"b": {"c": 1}}}),
        (r"a\.b.c", 1, {"a.b": {"c": 1}}),
        ('say "x".y', 1, {'say "x"': {"y": 1}}),
        ("Name.title[0].text.content", "A", {"Name": {"title": [{"text": {"content": "A"}}]}}),
        ("Tags.multi_select[].name", ["a", "b"], {"Tags": {"multi_select": [{"name": "a"}, {"name": "b"}]}}),
        ("Tags.multi_select[].name", [], {"Tags": {"multi_select": []}}),
        ("phones[0]", "1", {"phones": ["1"]}),
        ("custom_fields[?id==123].value", "x", {"custom_fields": [{"id": 123, "value": "x"}]}),
        ("custom_fields[?key=='a b'].value", "x", {"custom_fields": [{"key": "a b", "value": "x"}]}),
        ("meta_data[?key==color].value", "x", {"meta_data": [{"key": "color", "value": "x"}]}),
        ('meta[?key=="1"].value.raw', "x", {"meta": [{"key": "1", "value": {"raw": "x"}}]}),
    ],
)
def test_a_value_goes_where_the_place_says_and_is_found_there(text: str, value: Any, record: dict[str, Any]) -> None:
    place, made = Place.parse(text), {}
    place.put(made, value)
    assert made == record
    assert jmespath.search(place.jmespath, record) == value


def test_several_fields_share_a_list_whose_items_are_told_apart() -> None:
    made: dict[str, Any] = {}
    for number, value in ((1, "a"), (2, "b"), (1, "c")):
        Place.parse(f"fields[?id=={number}].{'note' if value == 'c' else 'value'}").put(made, value)
    assert made == {"fields": [{"id": 1, "value": "a", "note": "c"}, {"id": 2, "value": "b"}]}


def test_null_in_the_place_of_a_list_is_null() -> None:
    made: dict[str, Any] = {}
    Place.parse("tags[].name").put(made, None)
    assert made == {"tags": None}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "ends where a name is expected"),
        ("a.", "is not a place"),
        (".a", "is not a place"),
        ("a..b", "is not a place"),
        ("[0].a", "is not a place"),
        ("a[1].b", "is not a place"),
        ("a[x].b", "is not a place"),
        ("a[?id=1].b", "is not a place"),
        ("a[0]b", "a dot is missing before 'b'"),
        ("a[].b[].c", "two lists"),
        ("a[]", "must end with a name"),
        ("a[?id==1]", "must end with a name"),
    ],
)
def test_what_is_no_place_says_why(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason.replace("[", r"\[")):
        Place.parse(text)


def test_items_of_a_list_that_no_field_names_are_found() -> None:
    places = [
        Place.parse("a.custom[?id==1].value"),
        Place.parse("a.custom[?id==2].value"),
        Place.parse("title[0].text"),
    ]
    record = {"a": {"custom": [{"id": 1, "value": "x"}, {"id": 3, "value": "y"}, {"value": "z"}]}, "title": [{}, {}]}
    assert list(undeclared_items(record, places)) == ["a.custom[?id==3]", "a.custom[?id==None]"]
    assert list(undeclared_items({"a": {"custom": None}}, places)) == []
    assert list(undeclared_items({"a": []}, places)) == []
