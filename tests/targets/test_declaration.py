from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError
from uritemplate import URITemplate
from yarl import URL

from batchupdate.config.rate import Rate
from batchupdate.config.yaml_file import parse
from batchupdate.errors import ConfigError
from batchupdate.targets import IdRule, Target, find_target
from batchupdate.targets.declaration import Read

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = """\
name: mine
title: My API
base_url: https://api.example.com/base
path: /a/{x}/b/{y}.json
auth:
  env: MY_KEY
id:
  x: {}
  y: {}
fields:
  name: {}
  size: {}
"""
KEY = SecretStr("sk-0123456789")


def read(text: str) -> Target:
    return parse(text.encode(), Target, "target", "t.yaml")


def complaint(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(text)
    return caught.value.message


def swapped(old: str, new: str) -> str:
    assert PLAIN.count(old) == 1
    return PLAIN.replace(old, new)


def with_body(body: str) -> Target:
    return read(PLAIN + f"body: {body}\n")


def test_a_users_file_is_found_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    path.write_text(PLAIN)
    assert find_target(str(path)).name == "mine"


def test_what_a_file_leaves_out_is_careful() -> None:
    target = read(PLAIN)
    assert (target.method, target.repeatable, str(target.rate), target.burst, target.concurrency) == (
        "PATCH",
        False,
        "5/s",
        1,
        8,
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("path: /a", "path: a", "t.yaml:4: path: path must start with '/'."),
        ("{y}.json", "{y.json", "t.yaml:4: path: path has a brace without its partner."),
        ("/b/", "/b c/", "t.yaml:4: path: path must be percent-encoded: no spaces, no '#', ASCII only."),
        ("/b/", "/b#c/", "t.yaml:4: path: path must be percent-encoded"),
        ("/b/", "/ä/", "t.yaml:4: path: path must be percent-encoded"),
        ("{y}", "{z}", "t.yaml:4: path: path uses {z}, which does not stand under id: x, y."),
        ("{y}", "{x}", "t.yaml:4: path: path uses {x} twice."),
        ("{y}", "{+y}", "t.yaml:4: path: {+y}: a variable's name consists of letters, digits and underscores."),
        ("{y}", "{}", "t.yaml:4: path: {}: a variable's name consists of"),
        ("{y}", "y", "t.yaml:9: id.y: path does not use {y}; take it out here, or put it into path."),
        ("  name: {}", "  X: {}", "t.yaml:11: fields.X: a column's heading can't tell 'X' from 'x'; give one of them"),
        ("  size: {}", "  na_me: {}", "t.yaml:12: fields.na_me: a column's heading can't tell 'na_me' from 'name'"),
        ("  size: {}", "  '-': {}", "t.yaml:12: fields.-: a column's heading can't tell"),
        ("  y: {}", "  y: {aliases: [Name]}", "t.yaml:9: id.y.aliases: 'Name' means 'name' already; keep one of them."),
        ("  y: {}", "  y: {format: guid}", "t.yaml:9: id.y.format: Input should be 'uuid' or 'ulid'."),
        ("  y: {}", "  y: {format: uuid, pattern: a}", "t.yaml:9: id.y.pattern: format says it all; take pattern out."),
        ("  y: {}", "  y: {prefix: a_}", "t.yaml:9: id.y.prefix: only format ulid has a prefix; use pattern."),
        ("  y: {}", "  y: {max_length: 0}", "t.yaml:9: id.y.max_length: Input should be greater than or equal to 1."),
        (
            "  size: {}",
            "  size: {max_lenght: 3}",
            "there is no setting 'fields.size.max_lenght'. Did you mean 'max_leng",
        ),
        ("  size: {}", "  size: {min_length: 3, max_length: 2}", "fields.size.min_length: min_length is larger than"),
        ("  size: {}", "  size: {enum: []}", "t.yaml:12: fields.size.enum: Tuple should have at least 1 item"),
        ("  size: {}", "  size: {enum: [1, x]}", "t.yaml:12: fields.size.enum.0: this must be text; put quotes aroun"),
        ("  size: {}", "  size: {type: money}", "t.yaml:12: fields.size.type: Input should be "),
        (
            "  size: {}",
            "  size: {pattern: '(?=a)b'}",
            "t.yaml:12: fields.size.pattern: '(?=a)b' can't be used as a patt",
        ),
        ("  size: {}", "  size: {pattern: '(?=a)b'}", "pattern: look-around, including look-ahead and look-behind, is"),
        ("  size: {}", "  size: {pattern: '(a)\\1'}", "backreferences are not supported."),
        ("  size: {}", "  size: {pattern: '['}", "can't be used as a pattern: unclosed character class."),
        ("  size: {}", "  size: {pattern: 'a{1000000}'}", "Compiled regex exceeds size limit of 10485760 bytes."),
        ("  env: MY_KEY", "  scheme: bearer", "t.yaml:5: auth: env must name the environment variable that holds the"),
        ("  env: MY_KEY", "  {env: A, scheme: none}", "t.yaml:6: auth.env: with scheme none there is no key; take env"),
        ("  env: MY_KEY", "  {env: A, scheme: header, value: k}", "t.yaml:6: auth.value: value must hold {key}."),
        ("  env: MY_KEY", "  {env: A, name: 'a b'}", "t.yaml:6: auth.name: 'a b' is not a header name."),
        ("  env: MY_KEY", '  {env: A, name: "X-A\\n"}', "is not a header name."),
        ("  env: MY_KEY", '  {env: A, value: "{key}\\n"}', "auth.value: a header's value must be printable ASCII"),
        ("name: mine", "name: My API", "t.yaml:1: name: String should match pattern"),
        ("https:", "ftp:", "t.yaml:3: base_url: 'ftp://api.example.com/base' is not a web address such as"),
        ("title: My API", "method: GET\ntitle: x", "t.yaml:2: method: Input should be 'PATCH', 'PUT' or 'POST'."),
        ("title: My API", "rate: 5\ntitle: x", "t.yaml:2: rate: 5 is not a rate; write it as 5/s, 600/min, 1000/h, "),
        (
            "title: My API",
            "max_rate: auto\ntitle: x",
            "t.yaml:2: max_rate: 'auto' is no ceiling; write it as 50/s, 600",
        ),
        ("title: My API", "burst: 0\ntitle: x", "t.yaml:2: burst: Input should be greater than or equal to 1."),
        ("title: My API", "title: x\nstatuses: {4xx: {}}", "t.yaml:3: statuses.4xx: Input should be a valid integer."),
        ("title: My API", "title: x\nstatuses: {4: {}}", "t.yaml:3: statuses.4: Input should be greater than or equal"),
        ("title: My API", "title: x\nstatuses: {409: {action: no}}", "statuses.409.action: Input should be 'give_up'"),
        ("title: My API", "title: x\nerrors: {paths: ['a[']}", "errors.paths.0: 'a[' is not a JMESPath expression."),
        ("title: My API", "title: x\nheaders: {A: ä}", "t.yaml:3: headers.A: a header's value must be printable ASCII"),
        ("title: My API", "title: x\nheaders: {'A:': a}", "t.yaml:3: headers.A:: 'A:' is not a header name."),
        (
            "title: My API",
            "title: x\nheaders: {authorization: k}",
            "t.yaml:3: headers.authorization: a key has no plac",
        ),
        ("title: My API", "title: x\nrules: [{any_of: [nme], message: m}]", "rules.0.any_of: there is no field 'nme'."),
        ("title: My API", "title: x\nrules: [{any_of: [], message: m}]", "rules.0.any_of: Tuple should have at least"),
        (
            "title: My API",
            "title: x\nbody: {constants: {name: a}}",
            "body.constants.name: this stands in the body alrea",
        ),
        (
            "title: My API",
            "title: x\nbody: {wrap: [p], constants: {p: a}}",
            "body.constants.p: this stands in the body",
        ),
        (
            "title: My API",
            "title: x\nbody: {constants: {a: 2026-01-01}}",
            "body.constants.a: input was not a valid JSON",
        ),
        (
            "title: My API",
            "title: x\nbody: {constants: {a: {b: .nan}}}",
            "body.constants.a.b: Input should be a finite",
        ),
    ],
)
def test_a_wrong_declaration_is_refused_with_file_line_and_way_out(old: str, new: str, said: str) -> None:
    assert said in complaint(swapped(old, new))


