"""`--when` and `--strictness`: settings of the input, said on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from batchupdate.sandbox import Sandbox, make_records

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Cli = Callable[..., Result]
    Sandboxes = Callable[..., Sandbox]

IDS = [record.id for record in make_records().langdock]
TARGET = ("--target", "langdock-integration")
ROWS = [("update", "EMEA"), ("keep", "EMEA"), ("UPDATE", "apac"), ("update", "AMER")]


@pytest.fixture
def conditional(tmp_path: Path) -> Path:
    path = tmp_path / "in.csv"
    lines = [f"{record},New {n},{a},{r}" for n, (record, (a, r)) in enumerate(zip(IDS[: len(ROWS)], ROWS, strict=True))]
    path.write_text("id,name,The action,region\n" + "\n".join(lines) + "\n", "utf-8")
    return path


@pytest.mark.parametrize(
    ("conditions", "left_out"),
    [
        (["the_action=update"], 1),
        (["The action=update", "region=EMEA|APAC"], 2),
        (["The action=update", "region = EMEA | APAC "], 2),
        (["region=x=y"], 4),
    ],
)
def test_only_the_rows_asked_for_are_checked(cli: Cli, conditional: Path, conditions: list[str], left_out: int) -> None:
    said = [word for condition in conditions for word in ("--when", condition)]
    result = cli("check", str(conditional), *TARGET, *said)
    assert f"4 rows: {4 - left_out} valid, 0 invalid, {left_out} left out by the conditions (when)." in result.stdout


def test_only_the_rows_asked_for_are_sent(cli: Cli, conditional: Path, batchupdate_sandbox: Sandboxes) -> None:
    sandbox = batchupdate_sandbox()
    result = cli(
        "run",
        str(conditional),
        *TARGET,
        "--when",
        "region=apac",
        "--yes",
        "--base-url",
        sandbox.url,
        "--rate",
        "unlimited",
    )
    assert result.exit_code == 0, result.output
    assert [change.id for change in sandbox.applied] == [IDS[2]]


def test_a_condition_goes_before_the_configs_for_the_same_column(cli: Cli, conditional: Path, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("input: {when: {the action: keep, region: EMEA}}\n", "utf-8")
    result = cli("check", str(conditional), *TARGET, "--config", "c.yaml", "--when", "The_Action=update")
    assert "4 rows: 1 valid, 0 invalid, 3 left out by the conditions (when)." in result.stdout


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        (["region"], "--when 'region' is not of the form COLUMN=value."),
        (["=EMEA"], "--when '=EMEA' is not of the form COLUMN=value."),
        (["region="], "--when 'region=' leaves a value out."),
        (["region=EMEA|"], "For blank cells, and for values with a | in them, use 'when' in the config; see docs/map"),
        (["region=a", "Region=b"], 'For one of several values, write --when "Region=a|b".'),
        (["country=DE"], "'when' names a column 'country' that the file does not have."),
    ],
)
def test_a_condition_that_says_nothing_is_refused(
    cli: Cli, conditional: Path, conditions: list[str], said: str
) -> None:
    result = cli("check", str(conditional), *TARGET, *(word for one in conditions for word in ("--when", one)))
    assert result.exit_code == 2
    assert said in result.stderr


@pytest.mark.parametrize(("strictness", "code"), [("strict", 1), ("normal", 0), ("lenient", 0)])
def test_strictness_decides_what_an_odd_cell_weighs(cli: Cli, tmp_path: Path, strictness: str, code: int) -> None:
    (tmp_path / "in.csv").write_text(f"id,name\n{IDS[0]},A\u00a0\n", "utf-8")
    assert cli("check", "in.csv", *TARGET, "--strictness", strictness).exit_code == code
    assert cli("run", "in.csv", *TARGET, "--dry-run", "--strictness", strictness).exit_code == code


def test_another_strictness_is_refused(cli: Cli, conditional: Path) -> None:
    result = cli("check", str(conditional), *TARGET, "--strictness", "harsh")
    assert result.exit_code == 2
    assert "'strict', 'normal' or 'lenient'" in result.stderr
