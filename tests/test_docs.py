"""Documentation that drifts fails the build."""

from __future__ import annotations

import ast
import json
import re
import shlex
import tomllib
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml
from typer.main import get_command

from batchupdate.cli import app
from batchupdate.cli.summaries import traffic_line
from batchupdate.config import Input, Secrets, Settings, load_settings
from batchupdate.config.notify import Notify
from batchupdate.config.yaml_file import load, parse
from batchupdate.model import Outcome, Row, Traffic
from batchupdate.sandbox import LANGDOCK_KEY, Sandbox, make_records
from batchupdate.targets import Target, find_target, gallery_names
from batchupdate.targets.body import Body
from batchupdate.validator import Validator, map_columns

if TYPE_CHECKING:
    from collections.abc import Callable


ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("**/[a-z]*.md"))]
PAGES = [page for page in PAGES if "reference" not in page.parts]  # made from the code


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def test_the_library_example_of_the_readme_runs(
    batchupdate_sandbox: Callable[..., Sandbox],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (example,) = blocks(README, "python")
    sandbox = batchupdate_sandbox()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LANGDOCK_API_KEY", LANGDOCK_KEY)
    record = make_records().langdock[0].id
    Path("renames.csv").write_text(f"id,name\n{record},From the README\n", "utf-8")
    here = example.replace('"rate": "10/s"', f'"rate": "10/s", "base_url": "{sandbox.url}"')
    exec(compile(here, "README.md", "exec"), {})  # noqa: S102 - our own README
    assert "1 rows updated" in capsys.readouterr().out
    assert sandbox.record("langdock", record).name == "From the README"


async def test_the_notebook_of_the_pandas_page_runs_inside_a_running_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (notebook,) = blocks((ROOT / "docs" / "pandas.md").read_text("utf-8"), "python")
    first, second = (record.id for record in make_records().langdock[:2])
    notebook = re.sub(r'\["0b2f.*?"\]', f'["{first}", "{second}"]', notebook)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LANGDOCK_API_KEY", LANGDOCK_KEY)
    async with Sandbox() as sandbox:
        notebook = notebook.replace('integration")', f'integration", base_url="{sandbox.url}")')
        cells: dict[str, Any] = {}
        await eval(compile(notebook, "pandas.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), cells)  # noqa: S307 - our own page
        assert sandbox.record("langdock", second).name == "Billing"
    assert cells["problems"]["address"].tolist() == ["df.loc[1, 'name']"]
    assert cells["results"]["_outcome"].tolist() == ["updated", "updated"]
    assert "updated" in capsys.readouterr().out


def test_the_library_example_of_the_readme_is_the_one_that_mypy_checks() -> None:
    (example,) = blocks(README, "python")
    assert example == (ROOT / "tests" / "typing" / "readme.py").read_text("utf-8")


def test_the_readme_names_every_command_outcome_and_exit_code() -> None:
    for outcome in Outcome:
        assert f"| `{outcome.value}` |" in README
    for code in (0, 1, 2, 3, 4, 70):
        assert f"| {code} |" in README


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_and_option_in_the_docs_exists(page: Path) -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    text = page.read_text("utf-8")
    shown = re.findall(r"^\$ (?:\S*/)?batchupdate (.*)$", text, re.MULTILINE)
    for line in [*shown, *(" ".join(line.split()) for line in re.findall(r"`batchupdate ([^`]+)`", text))]:
        name, *words = shlex.split(line.removesuffix("\\"))
        assert name in {*commands, "COMMAND"} or name.startswith("-"), line
        command = commands.get(name)
        if hasattr(command, "commands") and words and not words[0].startswith("-"):
            assert words[0] in command.commands, line
            command = command.commands[words.pop(0)]
        if command is not None:
            known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
            for word in takewhile(lambda word: word not in {"|", "&"}, words):
                if word.startswith("-") and word != "-":
                    assert word in known, f"{page.name}: {line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_in_the_docs_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        if "://" not in link and "reference/" not in link:  # what is made by the build is checked by the build
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_every_file_that_contributing_names_exists() -> None:
    written = {word for code in re.findall(r"`([^`\n]+)`", CONTRIBUTING) for word in code.split()}
    written |= {word for block in blocks(CONTRIBUTING, "console") for word in block.split()}
    top = {path.name for path in ROOT.iterdir() if path.is_dir()}
    paths = {
        word for word in written if word.split("/")[0] in top - {".venv"} or word.endswith((".py", ".md", ".toml"))
    }
    assert len(paths) > 30
    assert sorted(path for path in paths if not (ROOT / path).exists()) == []


def test_every_picture_is_shown_somewhere_and_all_together_are_small() -> None:
    pictures = {path.name: path.stat().st_size for path in (ROOT / "docs" / "pictures").iterdir()}
    shown = {name for page in PAGES for name in re.findall(r"pictures/([\w-]+\.png)\)", page.read_text("utf-8"))}
    assert shown == pictures.keys()
    assert sum(pictures.values()) < 1_500_000


def test_every_make_target_that_contributing_names_exists_and_the_other_way_round() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert phony
    assert set(re.findall(r"\bmake ([a-z]+)\b", "\n".join(re.findall(r"`(make [^`]*)`", CONTRIBUTING)))) == {
        *phony[1].split()
    }


def test_every_marker_is_explained_in_contributing() -> None:
    markers = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["pytest"]["ini_options"]["markers"]
    explained = re.findall(r"^\| `([a-z_]+)", CONTRIBUTING, re.MULTILINE)
    assert {re.split(r"\W", marker)[0] for marker in markers} <= {*explained}


def test_the_demo_in_the_readme_speaks_as_the_demo_does() -> None:
    line_of = r"^(\d+) requests in ([\d.]+) s, (\d+) of them repeats, .* once, ([\d.]+) s spent"
    said = re.findall(line_of, README, re.MULTILINE)
    assert len(said) == 2
    for sent, seconds, repeats, waited in said:
        line = traffic_line(Traffic(int(sent), int(repeats), 1, float(waited), None), float(seconds))
        assert f"\n{line}\n" in README


def test_the_example_config_is_valid_as_it_stands() -> None:
    assert load_settings(config=ROOT / "config.example.yaml", environ={}).target == "langdock-integration"


def test_the_example_config_has_every_setting_and_each_is_valid() -> None:
    text = (ROOT / "config.example.yaml").read_text("utf-8")
    setting = re.compile(r"^( *)# ( *)([A-Za-z_ ]+:)((?: .*)?)$", re.MULTILINE)
    known = {
        *Settings.model_fields,
        *Input.model_fields,
        *Notify.model_fields,
        "field",
        "blank",
        "transforms",
        "New name",
        "Remarks",
    }
    lines = [
        f"{match[1]}{match[2]}{match[3]}{match[4]}"
        if (match := setting.match(line)) and match[3].rstrip(":") in known
        else line
        for line in text.splitlines()
    ]
    parsed = parse("\n".join(lines).encode(), Settings, "config file", "config.example.yaml")
    schema = json.loads((ROOT / "docs" / "config.schema.json").read_text("utf-8"))
    jsonschema.validate(yaml.safe_load("\n".join(lines)), schema, jsonschema.Draft202012Validator)
    assert parsed.model_fields_set == set(Settings.model_fields)
    assert parsed.input.model_fields_set == set(Input.model_fields)


def test_the_example_config_shows_the_real_defaults() -> None:
    text = (ROOT / "config.example.yaml").read_text("utf-8")
    defaults = Settings()
    for name in (
        "timeout",
        "connect_timeout",
        "max_attempts",
        "max_wait",
        "give_up_after",
        "drain_timeout",
        "runs_dir",
    ):
        shown = re.search(rf"^# {name}: (.*)$", text, re.MULTILINE)
        assert shown, name
        assert str(getattr(defaults, name)).removesuffix(".0") == shown[1]


def test_the_declaration_in_the_docs_is_a_valid_target(tmp_path: Path) -> None:
    declaration, *_ = blocks((ROOT / "docs" / "targets.md").read_text("utf-8"), "yaml")
    path = tmp_path / "crm-contact.yaml"
    path.write_text(declaration, "utf-8")
    target = load(path, Target, "target")
    assert target.expand(("a@b.example",)) == "/crm/v3/objects/contacts/a%40b.example?idProperty=email"
    assert target.body_of('{"firstname":"A"}') == b'{"typecast":true,"properties":{"firstname":"A"}}'


def test_the_nested_fields_in_the_docs_are_sent_as_the_docs_say() -> None:
    page = (ROOT / "docs" / "targets.md").read_text("utf-8")
    head = "name: t\ntitle: T\npath: /{id}\nauth: {scheme: none}\nid: {id: {}}\n"
    placed, nested, whole = (
        parse(f"{head}{block}".encode(), Target, "target", "t.yaml")
        for block in blocks(page, "yaml")
        if block.startswith("fields:")
    )
    for name, value, comment in (
        ("Title", "New", '{"Name": {"title": [{"text": {"content": "New"}}]}}'),
        ("Tags", ["a", "b"], '{"Tags": {"multi_select": [{"name": "a"}, {"name": "b"}]}}'),
        ("Colour", "red", '{"custom_fields": [{"id": 123, "value": "red"}]}'),
    ):
        assert json.loads(placed.body_of(json.dumps({name: value}))) == json.loads(comment)
        assert f"# {comment}" in page
    assert nested.body_of('{"name":"A","address.city":"Ulm","address.zip":null}') == (
        b'{"name":"A","address":{"city":"Ulm","zip":null}}'
    )
    assert '{"name": "A", "address": {"city": "Ulm", "zip": null}}' in page
    assert r"a\.b" in nested.fields
    assert whole.parts == {"address": ("address.city",)}


def test_the_templates_in_the_docs_are_sent_as_the_docs_say() -> None:
    page = (ROOT / "docs" / "targets.md").read_text("utf-8")
    (lines,) = (block for block in blocks(page, "yaml") if "JSON:API" in block)
    head = "name: t\ntitle: T\npath: /{id}\nauth: {scheme: none}\nid: {id: {}}\nfields: {title: {}, Name: {}}\n"
    sent = []
    for line in lines.splitlines():
        target = parse(f"{head}{line.partition('   #')[0]}".encode(), Target, "target", "t.yaml")
        field = "Name" if "Accounts" in line else "title"
        sent.append(json.loads(target.body_of(json.dumps({field: "New"}), "/7")))
        if (comment := line.partition("# ")[2]).startswith("{"):
            assert json.loads(comment) == sent[-1]
    assert sent[0] == {"data": {"type": "profile", "id": "7", "attributes": {"title": "New"}}}
    assert len(sent) == 3


def test_the_table_of_lists_in_the_docs_is_what_is_sent() -> None:
    page = (ROOT / "docs" / "targets.md").read_text("utf-8")
    declaration, *_ = blocks(page, "yaml")
    target = parse(declaration.encode(), Target, "target", "t.yaml")
    target = target.model_copy(update={"fields": {"labels": target.fields["labels"]}, "rules": (), "body": Body()})
    table = re.findall(r"^\| (\d) \| (.*?) *\| (.*?) *\| (.*?) *\| (.*?) *\|$", page, re.MULTILINE)
    assert len(table) == 5
    validator = Validator(
        target, map_columns(["contactId", "labels[0]", "labels[1]", "labels[2]"], target, Input()), Secrets()
    )
    for name, *cells, told in table:
        (record,) = validator.check([Row(2, (name, *(cell.strip("`") for cell in cells)))]).records
        wanted = re.match(r"`(.*?)`", told)
        assert record == (json.loads(wanted[1]) if wanted else None)


def test_the_ids_in_the_docs_are_written_as_the_docs_say() -> None:
    page = (ROOT / "docs" / "targets.md").read_text("utf-8").partition("### Ids in the URL")[2].partition("###")[0]
    table = re.findall(r"^\| (`.*?) \| `(.*?)` \| `(.*?)` \|$", page, re.MULTILINE)
    assert len(table) == 6
    for names, record, written in table:
        hashes = {"`md5`, `sha256`": "md5", "`md5-lower`, `sha256-lower`": "md5-lower"}
        name = next((one for shown, one in hashes.items() if names.startswith(shown)), names.split("`")[1])
        head = "name: t\ntitle: T\npath: /{id}\nauth: {scheme: none}\nfields: {a: {}}\n"
        declared = f"{head}id: {{id: {{encode: {name}}}}}\n"
        assert parse(declared.encode(), Target, "target", "t.yaml").expand((record,)) == f"/{written}"


def test_the_table_of_the_gallery_in_the_docs_is_what_it_contains() -> None:
    page = (ROOT / "docs" / "targets.md").read_text("utf-8").partition("## The gallery")[2].partition("\n## ")[0]
    table = re.findall(r"^\| `(\S+)` \| (.*?) \| (.*?) \|(.*?)\|$", page, re.MULTILINE)
    assert [row[0] for row in table] == gallery_names()
    for name, ids, pulled, variables in table:
        target = find_target(name)
        assert set(re.findall("`(.*?)`", ids)) == set(target.id)
        assert pulled.startswith("no") == (target.list is None)
        assert re.findall("`(.*?)`", variables) == list(target.variables)
