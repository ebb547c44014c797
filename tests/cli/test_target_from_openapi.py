from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    Cli = Callable[..., Result]

SPEC = """
openapi: 3.0.3
info: {title: Acme, version: "1"}
servers: [{url: https://sandbox.acme.example}, {url: https://api.acme.example}]
paths:
  /items/{id}:
    patch:
      operationId: updateItem
      summary: Update an item
      requestBody: {content: {application/json: {schema: {properties: {name: {maxLength: 9}, size: {$ref: '#/nope'}}}}}}
    put:
      operationId: replaceItem
      requestBody: {content: {image/png: {}}}
"""
FIELDS = ", ".join(f"f{number}: {{type: string}}" for number in range(60))


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "acme.yaml"
    path.write_text(SPEC, "utf-8")
    return path


def test_the_list_says_which_operations_can_be_declared_and_why_not(cli: Cli, spec: Path) -> None:
    found = cli("targets", "from-openapi", str(spec), "--list")
    assert "updateItem" in found.stdout
    assert "no: Its body is image/png, and not JSON or a form." in found.stdout
    assert "1 of 2 can be declared." in found.stderr
    assert "The reference #/nope is broken" in found.stderr
    operations: list[dict[str, Any]] = json.loads(cli("targets", "from-openapi", str(spec), "--list", "--json").stdout)[
        "operations"
    ]
    assert [(one["operation_id"], one["declarable"]) for one in operations] == [
        ("updateItem", True),
        ("replaceItem", False),
    ]


def test_the_written_target_is_what_show_template_and_check_work_with(cli: Cli, spec: Path) -> None:
    made = cli("targets", "from-openapi", str(spec), "--operation", "updateItem")
    assert made.exit_code == 0
    assert "Look at: The base URL is https://api.acme.example; others (--server N): 1 https://sandbox" in made.stderr
    assert "Look at: The reference #/nope is broken" in made.stderr
    assert "acme-update-item.yaml: PATCH /items/{id}, 2 fields." in made.stdout
    assert "at most 9 characters" in cli("targets", "show", "acme-update-item.yaml").stdout
    assert cli("template", "acme-update-item.yaml").exit_code == 0
    Path("items.csv").write_text("id,name\n1,A\n2,much too long\n", "utf-8")
    checked = cli("check", "items.csv", "--target", "acme-update-item.yaml")
    assert checked.exit_code == 1
    assert "at most 9" in checked.stdout + checked.stderr
    again = cli("targets", "from-openapi", str(spec), "--operation", "updateItem")
    assert again.exit_code == 2
    assert "already exists" in again.stderr


def test_the_target_can_go_to_standard_output(cli: Cli, spec: Path) -> None:
    made = cli("targets", "from-openapi", str(spec), "--operation", "PATCH /items/{id}", "--server", "1", "-o", "-")
    assert "base_url: https://sandbox.acme.example" in made.stdout
    assert not list(Path().glob("acme-*"))


def test_what_is_left_out_is_said(cli: Cli, spec: Path) -> None:
    spec.write_text(SPEC.replace("name: {maxLength: 9}", FIELDS), "utf-8")
    made = cli("targets", "from-openapi", str(spec), "--operation", "updateItem", "--json")
    assert "Left out are 11 fields, such as f50, f51" in made.stderr
    assert len(json.loads(made.stdout)["left_out"]) == 11
    made = cli(
        "targets", "from-openapi", str(spec), "--operation", "updateItem", "--fields", "f3, f59", "--force", "--json"
    )
    assert json.loads(made.stdout)["fields"] == ["f3", "f59"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "The document has 2 update operations. Choose with --operation; see --list."),
        (("--operation", "updateItm"), "Did you mean 'updateItem'?"),
        (("--operation", "replaceItem"), "Its body is image/png"),
        (("--operation", "updateItem", "-o", "x.txt"), "does not end in .yaml"),
        (("--operation", "updateItem", "--fields", "nme"), "no field 'nme'"),
    ],
)
def test_a_choice_that_is_missing_or_wrong_is_said(cli: Cli, spec: Path, arguments: tuple[str, ...], said: str) -> None:
    made = cli("targets", "from-openapi", str(spec), *arguments)
    assert made.exit_code == 2
    assert said in " ".join(made.stderr.split())


def test_a_document_can_be_at_a_url_and_its_name_tells_no_secret(cli: Cli, spec: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    fsspec.filesystem("memory").pipe("/openapi.yaml", spec.read_bytes())
    fsspec.filesystem("memory").pipe("/broken.yaml", b"a: [")
    fsspec.filesystem("memory").pipe("/large.json", b"[" * 20_000_001)
    made = cli("targets", "from-openapi", "memory://openapi.yaml", "--operation", "updateItem", "-o", "-")
    assert "of openapi.yaml: " in made.stdout
    for name, said in {
        "broken.yaml": "memory://broken.yaml:2: this is not valid YAML",
        "large.json": "The document memory://large.json is larger than 20 MB",
        "none.yaml": "There is no file memory://none.yaml",
    }.items():
        made = cli("targets", "from-openapi", f"memory://{name}", "--list")
        assert (made.exit_code, said in " ".join(made.stderr.split())) == (2, True), made.stderr
    made = cli("targets", "from-openapi", "memory://openapi.yaml", "--follow-refs", "--list")
    assert "--follow-refs is for a document in a file" in made.stderr
    made = cli("targets", "from-openapi", "http://api.acme.example/openapi.yaml", "--list")
    assert "would be read without encryption" in made.stderr
    made = cli("targets", "from-openapi", "none.yaml")
    assert "can't be read: No such file" in made.stderr


def test_a_document_without_updates_says_so(cli: Cli, spec: Path) -> None:
    spec.write_text("swagger: '2.0'\npaths: {/a: {get: {}}}", "utf-8")
    assert "has no operation that updates one record" in " ".join(
        cli("targets", "from-openapi", str(spec)).stderr.split()
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_at_a_terminal_operation_server_and_fields_are_asked_for(spec: Path) -> None:
    import pty  # noqa: PLC0415 - Windows has none

    spec.write_text(SPEC.replace("name: {maxLength: 9}", FIELDS), "utf-8")
    ours, theirs = pty.openpty()
    try:
        os.write(ours, b"1\n2\nf7, f59\n")
        command = [sys.executable, "-m", "batchupdate", "targets", "from-openapi", str(spec), "--json"]
        done = subprocess.run(command, stdin=theirs, capture_output=True, text=True, timeout=120, check=True)
    finally:
        os.close(ours)
        os.close(theirs)
    assert "1  PATCH /items/{id}  Update an item" in done.stderr
    assert "2  https://api.acme.example" in done.stderr
    assert "Which server [2]" in done.stderr
    assert "It has 61 fields:" in done.stderr
    assert json.loads(done.stdout)["fields"] == ["f7", "f59"]
    assert "base_url: https://api.acme.example" in Path("acme-update-item.yaml").read_text("utf-8")