def test_a_target_can_leave_its_rate_to_be_found_out() -> None:
    target = read(swapped("title: My API", "title: x\nrate: auto\nmax_rate: 600/min"))
    assert (target.rate.auto, target.max_rate) == (True, Rate(10.0))
    assert Target.model_validate_json(target.model_dump_json()) == target


def test_a_target_can_send_headers_of_its_own() -> None:
    target = read(swapped("title: My API", "title: x\nheaders: {X-Api-Version: '2022-11-28'}"))
    assert target.headers == {"X-Api-Version": "2022-11-28"}


def test_a_path_can_hold_a_query() -> None:
    assert read(swapped(".json", "?idProperty=email")).expand(("1", "a@b")) == "/a/1/b/a%40b?idProperty=email"


# ---- the path ----


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


TWO = read(PLAIN)


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


# ---- the body ----


JSON_TEXTS = st.dictionaries(st.text(max_size=5), st.none() | st.text(max_size=5), max_size=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


def as_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs), "a name stands twice"
    return dict(pairs)


@given(
    st.lists(st.text(max_size=4), max_size=3),
    st.dictionaries(st.text(max_size=4), JSON, max_size=3),
    JSON_TEXTS,
)
def test_a_body_is_the_fields_wrapped_with_the_constants_beside(
    wrap: list[str], constants: dict[str, Any], fields: dict[str, Any]
) -> None:
    declared = TWO.model_dump(mode="json", exclude_unset=True) | {"fields": {"never drawn": {}}}
    constants = {name: value for name, value in constants.items() if name not in (wrap[:1] or fields)}
    target = Target.model_validate(declared | {"body": {"wrap": wrap, "constants": constants}})
    body = json.loads(
        target.body_of(json.dumps(fields, ensure_ascii=False, separators=(",", ":"))), object_pairs_hook=as_pairs
    )
    expected: Any = fields
    for name in reversed(wrap):
        expected = {name: expected}
    assert body == constants | expected


