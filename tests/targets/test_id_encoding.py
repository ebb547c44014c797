from __future__ import annotations

import hashlib
import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, get_args

import pytest
from declarations import complaint, read
from hypothesis import example, given, settings
from hypothesis import strategies as st
from raw_server import OK, client_of, serving

from batchupdate.config import Input, Secrets
from batchupdate.model import Row
from batchupdate.targets.id_encoding import ENCODINGS, IdEncoding
from batchupdate.validator import Validator, map_columns

if TYPE_CHECKING:
    from batchupdate.targets import Target

NAMES = sorted(ENCODINGS)
read_once = lru_cache(read)  # hundreds of examples share a target
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
HOSTILE = st.lists(
    st.sampled_from(
        [
            *("../", "..", ".", "/", "//", "\\", "?", "?x=1", "#", "#f", "%", "%2e", "%2E%2e", "%2F", "%5c", "%0d%0a"),
            *("%00", "%zz", "\r\n", "\r\nHost: evil.example\r\n\r\n", "\0", "\t", " ", ";", "&a=b", "@evil.example"),
            *("https://evil.example", "\u2024\u2024\u2215", "\uff0e\uff0e\uff0f", "\u202e", "é", "x" * 10_240),
            *("{y}", "~2F", "+", "ok"),
        ]
    ),
    min_size=1,
    max_size=5,
).map("".join)


def target_of(encode: str, path: str = "/a/{x}/b/{y}.json", *more: str) -> str:
    lines = [f"name: t\ntitle: T\npath: {path}\nauth: {{scheme: none}}", "fields: {name: {}}", *more]
    return "\n".join([*lines, f"id: {{x: {{encode: {encode}, max_length: 12000}}, y: {{max_length: 12000}}}}"]) + "\n"


def accepted(target: Target, *ids: str) -> bool:
    """Whether the validator lets a row with this id through, as it stands."""
    validator = Validator(target, map_columns(["x", "y", "name"], target, Input()), Secrets())
    return not validator.check([Row(2, (*ids, "n"))]).problems


def test_every_encoding_that_can_be_declared_is_known() -> None:
    assert set(get_args(IdEncoding)) == set(ENCODINGS)


@pytest.mark.parametrize(
    ("encode", "value", "written"),
    [
        ("percent", "a/b c", "a%2Fb%20c"),
        ("percent", "a%2Fb", "a%252Fb"),
        ("encoded", "a%2fb", "a%2Fb"),
        ("encoded", "a/b", "a%2Fb"),
        ("encoded", "group%2Fproject-1.x", "group%2Fproject-1.x"),
        ("path", "users/me@x", "users/me%40x"),
        # The examples of https://docs.datasette.io/en/stable/internals.html#tilde-encoding, and a space
        ("tilde", "/foo/bar", "~2Ffoo~2Fbar"),
        ("tilde", "a b.c~é", "a+b~2Ec~7E~C3~A9"),
        # The example of Mailchimp's guide "Manage subscribers"
        ("md5-lower", "Urist.McVankab@freddiesjokes.com", "62eeb292278cc15f5817cb78f7790b08"),
        ("md5", "A", hashlib.md5(b"A").hexdigest()),  # noqa: S324 - what the API wants
        ("sha256", "É", hashlib.sha256("É".encode()).hexdigest()),
        ("sha256-lower", "É", hashlib.sha256("é".encode()).hexdigest()),
    ],
)
def test_an_id_is_written_as_its_encoding_says(encode: str, value: str, written: str) -> None:
    assert read(target_of(encode)).expand((value, "1")) == f"/a/{written}/b/1.json"


@pytest.mark.parametrize(
    ("encode", "value"),
    [
        *(("encoded", text) for text in ("50%", "%zz", "%2e%2E", "a%2F..%2Fb", "a%5c..", "..%2F", "%0d%0aX", "%ff")),
        *(("path", text) for text in ("/a", "a/", "a//b", "a/../b", "./a", "a/..", "..")),
        ("percent", ".."),
        ("encoded", ".."),
    ],
)
def test_an_id_that_would_lead_elsewhere_is_refused(encode: str, value: str) -> None:
    assert not accepted(read(target_of(encode)), value, "1")
    assert accepted(read(target_of("percent")), value.replace("..", "dots"), "1")


