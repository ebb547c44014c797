from __future__ import annotations

import pytest

from batchupdate.config.production import host_of, is_among, parse_hosts

NAMED = ("api.example.com", "*.example.org", "::1")


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("https://api.example.com", True),
        ("https://API.Example.com.:8443/v1", True),
        ("https://staging.api.example.com", False),
        ("https://api.example.com.evil.test", False),
        ("https://eu.example.org", True),
        ("https://a.b.example.org/x", True),
        ("https://example.org", False),
        ("https://notexample.org", False),
        ("http://[::1]:80", True),
    ],
)
def test_a_host_is_production_if_it_is_named_or_lies_below_a_star(url: str, wanted: bool) -> None:
    assert is_among(host_of(url), NAMED) == wanted


def test_hosts_are_a_list_or_a_text_with_commas() -> None:
    assert parse_hosts(["API.example.com", "*.example.org."]) == parse_hosts("api.example.com, *.example.org")


@pytest.mark.parametrize("said", ["https://api.example.com", "api.example.com:443", "", "*", "a*.b", "a/b", ["x", ""]])
def test_what_is_no_host_is_refused(said: object) -> None:
    with pytest.raises(ValueError, match="is no host; write its name alone"):
        parse_hosts(said)


@pytest.mark.parametrize("said", [5, [5], {"a": 1}])
def test_what_is_no_list_of_hosts_is_refused(said: object) -> None:
    with pytest.raises(ValueError, match="is no list of hosts"):
        parse_hosts(said)