@pytest.mark.parametrize(
    ("body", "fields", "sent"),
    [
        ("{}", '{"name":"é"}', '{"name":"é"}'),
        ("{wrap: [properties]}", '{"name":"x"}', '{"properties":{"name":"x"}}'),
        ("{wrap: [a, b]}", "{}", '{"a":{"b":{}}}'),
        ("{wrap: [fields], constants: {typecast: true}}", '{"n":null}', '{"typecast":true,"fields":{"n":null}}'),
        ("{constants: {type: x, n: 1}}", '{"name":"x"}', '{"type":"x","n":1,"name":"x"}'),
        ("{constants: {type: x}}", "{}", '{"type":"x"}'),
        ("{wrap: ['a\"b']}", "{}", '{"a\\"b":{}}'),
    ],
)
def test_a_body_goes_out_as_these_bytes(body: str, fields: str, sent: str) -> None:
    assert with_body(body).body_of(fields) == sent.encode()


# ---- the key's header ----


@pytest.mark.parametrize(
    ("auth", "headers"),
    [
        ("{env: K}", {"Authorization": "Bearer sk-0123456789"}),
        ("{env: K, scheme: basic, user: me/token}", {"Authorization": "Basic bWUvdG9rZW46c2stMDEyMzQ1Njc4OQ=="}),
        ("{env: K, scheme: header, name: X-Access-Token}", {"X-Access-Token": "sk-0123456789"}),
        ("{env: K, scheme: header, value: 'SSWS {key}'}", {"Authorization": "SSWS sk-0123456789"}),
        ("{scheme: none}", {}),
    ],
)
def test_the_key_goes_along_as_declared(auth: str, headers: dict[str, str]) -> None:
    target = read(swapped("auth:\n  env: MY_KEY\n", f"auth: {auth}\n"))
    assert target.auth.headers(KEY) == headers
    assert target.auth.headers(None) == {}


def test_the_form_in_which_a_basic_key_goes_out_is_a_secret_too() -> None:
    target = read(swapped("auth:\n  env: MY_KEY\n", "auth: {env: K, scheme: basic, user: me}\n"))
    (secret,) = target.auth.secrets(KEY)
    assert target.auth.headers(KEY) == {"Authorization": f"Basic {secret.get_secret_value()}"}
    assert secret.get_secret_value() not in repr(secret)
    assert TWO.auth.secrets(KEY) == []


# ---- the base URL ----


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
    with pytest.raises(ConfigError, match=r"mine has no base URL\. Say it with --base-url\."):
        target.base(None, allow_http=False)
    assert target.base("https://a", allow_http=False) == "https://a"


