from __future__ import annotations

from typing import Any

import pytest
from multidict import CIMultiDict

from batchupdate.engine.listing.pager import LONGEST_PATH, Pager, next_link, with_query
from batchupdate.targets import Listing, UnexpectedReplyError

BASE = "https://api.example.test/base"
Replies = list[tuple[Any, int]]
"""What each page says, and how many records it has."""


def pager(pagination: Any, path: str = "/things", base: str = BASE, **told: Any) -> Pager:
    return Pager(Listing.model_validate({"path": path, "pagination": pagination, **told}), base)


def walk(made: Pager, replies: Replies) -> list[str]:
    """The paths that were asked for; the last reply must be the last page."""
    asked = []
    for number, (reply, count) in enumerate(replies, 1):
        asked.append(made.path)
        assert made.number == number
        assert made.turn(reply, {}, count) is (number < len(replies))
    return asked


def refusal(pagination: Any, reply: Any, headers: dict[str, str] | None = None) -> str:
    with pytest.raises(UnexpectedReplyError) as caught:
        pager(pagination).turn(reply, headers or {}, 1)
    return str(caught.value)


CURSOR = {"style": "cursor", "parameter": "after", "next": "paging.after"}
LAST_ID = {"style": "cursor", "parameter": "starting_after", "next": "data[-1].id", "more": "has_more"}
PAGE = {"style": "page", "parameter": "page"}
SIZED = {**PAGE, "size_parameter": "per_page", "size": 2}
OFFSET = {"style": "offset", "parameter": "skip", "size_parameter": "take", "size": 2}
NEXT = {"style": "next", "next": "links.next"}


def test_without_pagination_there_is_one_page() -> None:
    assert walk(pager("none", "/things?a=1"), [([{}], 500)]) == ["/base/things?a=1"]


def test_a_cursor_goes_along_until_there_is_none() -> None:
    replies: Replies = [({"paging": {"after": "a/b&c"}}, 2), ({"paging": {"after": 7}}, 0), ({"paging": {}}, 2)]
    assert walk(pager(CURSOR, "/things?limit=2"), replies) == [
        "/base/things?limit=2",
        "/base/things?limit=2&after=a%2Fb%26c",
        "/base/things?limit=2&after=7",
    ]


@pytest.mark.parametrize("end", [None, "", False])
def test_an_empty_cursor_is_none(end: object) -> None:
    assert walk(pager(CURSOR), [({"paging": {"after": end}}, 2)]) == ["/base/things"]


def test_the_last_records_id_can_be_the_cursor() -> None:
    replies: Replies = [
        ({"data": [{"id": "a"}, {"id": "b"}], "has_more": True}, 2),
        ({"data": [{"id": "c"}], "has_more": False}, 1),
    ]
    assert walk(pager(LAST_ID), replies) == ["/base/things", "/base/things?starting_after=b"]


def test_more_records_without_a_cursor_are_told() -> None:
    assert "there are more records, but the reply has no cursor (data[-1].id)" in refusal(
        LAST_ID, {"data": [], "has_more": True}
    )


@pytest.mark.parametrize("cursor", [{"a": 1}, [1], True, 1.5])
def test_a_cursor_that_is_none_is_told(cursor: object) -> None:
    assert "neither text nor a number" in refusal(CURSOR, {"paging": {"after": cursor}})


def test_the_same_cursor_twice_goes_in_a_circle() -> None:
    made = pager(CURSOR)
    assert made.turn({"paging": {"after": "a"}}, {}, 1)
    assert made.turn({"paging": {"after": "b"}}, {}, 1)
    with pytest.raises(UnexpectedReplyError, match="page 4 would be one that was already read; the pages form a loop"):
        made.turn({"paging": {"after": "a"}}, {}, 1)


def test_an_endless_list_is_stopped() -> None:
    made = pager(CURSOR, max_pages=3)
    assert made.turn({"paging": {"after": 1}}, {}, 1)
    assert made.turn({"paging": {"after": 2}}, {}, 1)
    with pytest.raises(UnexpectedReplyError, match=r"the list has more than 3 pages \(list.max_pages\)"):
        made.turn({"paging": {"after": 3}}, {}, 1)


def test_an_absurd_cursor_is_refused() -> None:
    assert "is longer than 8,000 characters" in refusal(CURSOR, {"paging": {"after": "x" * LONGEST_PATH}})


def test_pages_are_counted_until_one_is_empty() -> None:
    assert walk(pager(PAGE), [({}, 3), ({}, 1), ({}, 0)]) == [f"/base/things?page={number}" for number in (1, 2, 3)]


def test_the_first_page_can_have_another_number() -> None:
    assert walk(pager({**PAGE, "first": 0}), [({}, 1), ({}, 0)]) == ["/base/things?page=0", "/base/things?page=1"]


def test_a_short_page_after_a_full_one_is_the_last() -> None:
    assert walk(pager(SIZED), [({}, 2), ({}, 1)]) == [
        "/base/things?page=1&per_page=2",
        "/base/things?page=2&per_page=2",
    ]


def test_a_short_first_page_is_not_believed_for_the_api_may_give_fewer_than_are_asked_for() -> None:
    assert len(walk(pager({**SIZED, "size": 500}), [({}, 100), ({}, 100), ({}, 0)])) == 3


@pytest.mark.parametrize(("first", "asked"), [(None, [1, 2, 3]), (0, [0, 1, 2])])
def test_the_number_of_pages_can_be_told(first: int | None, asked: list[int]) -> None:
    made = pager({**PAGE, "pages": "meta.pages", **({} if first is None else {"first": first})})
    paths = walk(made, [({"meta": {"pages": 3}}, 0), ({"meta": {"pages": 3}}, 2), ({"meta": {"pages": 3}}, 2)])
    assert paths == [f"/base/things?page={number}" for number in asked]


