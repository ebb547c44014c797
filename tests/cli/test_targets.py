from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from declarations import PLAIN
from packages import install

from batchupdate.sandbox import make_records

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    from batchupdate.sandbox import Sandbox

    Cli = Callable[..., Result]
    Renames = Callable[..., Path]
    Sandboxes = Callable[..., Sandbox]

pytestmark = pytest.mark.slow


def test_targets_lists_and_shows(cli: Cli) -> None:
    assert "langdock-integration" in cli("targets").stdout
    assert json.loads(cli("targets", "list", "--json").stdout)["targets"][1]["name"] == "nairi-llm-integration"
    shown = cli("targets", "show", "langdock-integration").stdout
    assert "at most 40 characters" in shown
    assert "LANGDOCK_API_KEY" in shown
    assert json.loads(cli("targets", "show", "nairi-llm-integration", "--json").stdout)["method"] == "PATCH"


def test_the_gallery_is_listed_apart_from_what_is_built_in_and_can_be_copied(cli: Cli, tmp_path: Path) -> None:
    listed = cli("targets", "list").stdout
    first, second = listed.split("Gallery: written from the vendor's documentation; try it with a few rows first")
    assert "Built in:" in first
    assert "nairi-llm-integration" in first
    assert "zendesk-ticket" in second
    assert "langdock-integration" not in second
    origins = {one["name"]: one["origin"] for one in json.loads(cli("targets", "list", "--json").stdout)["targets"]}
    assert origins["langdock-integration"] == "built in"
    assert origins["zendesk-ticket"].startswith("gallery: ")
    shown = cli("targets", "show", "zendesk-ticket").stdout
    assert "In the gallery: written from the vendor's documentation" in shown
    assert "gallery" not in cli("targets", "show", "nairi-llm-integration").stdout
    (tmp_path / "mine.yaml").write_text(cli("targets", "show", "zendesk-ticket", "--yaml").stdout, "utf-8")
    copied = json.loads(cli("targets", "show", "mine.yaml", "--json").stdout)
    assert copied == json.loads(cli("targets", "show", "zendesk-ticket", "--json").stdout)
    refused = cli("targets", "show", "mine.yaml", "--yaml")
    assert (refused.exit_code, "is a file of your own already" in refused.stderr) == (2, True)


def test_targets_shows_a_target_of_the_users_own(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "name: mine\ntitle: Mine\npath: /things/{id}\nauth: {scheme: none}\nid: {id: {pattern: '^t_'}}\n"
        "fields: {size: {enum: [S, M], description: The size}, note: {pattern: '^x'}}\n",
        "utf-8",
    )
    shown = cli("targets", "show", "mine.yaml").stdout
    assert "one of: S, M" in shown
    assert "give --base-url" in shown
    assert "is never sent again" in shown


def test_targets_shows_with_which_headings_nested_fields_and_lists_are_set(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "name: mine\ntitle: Mine\npath: /things/{id}\nauth: {scheme: none}\nid: {id: {}}\n"
        "fields: {p.labels: {type: list, items: {max_length: 9}, min_items: 1, max_items: 5}, 'a\\.b.c': {}, "
        "n: {type: list, items: {type: integer, maximum: 9}}, x: {type: json, json_type: object}, y: {type: list}}\n",
        "utf-8",
    )
    shown = cli("targets", "show", "mine.yaml").stdout
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert (
        "p.labels a list of strings separated by ',', each at most 9 characters, at least 1 item, at most 5 items"
        in lines
    )
    assert "n a list of integers separated by ',', each at most 9, or <empty>" in lines
    assert "y a list of strings separated by ',', or <empty>" in lines
    assert r"a\.b.c text, or <empty>" in lines
    assert "x a JSON object" in lines
    assert 'A dot leads into an object: the column p.labels sets {"p": {"labels": …}}.' in lines
    assert r"A backslash before a dot means the dot itself: a\.b.c." in lines
    assert "A list has one column, p.labels, or one for each item: p.labels[0], p.labels[1] and so on." in lines
    assert "dot leads" not in cli("targets", "show", "langdock-integration").stdout


def test_an_api_that_replaces_objects_is_shown_as_one_and_patterns_by_their_examples(cli: Cli) -> None:
    sample = Path(__file__).parents[2] / "samples" / "sandbox-contacts.yaml"
    shown = cli("targets", "show", str(sample)).stdout
    assert "The API replaces an object as a whole: a row that sets a member has to say what the others are." in shown
    assert "an id such as c1" in shown
    assert "text such as 10115" in shown
    assert "^[0-9]{5}$" not in shown
    assert "as a whole" not in cli("targets", "show", "langdock-integration").stdout


def test_targets_test_shows_the_request_for_a_row_and_sends_nothing(cli: Cli, renames: Renames) -> None:
    shown = cli("targets", "test", "langdock-integration", "--file", str(renames(1)))
    assert shown.exit_code == 0
    lines = shown.stdout.splitlines()
    assert lines[0].startswith("PATCH https://api.langdock.com/integrations/v1/")
    assert "Authorization: Bearer [redacted]" in lines
    assert lines[-4:] == ["", "{", '  "name": "Renamed 0"', "}"]
    assert "Row 2 would be sent as:" in shown.stderr
    assert "Nothing was sent." in shown.stderr
    request = json.loads(cli("targets", "test", "nairi-llm-integration", "--json").stdout)["request"]
    assert request["body"] == '{"name":"a new name"}'
    assert request["url"].endswith("/llm/ai_01KFRX8K1CKQGCV2W5J9C9Z37H")


def test_targets_test_names_the_problems_of_a_row_that_can_not_be_sent(cli: Cli, renames: Renames) -> None:
    refused = cli("targets", "test", "langdock-integration", "--file", str(renames(0, ("17", "x"))))
    assert refused.exit_code == 1
    assert "row 2: column 'id': '17' is not a UUID" in refused.stderr
    assert "Nothing would be sent for this row." in refused.stdout