# ---- ids ----


@pytest.mark.parametrize(
    ("rule", "one", "other"),
    [
        (IdRule(format="uuid"), "ABCDEF00-0000-4000-8000-00000000000A", "abcdef00-0000-4000-8000-00000000000a"),
        (IdRule(format="ulid", prefix="ai_"), "ai_01KFRX8K1CKQGCV2W5J9C9Z37H", "01kfrx8k1ckqgcv2w5j9c9z37h"),
        (IdRule(format="ulid", prefix="01"), "0101KFRX8K1CKQGCV2W5J9C9Z37H", "01KFRX8K1CKQGCV2W5J9C9Z37H"),
    ],
)
def test_two_spellings_of_one_id_have_one_key(rule: IdRule, one: str, other: str) -> None:
    assert rule.key(one) == rule.key(other)


def test_a_free_id_is_told_apart_by_case() -> None:
    assert IdRule().key("a") != IdRule().key("A")


@pytest.mark.parametrize(
    ("rule", "example"),
    [
        (IdRule(), "an id"),
        (IdRule(pattern="^a+$"), "text that matches ^a+$"),
        (IdRule(format="uuid"), "a UUID such as 550e8400-e29b-41d4-a716-446655440000"),
        (IdRule(format="ulid", prefix="ai_"), "a ULID such as ai_01KFRX8K1CKQGCV2W5J9C9Z37H"),
    ],
)
def test_a_sentence_can_say_what_an_id_looks_like(rule: IdRule, example: str) -> None:
    assert rule.example == example


def test_a_list_of_values_is_clearable_only_if_it_holds_the_empty_one() -> None:
    target = read(
        swapped("  size: {}", "  size: {enum: [a]}\n  tint: {enum: ['', a]}\n  note: {min_length: 1}\n  free: {}")
    )
    assert [name for name, rule in target.fields.items() if rule.clearable] == ["name", "tint", "free"]


# Reading a record.


@pytest.mark.parametrize(
    ("told", "path"),
    [
        ("{}", "/a/1%2F2/b/t%20x.json"),
        ("{path: '/read/{y}?of={x}'}", "/read/t%20x?of=1%2F2"),
        ("{path: /all}", "/all"),
    ],
)
def test_a_record_is_read_where_the_target_says_with_its_ids_encoded_as_they_are(told: str, path: str) -> None:
    target = read(PLAIN + f"read: {told}\n")
    assert target.read_path(target.expand(("1/2", "t x"))) == path


@given(
    ids=st.tuples(*[st.text(min_size=1).filter(lambda one: one not in {".", ".."})] * 2).filter(
        lambda both: all(one.isprintable() for one in both)
    )
)
def test_the_ids_are_found_again_in_any_path(ids: tuple[str, str]) -> None:
    target = read(PLAIN + "read: {path: '/r/{x}/{y}'}\n")
    x, y = target.read_path(target.expand(ids)).removeprefix("/r/").split("/")
    assert (unquote(x), unquote(y)) == ids


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("{path: read}", "t.yaml:13: read.path: path must begin with '/' and be percent-encoded."),
        ("{path: '/a b'}", "t.yaml:13: read.path: path must begin with '/' and be percent-encoded."),
        ("{path: '/r/{z}'}", "t.yaml:13: read.path: path uses {z}, which does not stand under id."),
        ("{record: 'a['}", "t.yaml:13: read.record: 'a[' is not a JMESPath expression."),
        ("{place: x}", "there is no setting"),
    ],
)
def test_a_wrong_way_of_reading_is_refused_with_its_place(told: str, said: str) -> None:
    assert said.lower() in complaint(PLAIN + f"read: {told}\n").lower()


@pytest.mark.parametrize(
    ("reply", "fields", "shows"),
    [
        ('{"it": {"name": "A", "size": "9", "more": 1}}', {"name": "A"}, True),
        ('{"it": {"name": "A", "size": "9"}}', {"name": "A", "size": "8"}, False),
        ('{"it": {"name": "A"}}', {"name": "A", "size": "9"}, False),
        ('{"it": {"name": null}}', {"name": None}, True),
        ('{"it": {}}', {"name": None}, False),
        ('{"it": ["name"]}', {"name": "A"}, False),
        ('{"name": "A"}', {"name": "A"}, False),
        ('{"it": {"name": "A"', {"name": "A"}, False),
        ("", {"name": "A"}, False),
        ("\udcff", {"name": "A"}, False),
        ("[" * 100_000, {"name": "A"}, False),
    ],
)
def test_a_reply_shows_a_row_applied_only_if_every_field_stands_there_as_wanted(
    reply: str, fields: dict[str, object], shows: bool
) -> None:
    target = read(PLAIN + "read: {record: it}\n")
    assert target.shows(reply.encode("utf-8", "surrogateescape"), json.dumps(fields)) is shows


