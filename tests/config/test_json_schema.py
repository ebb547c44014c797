from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

import batchupdate
from batchupdate.cli import app
from batchupdate.config import load_settings
from batchupdate.config.settings import Settings
from batchupdate.errors import ConfigError
from batchupdate.targets import Target, builtin_names

PROJECT = Path(__file__).parent.parent.parent
MODELS = {"config": Settings, "target": Target}


@pytest.fixture(scope="module", params=MODELS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def schema_of(kind: str) -> Any:
    return json.loads((PROJECT / "docs" / f"{kind}.schema.json").read_text(encoding="utf-8"))


def mistakes(kind: str, text: str) -> list[str]:
    data = json.loads(json.dumps(yaml.safe_load(text)))  # as an editor sees it: every key a text
    return [error.message for error in Draft202012Validator(schema_of(kind)).iter_errors(data)]


def test_the_schema_in_the_docs_is_the_one_that_the_command_prints(kind: str) -> None:
    printed = CliRunner().invoke(app, ["config", "schema", kind])
    assert json.loads(printed.stdout) == schema_of(kind)
    Draft202012Validator.check_schema(schema_of(kind))


def test_every_built_in_target_keeps_to_the_schema() -> None:
    folder = Path(batchupdate.__file__).parent / "targets"
    for name in builtin_names():
        assert mistakes("target", (folder / f"{name}.yaml").read_text(encoding="utf-8")) == [], name


SHORT_FORMS = [
    "rate: auto",
    "rate: 10/s",
    "retry_budget: 20%",
    "max_failures: 25",
    "max_failures: 10%",
    "input:",
    "input: {widths: [8, 20]}",
    "input: {widths: '8,20'}",
    "input: {columns: {Name: name, Note: {field: description, blank: 'null'}}}",
    "input: {computed: {name: '{team}: {name}'}, when: {Status: [done, ready]}}",
    "input: {when: {Status: done}}",
]


@pytest.mark.parametrize("text", SHORT_FORMS)
def test_what_the_loader_takes_the_schema_takes(text: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    load_settings({}, path, environ={})
    assert mistakes("config", text) == []


@pytest.mark.parametrize(
    "text", ["rte: 10/s", "concurrency: many", "input: {shet: A}", "input: {on_duplicate: first}", "burst: 0"]
)
def test_what_the_loader_refuses_the_schema_marks(text: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError):
        load_settings({}, path, environ={})
    assert mistakes("config", text)
