from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from workbooks import book

from batchupdate.config import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from click.testing import Result

    Cli = Callable[..., Result]

CURL = "curl -X PATCH https://api.acme.example/v1/things/1024 -H 'Authorization: Bearer x' --json '{\"name\": \"A\"}'"
SPEC = """
openapi: 3.0.3
info: {title: Acme, version: "1"}
servers: [{url: https://api.acme.example}]
paths:
  /items/{id}:
    patch:
      operationId: updateItem
      requestBody: {content: {application/json: {schema: {properties: {name: {type: string, maxLength: 9}}}}}}
"""


def contacts(name: str = "contacts.csv", heading: str = "Contact id,First name,Surname,Remarks") -> str:
    Path(name).write_text(f"{heading}\n501,Ann,Smith,x\n502,Bob,Jones,\n", "utf-8")
    return name


def test_a_config_is_written_and_the_file_checked_with_it(cli: Cli) -> None:
    made = cli("init", contacts(), "--target", "hubspot-contact")
    assert made.exit_code == 0, made.output
    settings = load_settings(config=Path("batchupdate.yaml"), environ={})
    assert {heading: one.field for heading, one in settings.input.columns.items()} == {
        "Contact id": "contactId",
        "First name": "firstname",
    }
    assert "2 rows: 2 valid, 0 invalid." in made.stdout
    assert "Next: batchupdate run contacts.csv --config batchupdate.yaml" in made.stdout
    assert "set nothing: Surname, Remarks." in Path("batchupdate.yaml").read_text("utf-8")
    assert cli("check", "contacts.csv", "--config", "batchupdate.yaml").exit_code == 0


def test_the_key_is_named_and_whether_it_is_there_but_never_its_value(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANGDOCK_API_KEY", "sk-ld-a-secret")
    Path("a.csv").write_text("id,name\n550e8400-e29b-41d4-a716-446655440000,A\n", "utf-8")
    made = cli("init", "a.csv", "-t", "langdock-integration")
    assert "environment variable LANGDOCK_API_KEY, which is set." in made.stderr
    assert "sk-ld-a-secret" not in made.output + Path("batchupdate.yaml").read_text("utf-8")
    monkeypatch.delenv("LANGDOCK_API_KEY")
    made = cli("init", "a.csv", "-t", "langdock-integration", "--force")
    assert "LANGDOCK_API_KEY, which is not set. Type for example: export LANGDOCK_API_KEY=YOUR-KEY" in made.stderr


def test_what_is_there_is_replaced_only_with_force(cli: Cli) -> None:
    Path("batchupdate.yaml").write_text("mine", "utf-8")
    made = cli("init", contacts(), "-t", "hubspot-contact")
    assert made.exit_code == 2
    assert "batchupdate.yaml already exists. Replace it with --force" in " ".join(made.stderr.split())
    assert Path("batchupdate.yaml").read_text("utf-8") == "mine"
    assert "already exists" in cli("init", "contacts.csv").stderr  # before anything is asked, such as the target
    assert cli("init", "contacts.csv", "-t", "hubspot-contact", "--force").exit_code == 0
    assert cli("init", "contacts.csv", "-t", "hubspot-contact", "-o", "x.txt").exit_code == 2


def test_guesses_are_named_and_taken_with_yes_alone(cli: Cli) -> None:
    contacts(heading="Contact id,Frist name,Last name,Remarks")
    made = cli("init", "contacts.csv", "-t", "hubspot-contact")
    assert (
        "The column 'Frist name' may be what sets firstname. To use it, add: --map \"Frist name=firstname\""
        in made.stderr
    )
    text = Path("batchupdate.yaml").read_text("utf-8")
    assert "    # Frist name: firstname\n" in text
    assert "set nothing: Remarks." in text
    assert cli("init", "contacts.csv", "-t", "hubspot-contact", "--force", "--yes").exit_code == 0
    columns = load_settings(config=Path("batchupdate.yaml"), environ={}).input.columns
    assert [one.field for one in columns.values()] == ["contactId", "firstname", "lastname"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-t", "hubspot-contact"), "No column holds the id 'contactId'."),
        ((), "No target is named, and nobody can be asked."),
        (("-t", "hubspot-contat"), "Did you mean hubspot-contact"),
        (("-t", "hubspot-contact", "--map", "Ref=contactID"), "The map names a column 'Ref'"),
        (("-t", "hubspot-contact", "--map", "No=nonsense"), "The map names a field 'nonsense'"),
        (("-t", "hubspot-contact", "--sheet", "x"), "--sheet"),
        (("-t", "zendesk-ticket", "--var", "sight=x"), "has no variable 'sight'"),
        (("-t", "hubspot-contact", "--from-curl", CURL), "--from-curl and --target both say which target is meant"),
        (("-t", "hubspot-contact", "--map", "No=contactId", "-o", "none/c.yaml"), "There is no folder none."),
    ],
)
def test_what_can_not_be_used_or_decided_is_a_sentence_and_nothing_is_written(
    cli: Cli, arguments: tuple[str, ...], said: str
) -> None:
    contacts(heading="No,firstname,x,y")
    made = cli("init", "contacts.csv", *arguments)
    assert made.exit_code == 2
    assert said in " ".join(made.stderr.split())
    assert [path.name for path in Path().iterdir()] == ["contacts.csv"]


