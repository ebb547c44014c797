from __future__ import annotations

from typing import Any

import pytest
from declarations import PLAIN, TWO, read, swapped
from hypothesis import given
from hypothesis import strategies as st
from uritemplate import URITemplate
from yarl import URL

from batchupdate.errors import ConfigError
from batchupdate.targets import Target


def test_a_path_can_hold_a_query() -> None:
    assert read(swapped(".json", "?idProperty=email")).expand(("1", "a@b")) == "/a/1/b/a%40b?idProperty=email"


NAMES = st.lists(
    st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,5}", fullmatch=True), min_size=1, max_size=3, unique_by=str.lower
)


@given(st.data())
def test_expand_agrees_with_rfc_6570(data: st.DataObject) -> None:
    names = [name for name in data.draw(NAMES) if name.strip("_")] or ["id"]
    names = list({name.replace("_", "").lower(): name for name in names}.values())
    fixed = st.text("abc/.-~%2F:@!$&'()*+,;=", max_size=5)
    path = "/" + "".join(f"{data.draw(fixed)}/{{{name}}}" for name in names) + data.draw(fixed)
    target = Target.model_validate(
        {"name": "t", "title": "", "path": path, "auth": {"scheme": "none"}}
        | {"id": {name: {} for name in names}, "fields": {"-f-f-f-f-f-f-f": {}}}
    )
    ids = data.draw(st.tuples(*[st.text(st.characters(exclude_categories=["Cs"]), min_size=1) for _ in names]))
    variables = dict(zip(names, ids, strict=True))
    fixed_only = path
    for name in names:
        fixed_only = fixed_only.replace(f"{{{name}}}", "\x00" + name + "\x00")
    oracle = "".join(
        URITemplate(f"{{{part}}}").expand(variables) if index % 2 else part
        for index, part in enumerate(fixed_only.split("\x00"))
    )
    assert target.expand(ids) == oracle


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.text(min_size=1, alphabet="/?#%2F.\\;@: \r\n\0é")
)
def test_no_id_leaves_its_path_segment(one: str, two: str) -> None:
    path = TWO.expand((one, two))
    assert path.isascii()
    assert path.isprintable()
    assert " " not in path
    assert [path.count(mark) for mark in "/?#"] == [4, 0, 0]
    url = URL("https://api.example.com" + path, encoded=True)
    assert url.host == "api.example.com"
    assert not url.query_string
    assert url.raw_path.split("/")[1::2] == ["a", "b"]
    if one not in {".", ".."}:
        assert URL(str(url)).parts[2] == one


@pytest.mark.parametrize(
    ("value", "segment"),
    [
        ("a/b", "a%2Fb"),
        ("%2F", "%252F"),
        ("?x=1", "%3Fx%3D1"),
        ("#f", "%23f"),
        ("../..", "..%2F.."),
        ("é", "%C3%A9"),
        ("\r\nX: 1", "%0D%0AX%3A%201"),
        ("a-b._~", "a-b._~"),
        ("{y}", "%7By%7D"),
    ],
)
def test_an_id_is_percent_encoded_but_for_the_unreserved_characters(value: str, segment: str) -> None:
    assert TWO.expand((value, "1")) == f"/a/{segment}/b/1.json"


@pytest.mark.parametrize(
    ("override", "allow_http", "base"),
    [
        (None, False, "https://api.example.com/base"),
        ("https://own.example.com/api/public/", False, "https://own.example.com/api/public"),
        ("http://localhost:8080", False, "http://localhost:8080"),
        ("http://127.0.0.1:1/", False, "http://127.0.0.1:1"),
        ("http://[::1]:1", False, "http://[::1]:1"),
        ("http://intranet", True, "http://intranet"),
    ],
)
def test_the_base_url_is_the_users_or_the_targets(override: str | None, allow_http: Any, base: str) -> None:
    assert TWO.base(override, allow_http=allow_http) == base


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://api.example.com", "would send your key unencrypted"),
        ("http://localhost.example.com", "would send your key unencrypted"),
        ("http://127.0.0.1.example.com", "would send your key unencrypted"),
        ("api.example.com", "is not a web address such as https://api.example.com"),
        ("https://", "is not a web address"),
        ("https://a b", "is not a web address"),
        ("https://api.example.com\n", "is not a web address"),
        ("https://exämple.com", "is not a web address"),
        ("https://[::1", "is not a web address: Invalid IPv6 URL"),
        ("https://a:99999", "is not a web address: Port out of range"),
        ("https://user:pw@a", "must have no user, query or fragment"),
        ("https://@a", "must have no user, query or fragment"),
        ("https://a/?", "must have no user, query or fragment"),
        ("https://a/#", "must have no user, query or fragment"),
        ("https://a?x=1", "must have no user, query or fragment"),
    ],
)
def test_a_base_url_that_is_broken_or_unsafe_is_refused(url: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TWO.base(url, allow_http=False)
    assert said in caught.value.message
    assert caught.value.message.startswith("The base URL ")


def test_a_target_without_a_base_url_wants_one() -> None:
    target = read(swapped("base_url: https://api.example.com/base\n", ""))
    with pytest.raises(ConfigError, match=r"mine has no base URL\. Give one with --base-url\."):
        target.base(None, allow_http=False)
    assert target.base("https://a", allow_http=False) == "https://a"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("HTTPS://API.example.com/v1/", "https://api.example.com/v1"),
        ("https://api.example.com:443", "https://api.example.com"),
        ("http://[::1]:80/x", "http://[::1]/x"),
        ("http://127.0.0.1:08080", "http://127.0.0.1:8080"),
    ],
)
def test_two_spellings_of_one_base_url_are_one_address(one: str, other: str) -> None:
    target = read(PLAIN)
    assert target.base(one, allow_http=False) == target.base(other, allow_http=False) == other


def test_a_password_in_a_base_url_is_not_repeated() -> None:
    with pytest.raises(ConfigError) as caught:
        read(PLAIN).base("https://user:hunter22@api.example.com", allow_http=False)
    assert "hunter22" not in str(caught.value)
