from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from declarations import complaint, read
from hypothesis import given
from hypothesis import strategies as st

from batchupdate.config import Settings
from batchupdate.errors import ConfigError
from batchupdate.targets import Target
from batchupdate.targets.catalogue import target_of, with_values

if TYPE_CHECKING:
    from pathlib import Path

DECLARED = """\
name: tickets
title: Tickets
base_url: https://{site}.example.com/api/{version}
path: /spaces/{space}/tickets/{id}.json
auth: {scheme: basic, env: DESK_KEY, user: "{account}/token"}
headers: {X-Space: "space {space}"}
body: {constants: {space: "{space}", kinds: ["{site}", 7]}}
variables:
  site: {env: DESK_SITE, description: the name before .example.com, example: acme}
  space: {default: main}
  version: {default: v2, pattern: '^v[0-9]+$', example: v2}
  account: {env: DESK_ACCOUNT}
id: {id: {}}
fields: {name: {}}
read: {path: "/spaces/{space}/tickets/{id}"}
list: {path: "/spaces/{space}/tickets?site={site}"}
"""
TICKETS = read(DECLARED)
ENVIRON = {"DESK_SITE": "acme", "DESK_ACCOUNT": "ann@example.com"}


def filled(environ: dict[str, str] = ENVIRON, **variables: str) -> Target:
    return with_values(TICKETS, Settings(variables=variables), environ)


def refused(environ: dict[str, str] = ENVIRON, **variables: str) -> str:
    with pytest.raises(ConfigError) as caught:
        filled(environ, **variables)
    return str(caught.value)


def test_values_stand_wherever_the_declaration_has_the_variable() -> None:
    target = filled()
    assert target.base(None, allow_http=False) == "https://acme.example.com/api/v2"
    assert target.expand(("7",)) == "/spaces/main/tickets/7.json"
    assert target.read_path("/spaces/main/tickets/7.json") == "/spaces/main/tickets/7"
    assert target.list is not None
    assert target.list.path == "/spaces/main/tickets?site=acme"
    assert target.headers == {"X-Space": "space main"}
    assert target.auth.user == "ann@example.com/token"
    assert target.body_of('{"name":"A"}') == b'{"space":"main","kinds":["acme",7],"name":"A"}'


def test_a_value_in_the_token_url_stays_in_its_place() -> None:
    auth = (
        "{scheme: oauth2, grant: client_credentials, client_id: a, client_secret: {env: S}, "
        "token_url: 'https://login.example.com/{account}/token'}"
    )
    target = read(DECLARED.replace('{scheme: basic, env: DESK_KEY, user: "{account}/token"}', auth))
    done = with_values(target, Settings(variables={"account": "acme/../x?@evil.example"}), ENVIRON)
    assert done.auth.token_url == "https://login.example.com/acme%2F..%2Fx%3F%40evil.example/token"


def test_an_option_counts_more_than_the_environment_and_that_more_than_the_default() -> None:
    assert filled(site="other").base_url == "https://other.example.com/api/v2"
    assert filled({**ENVIRON, "DESK_SITE": "third"}).base_url == "https://third.example.com/api/v2"
    assert filled(space="x").path == "/spaces/x/tickets/{id}.json"


def test_a_target_with_values_has_no_variables_any_more_and_is_kept_so_by_a_run() -> None:
    target = filled()
    assert target.variables == {}
    assert Target.model_validate_json(target.model_dump_json(exclude_unset=True)) == target
    assert filled(site="other").identity() != filled(space="x").identity()


@given(st.text(st.characters(codec="utf-8", exclude_characters="{}"), min_size=1, max_size=50))
def test_a_value_in_a_path_stays_in_its_segment(value: str) -> None:
    try:
        path = filled(space=value, site="acme").expand(("7",))
    except ConfigError:
        return
    assert path.startswith("/spaces/")
    assert path.endswith("/tickets/7.json")
    assert not set(path.removeprefix("/spaces/").removesuffix("/tickets/7.json")) & set("/?#%20 ") - set("%20")


@pytest.mark.parametrize(
    "value", ["acme.com/evil", "acme@evil.com", "evil.com#", "evil.com?x=", "a b", "evil.com:80@x"]
)
def test_a_value_in_the_host_does_not_lead_elsewhere(value: str) -> None:
    try:
        base = filled(site=value).base(None, allow_http=False)
    except ConfigError:
        return
    assert base.startswith("https://acme.com/evil.example.com")  # a slash ends the host, which the user chose