def test_a_file_that_can_not_be_read_is_a_sentence(cli: Cli) -> None:
    for name, said in (("none.csv", "none.csv"), ("-", "standard input")):
        made = cli("init", name, "-t", "hubspot-contact")
        assert made.exit_code == 2
        assert said in made.stderr
    Path("twins.csv").write_text("id,Name,name\n1,a,b\n", "utf-8")
    assert "the columns B and C have the same heading" in " ".join(
        cli("init", "twins.csv", "-t", "hubspot-contact").stderr.split()
    )


def test_options_and_the_sheet_stand_in_the_config(cli: Cli) -> None:
    sheet = [["Contact id", "First name"], ["501", "Ann"]]
    Path("a.xlsx").write_bytes(book(("To do", sheet), ("Done", [["x"]])))
    arguments = ("--rate", "5/s", "--limit", "7", "--when", "First name=Ann|Bob", "--map", "Contact id=contactId")
    made = cli("init", "a.xlsx", "-t", "hubspot-contact", *arguments)
    assert made.exit_code == 0, made.output
    assert "The sheet 'To do' is used, the first of 2" in made.stderr
    settings = load_settings(config=Path("batchupdate.yaml"), environ={})
    assert (settings.input.sheet, str(settings.rate), settings.limit) == ("To do", "5/s", 7)
    assert settings.input.when == {"First name": ("Ann", "Bob")}


def test_variables_without_a_value_are_named_and_those_with_one_written(cli: Cli) -> None:
    Path("t.csv").write_text("Ticket id,Subject\n7,a\n", "utf-8")
    made = cli("init", "t.csv", "-t", "zendesk-ticket", "--var", "site=acme")
    assert made.exit_code == 0, made.output
    assert "The target needs a value for 'email'" in made.stderr
    assert load_settings(config=Path("batchupdate.yaml"), environ={}).variables == {"site": "acme"}


def test_without_a_file_a_config_is_written_for_the_target_and_a_sheet_offered(cli: Cli) -> None:
    made = cli("init", "-t", "hubspot-contact")
    assert made.exit_code == 0
    assert "batchupdate template hubspot-contact" in made.stdout
    assert load_settings(config=Path("batchupdate.yaml"), environ={}).input.columns == {}


def test_rows_that_can_not_be_sent_are_shown_and_make_the_exit_code_1(cli: Cli) -> None:
    Path("a.csv").write_text("id,name\nnonsense,A\n", "utf-8")
    made = cli("init", "a.csv", "-t", "langdock-integration")
    assert made.exit_code == 1
    assert "row 2: column 'id'" in made.stdout
    assert "Correct what is wrong, then: batchupdate check a.csv --config batchupdate.yaml" in made.stdout


def test_as_json_there_is_one_document(cli: Cli) -> None:
    contacts(heading="Contact id,Frist name,Surname,Remarks")
    made = cli("init", "contacts.csv", "-t", "hubspot-contact", "--map", "Surname=lastname", "--json")
    said = json.loads(made.stdout)
    assert said["columns"] == {"Contact id": "contactId", "Surname": "lastname"}
    assert said["guesses"] == {"Frist name": "firstname"}
    assert (said["check"]["rows"], said["check"]["invalid"]) == (2, 0)
    quiet = cli("init", "contacts.csv", "-t", "hubspot-contact", "--map", "Surname=lastname", "--force", "--quiet")
    assert quiet.output == ""