def test_a_target_that_does_not_say_how_it_is_read_proves_nothing() -> None:
    assert not read(PLAIN).shows(b'{"name": "A"}', '{"name": "A"}')


def test_how_fast_to_go_and_how_to_read_replies_is_no_part_of_what_a_run_is() -> None:
    assert read(PLAIN + "rate: 9/s\nthrottle: [{status: 403}]\nread: {}\n").identity() == read(PLAIN).identity()
    assert read(swapped("name: {}", "name: {max_length: 3}")).identity() != read(PLAIN).identity()


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


# ---- nested fields ----

NESTED = PLAIN.replace(
    "  name: {}\n  size: {}\n", "  name: {}\n  address.city: {}\n  address.geo.lat: {}\n  a\\.b: {}\n"
)


@pytest.mark.parametrize(
    ("body", "fields", "sent"),
    [
        ("{}", '{"name":"x"}', '{"name":"x"}'),
        ("{}", '{"address.city":"Ulm"}', '{"address":{"city":"Ulm"}}'),
        ("{}", '{"address.city":null}', '{"address":{"city":null}}'),
        (
            "{}",
            '{"address.geo.lat":1.10,"a\\\\.b":"é","address.city":"\\"","name":[1]}',
            '{"address":{"geo":{"lat":1.10},"city":"\\""},"a.b":"é","name":[1]}',
        ),
        ("{}", '{"address.geo.lat":12345678901234567890.10}', '{"address":{"geo":{"lat":12345678901234567890.10}}}'),
        ("{}", "{}", "{}"),
        ("{wrap: [p.q], constants: {t: 1}}", '{"address.city":"x"}', '{"t":1,"p.q":{"address":{"city":"x"}}}'),
        ("{constants: {t.u: 1}}", '{"address.city":"x"}', '{"t.u":1,"address":{"city":"x"}}'),
    ],
)
def test_a_body_holds_nested_fields_at_their_places(body: str, fields: str, sent: str) -> None:
    assert read(f"{NESTED}body: {body}\n").body_of(fields) == sent.encode()


LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.lists(st.text(max_size=3), max_size=3)
MEMBERS = st.text(min_size=1, max_size=4) | st.sampled_from(["a", "b", "a.b", "\\", "ä"])
TREES = st.dictionaries(
    MEMBERS,
    st.recursive(LEAVES, lambda inner: st.dictionaries(MEMBERS, inner, min_size=1, max_size=3), max_leaves=8),
    min_size=1,
    max_size=4,
)