@pytest.mark.parametrize("encode", ["tilde", "md5", "sha256-lower"])
def test_a_dot_is_an_id_where_it_is_written_as_something_else(encode: str) -> None:
    target = read(target_of(encode))
    assert accepted(target, ".", "1")
    assert "." not in target.expand((".", "1")).removesuffix(".json")


@pytest.mark.parametrize("encode", NAMES)
@given(one=HOSTILE | TEXTS, two=HOSTILE | TEXTS)
@example(one="a/b/c", two="d")
@example(one="a~b c", two="d/e")
def test_ids_are_found_again_in_the_path_for_a_body_and_for_a_read(encode: str, one: str, two: str) -> None:
    hashed = encode.startswith(("md5", "sha"))
    more = 'body: {template: {x: "{%s}", f: "{fields}"}}' % ("y" if hashed else "x")
    target = read_once(target_of(encode, "/a/{x}/b/{y}.json", more, "read: {path: '/r/{y}/{x}'}"))
    if not accepted(target, one, two):
        return
    path = target.expand((one, two))
    shown = two if hashed else ENCODINGS[encode].key(one) if encode == "encoded" else one
    assert json.loads(target.body_of('{"name":"n"}', path)) == {"x": shown, "f": {"name": "n"}}
    middle = path.removeprefix("/a/").removesuffix(".json")
    written, other = middle.rsplit("/b/", 1)
    assert target.read_path(path) == f"/r/{other}/{written}"


@pytest.mark.parametrize("encode", NAMES)
async def test_no_id_leaves_the_declared_host_and_path_in_the_bytes_that_are_sent(encode: str) -> None:
    segment = r"(?!\.\.?/)[A-Za-z0-9._~%+-]+"
    first = f"{segment}(?:/{segment})*" if encode == "path" else segment
    line = re.compile(rf"PATCH /base/a/{first}/b/{segment}\.json HTTP/1\.1".encode())
    target = read(target_of(encode))
    ids = st.tuples(HOSTILE | TEXTS, HOSTILE | TEXTS)
    found: list[tuple[str, str]] = []

    @settings(max_examples=100)
    @given(ids)
    def collect(pair: tuple[str, str]) -> None:
        if accepted(target, *pair):
            found.append(pair)

    collect()
    async with serving(OK) as server, client_of(f"{server.url}/base") as client:
        for pair in [("harmless", "1"), *found]:
            await client.send(target.expand(pair), b'{"name":"n"}')
    assert len(server.heads) == len(found) + 1 > 10
    wanted = server.heads[0].split(b"\r\n")[1:]
    for head in server.heads:
        request, *headers = head.split(b"\r\n")
        assert line.fullmatch(request), request[:200]
        assert headers == wanted
    assert set(server.bodies) == {b'{"name":"n"}'}


@given(TEXTS, TEXTS)
def test_two_ids_that_are_written_the_same_count_as_one_record(one: str, two: str) -> None:
    for encode in NAMES:
        target = read_once(target_of(encode))
        rule = target.id["x"]
        if rule.key(one) == rule.key(two):
            assert target.expand((one, "1")) == target.expand((two, "1"))
    assert read(target_of("md5-lower")).id["x"].key("A@b.example") == "a@b.example"
    assert read(target_of("encoded")).id["x"].key("a%2fb") == "a/b"


def test_what_can_not_work_is_refused_where_it_is_declared() -> None:
    hashed = target_of("md5-lower", "/a/{x}/b/{y}.json", 'body: {template: {e: "{x}", f: "{fields}"}}')
    assert "the URL holds a hash of {x} only, so the body can't have it" in complaint(hashed)
    two = target_of("path").replace("y: {", "y: {encode: path, ")
    assert "only one part of an id can be of several path segments" in complaint(two)
    assert "id.x.encode" in complaint(target_of("rot13"))