def test_a_target_is_made_of_a_curl_command_or_a_document(cli: Cli) -> None:
    Path("a.csv").write_text("thing,name\n1024,A\n", "utf-8")
    made = cli("init", "a.csv", "--from-curl", CURL, "--map", "thing=id")
    assert made.exit_code == 0, made.output
    assert "PATCH https://api.acme.example/v1/things/{id}" in cli("targets", "show", "acme-things.yaml").stdout
    assert cli("init", "a.csv", "--from-curl", CURL, "--map", "thing=id", "-o", "b.yaml").exit_code == 2
    assert not Path("b.yaml").exists()
    Path("acme.yaml").write_text(SPEC, "utf-8")
    Path("i.csv").write_text("id,name\n7,much too long\n", "utf-8")
    made = cli("init", "i.csv", "--from-openapi", "acme.yaml", "-o", "items.yaml")
    assert made.exit_code == 1, made.output
    assert "at most 9" in made.stdout
    settings = load_settings(config=Path("items.yaml"), environ={})
    assert settings.target == "acme-update-item.yaml"
    assert cli("check", "i.csv", "--config", "items.yaml").exit_code == 1


OLD_NEW = "old name,new name,Descripton\nSlack,Slack EMEA,x\n"


def test_for_a_file_without_ids_the_column_is_proposed_by_which_records_can_be_found(cli: Cli) -> None:
    Path("a.csv").write_text(OLD_NEW, "utf-8")
    refused = cli("init", "a.csv", "-t", "langdock-integration")
    assert refused.exit_code == 2
    said = " ".join(refused.stderr.split())
    assert "No column holds the ids. The records may be found by their present name, in the column 'old name'" in said
    assert 'add --match "old name=name"' in said
    assert not Path("batchupdate.yaml").exists()
    for arguments in (("--yes",), ("--match", "old name=name")):
        made = cli("init", "a.csv", "-t", "langdock-integration", *arguments, "--force")
        assert made.exit_code == 0, made.output
        settings = load_settings(config=Path("batchupdate.yaml"), environ={}).input
        assert settings.match == {"name": "old name"}
        guessed = {"Descripton": "description"} if arguments == ("--yes",) else {}
        assert {heading: one.field for heading, one in settings.columns.items()} == {"new name": "name", **guessed}
        assert "set nothing" not in Path("batchupdate.yaml").read_text("utf-8")


@pytest.mark.parametrize(
    ("old", "new"), [("Old name", "New name"), ("Old name", "New title"), ("Name alt", "Name neu")]
)
def test_beside_the_ids_the_new_values_are_set_and_not_the_old_ones(cli: Cli, old: str, new: str) -> None:
    Path("a.csv").write_text(f"Key,{old},{new}\n550e8400-e29b-41d4-a716-446655440000,A,B\n", "utf-8")
    target = Path("t.yaml")
    shown = cli("targets", "show", "langdock-integration", "--yaml").stdout
    target.write_text(shown.replace("  name:\n", "  name:\n    aliases: [title]\n", 1), "utf-8")
    made = cli("init", "a.csv", "-t", "t.yaml", "--yes")
    assert made.exit_code == 0, made.output
    settings = load_settings(config=Path("batchupdate.yaml"), environ={}).input
    assert {heading: one.field for heading, one in settings.columns.items()} == {"Key": "integrationId", new: "name"}
    assert settings.match == {}
    assert f"set nothing: {old}." in Path("batchupdate.yaml").read_text("utf-8")


@pytest.mark.parametrize(
    ("target", "heading", "match"),
    [
        ("langdock-integration", "name,description", {"name": "name"}),
        ("langdock-integration", "current description,description", {"description": "current description"}),
        ("langdock-integration", "name", {}),  # nothing would be set
        ("langdock-integration", "colour,description", {}),  # the list never has it
        ("langdock-integration", "id,name,description", {}),
        ("nairi-llm-integration", "old name,new name", {}),  # nothing lists these records
    ],
)
def test_only_what_the_target_can_find_records_by_is_proposed(
    cli: Cli, target: str, heading: str, match: dict[str, str]
) -> None:
    cells = ["550e8400-e29b-41d4-a716-446655440000" if one == "id" else "x" for one in heading.split(",")]
    Path("a.csv").write_text(f"{heading}\n{','.join(cells)}\n", "utf-8")
    made = cli("init", "a.csv", "-t", target, "--yes")
    assert made.exit_code == (0 if match or heading.startswith("id") else 2), made.output
    if made.exit_code == 0:
        assert load_settings(config=Path("batchupdate.yaml"), environ={}).input.match == match


