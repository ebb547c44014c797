from __future__ import annotations

import json
import os
import stat
import sys
from typing import TYPE_CHECKING

import pytest

from batchupdate.config import Settings
from batchupdate.errors import ConfigError
from batchupdate.runs.tuning import Tuning, ask, forget, taken_up

if TYPE_CHECKING:
    from pathlib import Path


def test_requests_are_taken_up_in_order_and_gone_afterwards(tmp_path: Path) -> None:
    asked = [Tuning({"rate": "2/s"}), Tuning({}, paused=True), Tuning({"max_failures": "10%"}, paused=False)]
    paths = [ask(tmp_path, tuning) for tuning in asked]
    assert list(taken_up(tmp_path)) == asked
    assert not any(path.exists() for path in paths)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
def test_a_request_is_for_its_owner_alone(tmp_path: Path) -> None:
    assert stat.S_IMODE(ask(tmp_path, Tuning({"rate": "2/s"})).stat().st_mode) == 0o600


def test_what_is_changed_stands_above_the_settings_and_the_rest_stays() -> None:
    settings = Settings.model_validate({"rate": "9/s", "max_attempts": 2, "give_up_after": 7.0})
    changed = Tuning({"rate": "2/s", "max_failures": "5"}).over(settings)
    assert changed == settings.model_copy(update={"rate": changed.rate, "max_failures": changed.max_failures})
    assert (str(changed.rate), str(changed.max_failures)) == ("2/s", "5")
    assert changed.kept() == {"rate": "2/s", "max_attempts": 2, "give_up_after": 7.0, "max_failures": "5"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{",
        '{"rate": "fast"}',
        '{"rate": 5}',
        '{"give_up_after": -1}',
        '{"paused": "yes"}',
        '{"paused": []}',
        '{"paused": {"at": 1}}',
        '{"paused": 1}',
        '{"rate": ["5/s"]}',
        '{"rate": null}',
        '{"give_up_after": {}}',
        '{"max_failures": true}',
        "[" * 9000,
        '{"base_url": "https://elsewhere.example"}',
        "\ufeff{}\x00",
        '{"rate": "1/s"' + " " * 20_000 + "}",
    ],
)
def test_what_is_no_request_is_an_error_and_keeps_no_other_from_being_heard(tmp_path: Path, text: str) -> None:
    (tmp_path / ".tune-00.json").write_text(text, encoding="utf-8")
    (tmp_path / ".tune-01.json").write_bytes(b"\xff\xfe")
    ask(tmp_path, Tuning({"rate": "2/s"}))
    first, second, third = taken_up(tmp_path)
    assert isinstance(first, ConfigError)
    assert isinstance(second, ConfigError)
    assert third == Tuning({"rate": "2/s"})
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_value_is_refused_before_it_is_asked_for() -> None:
    with pytest.raises(ConfigError, match="'fast' is not a rate"):
        Tuning({"rate": "fast"})


def test_requests_for_a_process_that_is_no_more_are_forgotten(tmp_path: Path) -> None:
    ask(tmp_path, Tuning({}, paused=True))
    (tmp_path / ".tune-5.new").write_text("{", encoding="utf-8")
    (tmp_path / "journal.sqlite3").touch()
    forget(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["journal.sqlite3"]


def test_a_folder_that_is_gone_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be written to"):
        ask(tmp_path / "gone", Tuning({"rate": "2/s"}))


def test_a_request_says_what_it_changes_as_a_person_writes_it(tmp_path: Path) -> None:
    path = ask(tmp_path, Tuning({"rate": "600/min"}, paused=True))
    assert json.loads(path.read_text("utf-8")) == {"rate": "600/min", "paused": True}
    assert os.fspath(path).startswith(os.fspath(tmp_path / ".tune-"))