def test_an_offset_grows_by_what_came() -> None:
    assert walk(pager(OFFSET), [({}, 2), ({}, 2), ({}, 1)]) == [
        f"/base/things?skip={skip}&take=2" for skip in (0, 2, 4)
    ]
    capped = walk(pager({**OFFSET, "size": 500}), [({}, 100), ({}, 50), ({}, 0)])
    assert capped == [f"/base/things?skip={skip}&take=500" for skip in (0, 100, 150)]


def test_the_total_can_be_told() -> None:
    made = pager({"style": "offset", "parameter": "skip", "total": "total", "first": 1})
    assert walk(made, [({"total": 4}, 2), ({"total": 4}, 2)]) == ["/base/things?skip=1", "/base/things?skip=3"]
    assert walk(pager({"style": "offset", "parameter": "skip", "total": "total"}), [({"total": 4}, 0)])


@pytest.mark.parametrize("value", [None, "3", True, 2.5])
def test_a_total_that_is_no_number_is_told(value: object) -> None:
    assert "meta.pages must find a whole number " in refusal(
        {**PAGE, "pages": "meta.pages"}, {"meta": {"pages": value}}
    )


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://api.example.test/base/things?page=2", "/base/things?page=2"),
        ("HTTPS://API.example.test:443/v9?x=%20y", "/v9?x=%20y"),
        ("/other?a=1#top", "/other?a=1"),
        ("?page=2", "/base/things?page=2"),
        ("more", "/base/more"),
        ("//api.example.test/x", "/x"),
        ("https://api.example.test?a=b", "/?a=b"),
        ("/a b?q=ä", "/a%20b?q=%C3%A4"),
    ],
)
def test_the_next_url_may_be_absolute_or_relative(url: str, path: str) -> None:
    made = pager(NEXT)
    assert made.turn({"links": {"next": url}}, {}, 1)
    assert (made.origin, made.path) == ("https://api.example.test", path)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/base/things?page=2",
        "//evil.example/x",
        "http://api.example.test/base/things?page=2",
        "https://api.example.test:8443/x",
        "https://api.example.test@evil.example/x",
        "https://user:pw@api.example.test/x",
        "https://api.example.test.evil.example/x",
        "file:///etc/passwd",
        "javascript:alert(1)",
    ],
)
def test_a_next_url_elsewhere_gets_no_key(url: str) -> None:
    for told in (refusal(NEXT, {"links": {"next": url}}), refusal("link", {}, {"link": f'<{url}>; rel="next"'})):
        assert "the key is sent only to https://api.example.test" in told


@pytest.mark.parametrize("url", ["https:///x", "https:\\\\evil.example/x", "\\\\evil.example/x"])
def test_a_next_url_without_a_host_is_one_below_our_own(url: str) -> None:
    made = pager(NEXT)
    assert made.turn({"links": {"next": url}}, {}, 1)
    assert made.origin == "https://api.example.test"
    assert made.path.startswith("/")
    assert not made.path.startswith("//")


@pytest.mark.parametrize("url", ["https://[::1", "https://api.example.test:99999999/x"])
def test_a_next_url_that_is_none_is_told(url: str) -> None:
    assert "is not a web address" in refusal(NEXT, {"links": {"next": url}})


def test_the_port_of_the_base_url_counts() -> None:
    made = pager(NEXT, base="http://127.0.0.1:8080")
    assert made.turn({"links": {"next": "http://127.0.0.1:8080/b"}}, {}, 1)
    with pytest.raises(UnexpectedReplyError, match=r"sent only to http://127\.0\.0\.1:8080"):
        made.turn({"links": {"next": "http://127.0.0.1/b"}}, {}, 1)


def test_links_are_followed_to_the_end() -> None:
    made = pager("link")
    headers = CIMultiDict([("Link", "</first>; rel=first"), ("link", '<https://api.example.test/p2>; rel="next"')])
    assert made.turn([], headers, 1)
    assert made.path == "/p2"
    assert not made.turn([], {"link": '</p1>; rel="prev"'}, 1)


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ('<https://a/b?c=d,e;f>; rel="next"', "https://a/b?c=d,e;f"),
        ('<a>; rel="prev", <b>; rel="next", <c>; rel="last"', "b"),
        ('<a>; title="x, <y>; rel=\\"next\\""; rel=prev, < b >;rel=NEXT', "b"),
        ('<a>; rel="last  next"', "a"),
        ("<a>;rel=next;type=text", "a"),
        ("<a>", None),
        ('<a>; rel="nextish"', None),
        ("", None),
        ("<", None),
    ],
)
def test_a_link_header_is_read_as_rfc_8288_has_it(value: str, url: str | None) -> None:
    assert next_link([value]) == url


def test_query_parameters_are_set_once() -> None:
    assert with_query("/a?page=1&b=2&page=3", {"page": "4 5"}) == "/a?b=2&page=4%205"


@pytest.mark.parametrize(("pagination", "gone"), [(PAGE, True), (OFFSET, True), (CURSOR, False)])
def test_a_page_that_is_gone_ends_counted_pages_only(pagination: dict[str, Any], *, gone: bool) -> None:
    made = pager(pagination)
    assert not made.may_be_gone
    assert made.turn({"paging": {"after": "a"}}, {}, 2)
    assert made.may_be_gone is gone
