from __future__ import annotations

import pytest
from declarations import PLAIN, complaint, read


def with_search(text: str, more: str = "") -> str:
    return f"{PLAIN}search: {text}\n{more}"


def test_a_search_needs_a_field_in_its_path_and_fills_it_encoded() -> None:
    target = read(with_search('{path: "/a?q={name}&s={size}"}'))
    assert target.search is not None
    assert target.search.asks_by == ("name", "size")
    assert target.search.for_values({"name": "a/b ü&", "size": "1"}).path == "/a?q=a%2Fb%20%C3%BC%26&s=1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{path: /a}", "path has no {field}"),
        ('{path: "/a?q={other}"}', "path uses {other}, which is not declared under fields or variables"),
        ('{path: "a?q={name}"}', "path must start with '/'"),
        ('{path: "/a?q={name}}"}', "path must start with '/'"),
        ('{path: "/a?q={name}", method: POST}', "a search is a GET"),
        ('{path: "/a?q={name}", fields: {other: x}}', "'other' is not declared under fields"),
    ],
)
def test_a_search_that_can_not_be_asked_is_refused(text: str, said: str) -> None:
    assert said in complaint(with_search(text))


def test_a_variable_that_only_a_search_uses_need_not_have_a_value_for_a_run() -> None:
    target = read(with_search('{path: "/{site}/a?q={name}"}', "variables: {site: {}}\n"))
    assert target.list_variables == {"site"}
    filled = target.with_variables({"site": "x y"})
    assert filled.search is not None
    assert filled.search.path == "/x%20y/a?q={name}"
