from __future__ import annotations

import pytest
from declarations import PLAIN, complaint, read, swapped

from batchupdate.config.rate import Rate
from batchupdate.targets import Target


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
        ("{y}.json", "{y.json", "t.yaml:4: path: path has an unpaired brace."),
        ("/b/", "/b c/", "t.yaml:4: path: path must be percent-encoded: no spaces, no '#', ASCII only."),
        ("/b/", "/b#c/", "t.yaml:4: path: path must be percent-encoded"),
        ("/b/", "/ä/", "t.yaml:4: path: path must be percent-encoded"),
        ("{y}", "{z}", "t.yaml:4: path: path uses {z}, which is not declared under id or variables."),
        ("{y}", "{x}", "t.yaml:4: path: path uses {x} twice."),
        ("{y}", "{+y}", "t.yaml:4: path: {+y}: a variable's name consists of letters, digits and underscores."),
        ("{y}", "{}", "t.yaml:4: path: {}: a variable's name consists of"),
        ("{y}", "y", "t.yaml:9: id.y: path does not use {y}; remove it here, or add it to path."),
        ("  name: {}", "  X: {}", "t.yaml:11: fields.X: as column headings, 'X' and 'x' are the same; rename one of"),
        ("  size: {}", "  na_me: {}", "t.yaml:12: fields.na_me: as column headings, 'na_me' and 'name' are the same"),
        ("  size: {}", "  '-': {}", "t.yaml:12: fields.-: '-' can't be a column heading: it needs letters or digits"),
        ("  y: {}", "  y: {aliases: [Name]}", "t.yaml:9: id.y.aliases: 'Name' already means 'name'; keep one."),
        ("  y: {}", "  y: {format: guid}", "t.yaml:9: id.y.format: this must be 'uuid' or 'ulid'."),
        (
            "  y: {}",
            "  y: {format: uuid, pattern: a}",
            "t.yaml:9: id.y.pattern: an id has a format or a pattern, not both; remove pattern.",
        ),
        ("  y: {}", "  y: {prefix: a_}", "t.yaml:9: id.y.prefix: only format ulid has a prefix; use pattern."),
        ("  y: {}", "  y: {max_length: 0}", "t.yaml:9: id.y.max_length: this must be at least 1."),
        (
            "  size: {}",
            "  size: {max_lenght: 3}",
            "there is no setting 'fields.size.max_lenght'. Did you mean 'max_leng",
        ),
        (
            "  size: {}",
            "  size: {min_length: 3, max_length: 2}",
            "fields.size.min_length: min_length must not be larger than",
        ),
        ("  size: {}", "  size: {enum: []}", "t.yaml:12: fields.size.enum: this must not be empty"),
        ("  size: {}", "  size: {enum: [1, x]}", "t.yaml:12: fields.size.enum.0: this must be text; put quotes aroun"),
        ("  size: {}", "  size: {type: money}", "t.yaml:12: fields.size.type: this must be "),
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
        ("  env: MY_KEY", "  {env: A, scheme: none}", "t.yaml:6: auth.env: scheme none uses no key; remove env."),
        ("  env: MY_KEY", "  {env: A, scheme: header, value: k}", "t.yaml:6: auth.value: value must contain {key}."),
        ("  env: MY_KEY", "  {env: A, name: 'a b'}", "t.yaml:6: auth.name: 'a b' is not a header name."),
        ("  env: MY_KEY", '  {env: A, name: "X-A\\n"}', "is not a header name."),
        ("  env: MY_KEY", '  {env: A, value: "{key}\\n"}', "auth.value: a header's value must be printable ASCII"),
        ("name: mine", "name: My API", "t.yaml:1: name: this must match the pattern"),
        ("https:", "ftp:", "t.yaml:3: base_url: 'ftp://api.example.com/base' is not a web address such as"),
        ("title: My API", "method: GET\ntitle: x", "t.yaml:2: method: this must be 'PATCH', 'PUT' or 'POST'."),
        ("title: My API", "rate: 5\ntitle: x", "t.yaml:2: rate: 5 is not a rate; write it as 5/s, 600/min, 1000/h, "),
        (
            "title: My API",
            "max_rate: auto\ntitle: x",
            "t.yaml:2: max_rate: 'auto' is not a ceiling; write it as 50/s, 600",
        ),
        ("title: My API", "burst: 0\ntitle: x", "t.yaml:2: burst: this must be at least 1."),
        ("title: My API", "title: x\nstatuses: {4xx: {}}", "t.yaml:3: statuses.4xx: this must be a whole number."),
        ("title: My API", "title: x\nstatuses: {4: {}}", "t.yaml:3: statuses.4: this must be at least 100"),
        ("title: My API", "title: x\nstatuses: {409: {action: no}}", "statuses.409.action: this must be 'give_up'"),
        ("title: My API", "title: x\nerrors: {paths: ['a[']}", "errors.paths.0: 'a[' is not a JMESPath expression."),
        ("title: My API", "title: x\nheaders: {A: ä}", "t.yaml:3: headers.A: a header's value must be printable ASCII"),
        ("title: My API", "title: x\nheaders: {'A:': a}", "t.yaml:3: headers.A:: 'A:' is not a header name."),
        (
            "title: My API",
            "title: x\nheaders: {authorization: k}",
            "t.yaml:3: headers.authorization: a key must not be written into this file",
        ),
        *[
            (
                "title: My API",
                f"title: x\nheaders: {{{name}: x}}",
                f"t.yaml:3: headers.{name}: this header is set for every request by itself; remove it",
            )
            for name in ("Transfer-Encoding", "content-length", "Connection", "TE", "Expect", "Content-Encoding")
        ],
        (
            "title: My API",
            "title: x\nheaders: {HOST: x}",
            "t.yaml:3: headers.HOST: this header is set for every request ",
        ),
        (
            "title: My API",
            "title: x\nheaders: {content-type: application/x-www-form-urlencoded}",
            "headers.content-type: body.format and body.content_type say what the body is; declare it there",
        ),
        (
            "title: My API",
            "title: x\nbody: {content_type: text/plain}",
            "t.yaml:3: body.content_type: the body is JSON",
        ),
        (
            "title: My API",
            "title: x\nbody: {content_type: application/json; charset=latin1}",
            "the body is in UTF-8",
        ),
        (
            "title: My API",
            "title: x\nbody: {content_type: application/json-patch+json}",
            "body.content_type: for a JSON Patch (RFC 6902), write format: json-patch",
        ),
        ("title: My API", "title: x\nrules: [{any_of: [nme], message: m}]", "rules.0.any_of: there is no field 'nme'."),
        ("title: My API", "title: x\nrules: [{any_of: [], message: m}]", "rules.0.any_of: this must not be empty"),
        (
            "title: My API",
            "title: x\nbody: {lists: repeated}",
            "body.lists: this is about web forms; remove lists, or make the format form",
        ),
        (
            "title: My API",
            "title: x\nrules: [{when: [nam], any_of: [name], message: m}]",
            "rules.0.when: there is no field 'nam', nor an object of this name.",
        ),
        (
            "title: My API",
            "title: x\nbody: {constants: {name: a}}",
            "body.constants.name: the body has this member already",
        ),
        (
            "title: My API",
            "title: x\nbody: {wrap: [p], constants: {p: a}}",
            "body.constants.p: the body has this member already",
        ),
        (
            "title: My API",
            "title: x\nbody: {constants: {a: 2026-01-01}}",
            "body.constants.a: input was not a valid JSON",
        ),
        (
            "title: My API",
            "title: x\nbody: {constants: {a: {b: .nan}}}",
            "body.constants.a.b: this must be a finite",
        ),
    ],
)
def test_a_wrong_declaration_is_refused_with_file_line_and_way_out(old: str, new: str, said: str) -> None:
    assert said in complaint(swapped(old, new))


