from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchupdate.api.error_message import MAX_CHARACTERS, error_sentence


def said(data: Any, *paths: str) -> str:
    return error_sentence(json.dumps(data).encode(), paths)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"message": "Name is too long"}, "Name is too long"),
        ({"error": "name is required"}, "name is required"),
        ("just a string", "just a string"),
        (["one", "two", "one"], "one; two"),
        ({"error": {"message": "inner", "code": "E1"}}, "inner"),
        ({"error": {"code": "E1"}}, "E1"),
        ({"title": "Bad", "detail": "The name is taken", "status": 409}, "The name is taken"),
        ({"message": [{"code": "too_big", "path": ["name"], "message": "At most 40"}]}, "name: At most 40"),
        ({"message": [{"path": ["a", 0, "b"], "message": "x"}, {"message": "y"}]}, "a.0.b: x; y"),
        ({"errors": [{"code": "c1", "message": "first"}, {"code": "c2", "message": "second"}]}, "first; second"),
        ({"errors": {"name": ["too long", "taken"]}}, "name: too long; name: taken"),
        ({"errors": {"name": "too long"}}, "name: too long"),
        ({"errors": {"description": ["too long"], "name": ["taken"]}}, "description: too long; name: taken"),
        ({"error": {"errors": [{"message": "userRateLimitExceeded"}], "code": 403}}, "userRateLimitExceeded"),
        ({"error": {"errors": [{"message": "alone"}]}}, "alone"),
        ({"field": "name", "message": "name is taken"}, "name is taken"),
        ({"field": "name", "message": "is taken"}, "name: is taken"),
        ({"message": "", "error": "the next one"}, "the next one"),
        ({"message": None, "detail": {"msg": "deep"}}, "deep"),
        ({"message": "two\nlines\tand\x00more\u202e"}, "two lines and more"),
        ({"message": "half \ud800 a character"}, "half a character"),
        ({"errorMessages": [], "key": 17}, '{"errorMessages": [], "key": 17}'),
        ({"name": ["This field is required."]}, '{"name": ["This field is required."]}'),
        (17, "17"),
        (False, "false"),
        ([str(number) for number in range(9)], "0; 1; 2; 3; 4"),
    ],
)
def test_the_sentence_is_found_in_a_body_of_any_shape(data: Any, sentence: str) -> None:
    assert said(data) == sentence


@pytest.mark.parametrize("body", [b"", b"  \r\n ", b"{}", b"[]", b'""', b"null", b"\xef\xbb\xbf"])
def test_a_body_that_says_nothing_gives_no_sentence(body: bytes) -> None:
    assert error_sentence(body) == ""


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"Bad Gateway\n", "Bad Gateway"),
        (b"<html><head><title>502 Bad&nbsp;Gateway</title></head><body>x</body></html>", "502 Bad Gateway"),
        (b"<h1>Oops</h1><p>Try &amp; again</p>", "Oops Try & again"),
        (b"<title> </title><p>empty title</p>", "empty title"),
        (b"<TITLE lang=en>Up<b>per</b></TITLE>", "Up per"),
        (b"<style>p { color: red }</style><script>alert('<p>')</script><!-- <p>no</p> -->Sorry", "Sorry"),
        (b"<script>never closed", ""),
        (b"a < b and nothing more", "a < b and nothing more"),
        (b"\xef\xbb\xbf" + b'{"message": "after a mark"}', "after a mark"),
        (b"\xff\xfe\x00\x01", "��"),
        (b'{"message": "cut of', '{"message": "cut of'),
    ],
)
def test_what_is_no_json_is_told_as_plain_text(body: bytes, sentence: str) -> None:
    assert error_sentence(body) == sentence


@pytest.mark.parametrize(
    ("paths", "sentence"),
    [
        (("fault.text",), "the text"),
        (("nowhere", "fault.text"), "the text"),
        (("fault",), "fault as a whole"),
        (("nowhere",), "the usual place"),
        (("fault.list[*].text",), "a; b"),
        (("length(number)",), "the usual place"),
        (("no_such_function(@)", "fault.text"), "the text"),
        (("join(', ', fault.list[*].text)",), "a, b"),
    ],
)
def test_a_targets_own_places_are_looked_at_first(paths: tuple[str, ...], sentence: str) -> None:
    data = {
        "message": "the usual place",
        "number": 5,
        "fault": {"reason": "fault as a whole", "text": "the text", "list": [{"text": "a"}, {"text": "b"}]},
    }
    assert said(data, *paths) == sentence


def test_a_long_sentence_is_cut_where_everybody_sees_it() -> None:
    assert said({"message": "x" * MAX_CHARACTERS}) == "x" * MAX_CHARACTERS
    assert said({"message": "x" * 301}) == "x" * 299 + "…"


def test_the_sentence_is_found_in_a_body_as_large_as_the_client_keeps() -> None:
    assert said({"trace": "x" * 65_000, "message": "at the end"}) == "at the end"


@pytest.mark.parametrize(
    "body",
    [
        b"x" * 10_000_000,
        b'{"message": "' + b"x" * 10_000_000 + b'"}',
        b"<" * 1_000_000,
        b"<title>" * 200_000,
        b"<title" * 200_000,
        b"<script" * 200_000,
        b"<script>" * 200_000,
        b"<!--" * 200_000,
        b"&amp" * 200_000,
        b"[" * 1_000_000,
        b'{"error":' * 200_000,
        json.dumps({"errors": [{"message": str(number)} for number in range(4000)]}).encode(),
    ],
)
def test_a_huge_or_hostile_body_costs_little(body: bytes) -> None:
    started = time.process_time()
    assert len(error_sentence(body)) <= MAX_CHARACTERS
    assert time.process_time() - started < 0.5


def test_what_is_nested_too_deep_is_told_as_it_stands() -> None:
    data: Any = "deep"
    for _ in range(50):
        data = {"error": data}
    assert said(data).startswith('{"error": {"error": ')


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["error", "errors", "message", "path", "name", "code"]) | st.text(), inner)
    ),
)


@given(JSON.map(json.dumps).map(str.encode) | st.binary() | st.text().map(lambda text: text.encode("utf-8", "replace")))
def test_whatever_the_body_the_sentence_is_one_printable_line(body: bytes) -> None:
    sentence = error_sentence(body, ["error.message", "sort(errors)", "length(message)"])
    assert sentence.isprintable()
    assert len(sentence) <= MAX_CHARACTERS
    assert sentence == sentence.strip()
