"""A run whose journal is no journal any more ends every command in a sentence, and nothing is sent on its word."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    from batchupdate.sandbox import Sandbox

    Cli = Callable[..., Result]
    Renames = Callable[..., Path]
    Sandboxes = Callable[..., Sandbox]

pytestmark = pytest.mark.slow

ONCE = """\
name: once
title: "An API where repeating is not safe"
path: /integrations/v1/{id}
auth: {scheme: bearer, env: LANGDOCK_API_KEY}
id: {id: {format: uuid}}
fields: {name: {}}
repeatable: false
rate: unlimited
"""


def no_text(journal: Path) -> None:
    journal.write_text("This was a journal.\n" * 300, "utf-8")


def empty(journal: Path) -> None:
    journal.write_bytes(b"")


def folder(journal: Path) -> None:
    journal.unlink()
    journal.mkdir()


def missing(journal: Path) -> None:
    journal.unlink()


def cut_off(journal: Path) -> None:
    journal.write_bytes(journal.read_bytes()[:5000])


def of_version(number: int) -> Callable[[Path], None]:
    def spoil(journal: Path) -> None:
        with closing(sqlite3.connect(journal)) as connection:
            connection.execute(f"PRAGMA user_version = {number}")
            connection.commit()

    return spoil


SPOILT = {
    "text": no_text,
    "empty": empty,
    "folder": folder,
    "missing": missing,
    "cut off": cut_off,
    "version 0": of_version(0),
    "version 99": of_version(99),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_every_command_ends_in_a_sentence_and_sends_nothing(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    sandbox = batchupdate_sandbox()
    (tmp_path / "once.yaml").write_text(ONCE, "utf-8")
    run = ("run", str(renames(3)), "-t", "once.yaml", "--yes", "--base-url", sandbox.url)
    assert cli(*run).exit_code == 0
    place = (tmp_path / "batchupdate-runs" / "latest").resolve()
    for beside in place.glob("journal.sqlite3-*"):
        beside.unlink()
    spoil(place / "journal.sqlite3")
    shutil.copytree(place, tmp_path / "spoilt")
    sent = sandbox.counts.requests
    for command in (
        run,
        ("resume",),
        ("resume", place.name),
        ("show", "latest"),
        ("show", str(place)),
        ("report", "latest"),
        ("retry", "latest", "--yes"),
    ):
        result = cli(*command)
        assert result.exit_code == 2, (command, result.output)
        assert result.stderr.startswith("Error: "), command
        assert place.name in result.stderr
        assert len(result.stderr.splitlines()) > 1, "no way out is named"
    listed = cli("runs")
    assert (listed.exit_code, "can't be read" in listed.stdout) == (0, True)
    assert sandbox.counts.requests == sent


def test_a_run_of_which_only_the_log_is_left_is_named_before_its_rows_go_out_again(
    cli: Cli, renames: Renames, batchupdate_sandbox: Sandboxes, tmp_path: Path
) -> None:
    run = ("run", str(renames(3)), "-t", "langdock-integration", "--yes", "--base-url", batchupdate_sandbox().url)
    assert cli(*run).exit_code == 0
    place = (tmp_path / "batchupdate-runs" / "latest").resolve()
    missing(place / "journal.sqlite3")
    assert f"The run {place.name} can't be read; if it sent this file, rows go out again." in cli(*run).stderr