def test_targets_test_reads_a_record_and_shows_where_its_fields_are(cli: Cli, batchupdate_sandbox: Sandboxes) -> None:
    server = batchupdate_sandbox()
    record = make_records().langdock[0]
    found = cli("targets", "test", "langdock-integration", "--read", record.id, "--base-url", server.url)
    assert found.exit_code == 0, found.stderr
    assert found.stdout.startswith(f"GET /integrations/v1/{record.id}\n")
    assert f'  "name": "{record.name}"' in found.stdout
    table = [" ".join(line.split()) for line in found.stdout.splitlines()]
    assert "color color not in the record" in table
    assert server.counts.applied == 0
    gone = cli("targets", "test", "langdock-integration", "--base-url", server.url, "--read", record.id[:-4] + "0000")
    assert gone.exit_code == 3
    assert "The record can't be read: 404 there is no such record" in gone.stderr
    both = cli("targets", "test", "langdock-integration", "--read", record.id, "--file", "x.csv")
    assert (both.exit_code, "Give only one of them." in both.stderr) == (2, True)


def test_targets_test_searches_as_match_does_and_says_what_a_row_would_mean(
    cli: Cli, batchupdate_sandbox: Sandboxes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = batchupdate_sandbox()
    monkeypatch.setenv("CONTACTS_API_KEY", "ct_sandbox")
    (tmp_path / "t.yaml").write_text(
        "name: crm\ntitle: CRM\npath: /contacts/{id}\nauth: {env: CONTACTS_API_KEY}\nid: {id: {}}\nfields: {name: {}}\n"
        'search: {path: "/contacts?name={name}", records: contacts}\n',
        "utf-8",
    )
    first = cli("targets", "test", "t.yaml", "--base-url", server.url, "--search", "name=Nobody")
    assert first.exit_code == 0, first.output
    assert first.stdout.startswith("GET /contacts?name=Nobody\n")
    assert "A row with these values would mean 0 records, so it is stopped." in first.stderr
    name = json.loads(
        cli("targets", "test", "t.yaml", "--base-url", server.url, "--search", "name=x", "--json").stdout
    )["records"][0]["fields"]["name"]
    found = cli("targets", "test", "t.yaml", "--base-url", server.url, "--search", f"name={json.loads(name)}")
    assert "would mean 1 record." in found.stderr
    assert server.counts.applied == 0
    for wrong in (("--search", "name"), ("--search", "name=a", "--read", "c1"), ("--search", "nome=a")):
        assert cli("targets", "test", "t.yaml", "--base-url", server.url, *wrong).exit_code == 2


def test_targets_from_curl_writes_a_declaration_and_its_row_and_keeps_no_key(cli: Cli, tmp_path: Path) -> None:
    command = (
        "curl -k -X PATCH https://api.acme.example/v1/contacts/1024 -H 'Authorization: Bearer sk-very-secret' "
        """--json '{"properties": {"city": "Ulm"}}'"""
    )
    made = cli("targets", "from-curl", command)
    assert made.exit_code == 0, made.stderr
    assert "PATCH https://api.acme.example/v1/contacts/{id} → acme-contacts.yaml, and its row" in made.stdout
    assert "--insecure (certificates are always checked)" in made.stderr
    assert "Set the environment variable ACME_API_KEY to the key" in made.stderr
    next_step = "batchupdate targets test acme-contacts.yaml --file acme-contacts.csv"
    assert next_step in made.stderr
    written = (tmp_path / "acme-contacts.yaml").read_text("utf-8") + (tmp_path / "acme-contacts.csv").read_text("utf-8")
    assert "very-secret" not in written + made.stdout + made.stderr
    shown = cli(*next_step.split()[1:])
    assert shown.stdout.splitlines()[0] == "PATCH https://api.acme.example/v1/contacts/1024"
    assert shown.stdout.splitlines()[-5:] == ["{", '  "properties": {', '    "city": "Ulm"', "  }", "}"]
    again = cli("targets", "from-curl", command)
    assert (again.exit_code, "acme-contacts.yaml is there already" in again.stderr) == (2, True)
    other = cli("targets", "from-curl", "-", "--id", "kind=contacts", "--id", "n=1024", "-o", "my.yaml", text=command)
    assert "PATCH https://api.acme.example/v1/{kind}/{n} → my.yaml" in other.stdout
    wrong = cli("targets", "from-curl", command, "--id", "contacts", "--force")
    assert (wrong.exit_code, "is not of the form NAME=VALUE" in wrong.stderr) == (2, True)


def test_the_list_shows_the_targets_of_packages_and_names_those_that_can_not_be_used(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    install(tmp_path, "list_good", f"it = {PLAIN!r}", {"mine": "list_good:it"})
    install(tmp_path, "list_broken", "import nothing_there", {"broken": "list_broken"})
    install(tmp_path, "list_usurper", "raise RuntimeError", {"zendesk-ticket": "list_usurper"})
    listed = cli("targets", "list")
    assert listed.exit_code == 0
    assert re.search(r"mine +My API +list-good 1\.0", listed.stdout)
    said = "The target broken of the package list-broken 1.0 can't be loaded (list_broken): ModuleNotFound"
    assert said in listed.stderr
    assert "The package list-usurper 1.0 has a target zendesk-ticket, too; ours of that name is used." in listed.stderr
    targets = json.loads(cli("targets", "list", "--json").stdout)["targets"]
    assert {"name": "mine", "title": "My API", "origin": "package list-good 1.0"} in targets
    assert [one["name"] for one in targets].count("zendesk-ticket") == 1