def test_a_target_can_leave_its_rate_to_be_found_out() -> None:
    target = read(swapped("title: My API", "title: x\nrate: auto\nmax_rate: 600/min"))
    assert (target.rate.auto, target.max_rate) == (True, Rate(10.0))
    assert Target.model_validate_json(target.model_dump_json()) == target


def test_headers_that_belong_to_a_change_do_not_go_out_with_a_read() -> None:
    headers = (
        "{X-Version: '1', if-match: '*', X-HTTP-Method-Override: PATCH, Prefer: minimal, Accept: application/x+json}"
    )
    target = read(swapped("title: My API", f"title: x\nheaders: {headers}\nbody: {{content_type: application/a+json}}"))
    assert target.read_headers == {"X-Version": "1", "Accept": "application/x+json"}
    assert target.change_headers == {
        "if-match": "*",
        "X-HTTP-Method-Override": "PATCH",
        "Prefer": "minimal",
        "Content-Type": "application/a+json",
    }


def test_a_target_can_send_headers_of_its_own() -> None:
    target = read(swapped("title: My API", "title: x\nheaders: {X-Api-Version: '2022-11-28'}"))
    assert target.headers == {"X-Api-Version": "2022-11-28"}


def test_how_fast_to_go_and_how_to_read_replies_is_no_part_of_what_a_run_is() -> None:
    assert read(PLAIN + "rate: 9/s\nthrottle: [{status: 403}]\nread: {}\n").identity() == read(PLAIN).identity()
    assert read(swapped("name: {}", "name: {max_length: 3}")).identity() != read(PLAIN).identity()