@contextmanager
def terminal(*arguments: str, answers: str) -> Iterator[subprocess.Popen[str]]:
    import pty  # noqa: PLC0415 - Windows has none

    ours, theirs = pty.openpty()
    try:
        os.write(ours, answers.encode())
        command = [sys.executable, "-m", "batchupdate", "init", *arguments]
        environ = {**os.environ, "COLUMNS": "80"}
        with subprocess.Popen(
            command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ
        ) as process:
            try:
                yield process
            finally:
                process.kill()  # one that still waits for an answer
    finally:
        os.close(ours)
        os.close(theirs)


def asked(*arguments: str, answers: str) -> tuple[int, str, str]:
    with terminal(*arguments, answers=answers) as process:
        out, err = process.communicate(timeout=30)
        return process.returncode, out, err


PTY = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")


@PTY
@pytest.mark.slow
def test_at_a_terminal_target_sheet_columns_and_variables_are_asked_for() -> None:
    rows = [["Ref", "Subjct", "Stage", "New status", "Status"], ["7", "a", "3", "solved", "open"]]
    Path("t.xlsx").write_bytes(book(("Notes", [["x"]]), ("To do", rows)))
    answers = [
        *("2", "nonsense", "zendesk-ticket"),
        *("", "-"),  # one guess is right, and one is wrong
        *("1", ""),  # the id's column, and nothing is to be changed
        *("acme", "ann@acme.example"),
        "",
    ]
    code, out, err = asked("t.xlsx", answers="\n".join(answers))
    assert code == 0, err
    assert "There is no target 'nonsense'." in err
    assert "Which sheet (its number or name) [1]" in err
    assert "What does 'Subjct' set (a field, or - for nothing) [subject]" in err
    assert "Which column holds the id ticketId" in err
    assert max(map(len, out.splitlines())) <= 80
    settings = load_settings(config=Path("batchupdate.yaml"), environ={})
    assert (settings.target, settings.input.sheet) == ("zendesk-ticket", "To do")
    assert {heading: one.field for heading, one in settings.input.columns.items()} == {
        "Ref": "ticketId",
        "Subjct": "subject",
        "Status": "status",
    }
    assert settings.variables == {"site": "acme", "email": "ann@acme.example"}


@PTY
@pytest.mark.slow
@pytest.mark.parametrize("agrees", [True, False])
def test_at_a_terminal_it_is_asked_whether_records_are_to_be_found_by_a_column(agrees: bool) -> None:
    Path("b.csv").write_text("No,name,description\n7,A,x\n", "utf-8")
    answers = "perhaps\nyes\n" if agrees else "n\n1\n\n"
    code, _, err = asked("b.csv", "--target", "langdock-integration", answers=answers)
    said = " ".join(err.split())
    assert "Find the records by their present name, in the column 'name' (yes or no)" in said
    assert ("Say yes or no." in said) is agrees
    settings = load_settings(config=Path("batchupdate.yaml"), environ={}).input
    assert settings.match == ({"name": "name"} if agrees else {})
    assert [one.field for one in settings.columns.values()] == (
        ["description"] if agrees else ["integrationId", "name", "description"]
    )
    assert code == (0 if agrees else 1), "7 is no id"


@PTY
@pytest.mark.slow
def test_at_a_terminal_a_column_can_be_changed_and_wrong_answers_are_asked_again() -> None:
    contacts(heading="Contact id,First name,Surname,Remarks")
    answers = "9\n3\nlastnam\nlastname\n2\n-\n\n\n"
    code, out, err = asked("contacts.csv", "--target", "hubspot-contact", answers=answers)
    assert code == 0, err
    assert "There is no column '9'" in err
    assert "Did you mean 'lastname'?" in " ".join(err.split())
    assert "A column that is called like 'firstname' sets it, unless another column does." in " ".join(err.split())
    assert out.count("sets") >= 2
    columns = load_settings(config=Path("batchupdate.yaml"), environ={}).input.columns
    assert [one.field for one in columns.values()] == ["contactId", "firstname", "lastname"]


@PTY
@pytest.mark.slow
def test_ctrl_c_at_a_question_leaves_nothing_behind() -> None:
    contacts()
    with terminal("contacts.csv", answers="") as process:
        assert process.stderr is not None
        seen: list[Any] = []
        while "Which target" not in "".join(seen):
            seen.append(process.stderr.read(1))
            assert seen[-1], "it has ended without a question"
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130
    assert "Traceback" not in rest
    assert [path.name for path in Path().iterdir()] == ["contacts.csv"]