def leaves(tree: dict[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for member, inner in tree.items():
        name = before + member.replace("\\", "\\\\").replace(".", "\\.")
        found |= leaves(inner, f"{name}.") if isinstance(inner, dict) else {name: inner}
    return found


@given(TREES)
def test_any_object_of_declared_fields_comes_out_of_its_flat_form(tree: dict[str, Any]) -> None:
    flat = leaves(tree)
    declared = TWO.model_dump(mode="json", exclude_unset=True)
    try:
        target = Target.model_validate(declared | {"fields": {name: {} for name in flat}})
    except ValidationError as error:
        assert re.search(r"can't tell|an array can be a field", str(error))  # noqa: PT017 - others are drawn then
        reject()
    assert json.loads(target.body_of(json.dumps(flat)), object_pairs_hook=as_pairs) == tree
    reading = target.model_copy(update={"read": Read()})
    assert reading.shows(json.dumps(tree | {"more": 1}).encode(), json.dumps(flat))


@pytest.mark.parametrize(
    ("reply", "fields", "shows"),
    [
        ('{"address": {"city": "Ulm", "zip": 1}}', {"address.city": "Ulm"}, True),
        ('{"address": {"city": "Ulm"}}', {"address.city": "Bonn"}, False),
        ('{"address": {"city": null}}', {"address.city": None}, True),
        ('{"address": {}}', {"address.city": None}, False),
        ('{"address": null}', {"address.city": None}, False),
        ('{"address": ["city"]}', {"address.city": "Ulm"}, False),
        ('{"address.city": "Ulm"}', {"address.city": "Ulm"}, False),
        ('{"a.b": "x"}', {r"a\.b": "x"}, True),
        ('{"a": {"b": "x"}}', {r"a\.b": "x"}, False),
        ('{"name": ["a", 1.0]}', {"name": ["a", 1]}, True),
        ('{"name": ["a", 1]}', {"name": ["a", True]}, False),
        ('{"name": ["a"]}', {"name": ["a", "b"]}, False),
        ('{"name": {"x": {"y": 1}}}', {"name": {"x": {"y": 1}}}, True),
        ('{"name": {"x": {"y": 1, "z": 2}}}', {"name": {"x": {"y": 1}}}, False),
        ('{"name": {"x": 0}}', {"name": {"x": False}}, False),
    ],
)
def test_a_nested_field_is_looked_up_where_it_stands(reply: str, fields: dict[str, object], shows: bool) -> None:
    assert read(NESTED + "read: {}\n").shows(reply.encode(), json.dumps(fields)) is shows


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("address..city: {}", "t.yaml:12: fields.address..city: a name is missing beside a dot; write \\. for a dot"),
        ("address.: {}", "t.yaml:12: fields.address.: a name is missing beside a dot"),
        ("a\\: {}", "t.yaml:12: fields.a\\: a backslash stands before a dot or another backslash; write \\\\ for one"),
        (
            "contacts[0].email: {}",
            "values, declare 'contacts' with type list, which has the columns contacts[0], contacts[1] and so on; for",
        ),
        ("labels[]: {}", "t.yaml:12: fields.labels[]: no item of an array can be a field; for an array of plain val"),
        (
            "address: {}\n  address.city: {}",
            "t.yaml:13: fields.address.city: 'address' is declared as string, which has no members; make it type jso",
        ),
        ("a.b: {type: list}\n  a.b.c.d: {}", "t.yaml:13: fields.a.b.c.d: 'a.b' is declared as list, which has no"),
        ("a: {type: json, json_type: array}\n  a.b: {}", "t.yaml:13: fields.a.b: 'a' is declared as an array, which"),
        (
            "a: {type: json}\n  a.b: {required: true}",
            "t.yaml:13: fields.a.b: a row sets 'a' as a whole or by its members, so 'a.b' can't be required.",
        ),
        ("a: {type: json, required: true}\n  a.b: {}", "t.yaml:12: fields.a: a row sets 'a' as a whole or by its"),
        ("a.b: {}\n  A.b: {}", "t.yaml:13: fields.A.b: a column's heading can't tell 'A.b' from 'a.b'"),
        (
            "labels: {type: list, aliases: [tags]}\n  other: {aliases: ['Tags[0]']}",
            "t.yaml:13: fields.other.aliases: 'tags[0]' means an item of the list 'labels' already; take it out.",
        ),
    ],
)
def test_a_field_that_leads_nowhere_is_refused_with_its_line(fields: str, said: str) -> None:
    assert said in complaint(PLAIN.replace("  name: {}\n  size: {}\n", f"  one: {{}}\n  {fields}\n"))


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        ("{constants: {address: 1}}", True),
        ("{constants: {a.b: 1}}", True),
        ("{constants: {a: 1, city: 1}}", False),
        ("{wrap: [x], constants: {address: 1}}", False),
        ("{wrap: [address], constants: {address: 1}}", True),
    ],
)
def test_a_constant_must_not_stand_where_nested_fields_do(body: str, refused: bool) -> None:
    if refused:
        assert "this stands in the body already" in complaint(f"{NESTED}body: {body}\n")
    else:
        assert read(f"{NESTED}body: {body}\n").body.constants


def test_an_object_can_be_set_as_a_whole_or_by_its_members() -> None:
    target = read(NESTED + "  address: {type: json, nullable: true}\n  address.geo: {type: json}\n")
    assert target.parts == {
        "address": ("address.city", "address.geo.lat", "address.geo"),
        "address.geo": ("address.geo.lat",),
    }
    assert target.body_of('{"address":null}') == b'{"address":null}'