def test_a_whole_address_can_be_a_variable() -> None:
    target = read(DECLARED.replace("https://{site}.example.com/api/{version}", '"{site}/api/{version}"'))
    found = with_values(target, Settings(variables={"site": "https://acme.my.example.com/"}), ENVIRON)
    assert found.base_url == "https://acme.my.example.com/api/v2"
    with pytest.raises(ConfigError, match="is not a web address"):
        with_values(target, Settings(variables={"site": "acme"}), ENVIRON)


def test_a_variable_without_a_value_says_every_way_to_give_one() -> None:
    assert refused({}) == (
        "The target tickets needs a value for 'site' (the name before .example.com). "
        "Give it by --var site=acme, or 'variables: {site: acme}' in the config, or the environment variable DESK_SITE."
    )


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"sight": "acme"}, "The target tickets has no variable 'sight'. It has: site, space, version, account."),
        ({"version": "2"}, "The variable 'version' can't be '2': it must be a value of its kind, such as v2."),
        ({"site": "a{b}"}, "The variable 'site' can't be 'a{b}': it is one short line without braces."),
        ({"space": "a\nb"}, "The variable 'space' can't be 'a\\nb': it is one short line without braces."),
        ({"space": "x" * 201}, "it is one short line without braces"),
    ],
)
def test_an_impossible_value_is_refused(variables: dict[str, str], sentence: str) -> None:
    assert sentence in refused(**variables)


def test_an_offline_check_needs_no_values() -> None:
    found = with_values(TICKETS, Settings(), {}, optional=TICKETS.variables)
    assert found.base_url == "https://acme.example.com/api/v2"


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("  site: {", "  Site: {", "{site} means nothing here: it is not declared under variables"),
        (
            "https://{site}",
            "https://{seite}",
            "base_url: {seite} means nothing here: it is not declared under variables",
        ),
        (
            '"space {space}"',
            '"space {id}"',
            "headers.X-Space: {id} means nothing here: a record's id can stand in a path",
        ),
        ('"space {space}"', '"{version"', ""),
        ("  space: {default", "  unused: {}\n  space: {default", "variables.unused: nothing uses {unused}"),
        ("  space: {default", "  id: {}\n  space: {default", "variables.id: 'id' has another meaning already"),
        (
            "/tickets?site={site}",
            "/tickets?site={id}",
            "list.path: path uses {id}, which is not declared under variables",
        ),
        (
            '/tickets/{id}"}',
            '/tickets/{nr}"}',
            "read.path: path uses {nr}, which is not declared under id or variables",
        ),
    ],
)
def test_braces_that_stand_for_nothing_are_refused_with_their_line(old: str, new: str, sentence: str) -> None:
    assert DECLARED.count(old) == 1
    text = DECLARED.replace(old, new)
    if sentence:
        assert sentence in complaint(text)
    else:
        read(text)  # a lone brace is text


def test_a_target_without_variables_is_not_touched() -> None:
    plain: Any = read(
        DECLARED.partition("variables:")[0]
        .replace("{site}", "x")
        .replace("{version}", "v")
        .replace("{account}", "a")
        .replace("{space}", "s")
        .replace('"x"', "x")
        + "id: {id: {}}\nfields: {name: {}}\n"
    )
    assert with_values(plain, Settings(), {}) is plain


def test_an_example_of_a_variable_matches_its_pattern() -> None:
    text = DECLARED.replace("example: v2}", "example: two}")
    with pytest.raises(ConfigError, match="'two' does not match the pattern"):
        read(text)


LISTED = DECLARED.replace("tickets?site={site}", "tickets?view={view}").replace(
    "  account:",
    "  view: {env: DESK_VIEW, description: which tickets pull lists, pattern: '^[0-9]+$', example: '360'}\n  account:",
)


def test_a_variable_that_only_a_list_uses_is_needed_by_a_pull_alone() -> None:
    target = read(LISTED)
    assert target.list_variables == {"view"}
    assert TICKETS.list_variables == frozenset()
    with pytest.raises(ConfigError, match=r"needs a value for 'view' \(which tickets pull lists\)"):
        with_values(target, Settings(), ENVIRON)
    ready = with_values(target, Settings(), ENVIRON, optional=target.list_variables)
    assert ready.expand(("7",)) == "/spaces/main/tickets/7.json"
    with pytest.raises(ConfigError, match="needs a value for 'site'"):
        with_values(target, Settings(), {}, optional=target.list_variables)


def test_a_run_asks_for_no_variable_that_it_does_not_use(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(LISTED, "utf-8")
    settings = Settings(target=str(tmp_path / "t.yaml"))
    assert target_of(settings, ENVIRON).base_url == "https://acme.example.com/api/v2"
    with pytest.raises(ConfigError, match="needs a value for 'site'"):
        target_of(settings, {})
