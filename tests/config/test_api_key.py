from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from batchupdate.config import MissingKey, Settings
from batchupdate.config import api_key as module
from batchupdate.config.api_key import TypedKey, key_source
from batchupdate.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

IN_FILE = {"key_file": "key.txt"}


def printing(text: str, code: int = 0) -> str:
    """A command that prints a text and ends with an exit code."""
    return f'"{sys.executable}" -c "print({text!r}); raise SystemExit({code})"'


@pytest.mark.parametrize(
    ("environ", "settings", "place", "key"),
    [
        ({"A_KEY": "in-the-environment"}, IN_FILE, "the environment variable A_KEY", "in-the-environment"),
        ({"A_KEY": ""}, IN_FILE, "the key file key.txt", "in-the-key-file"),
        ({}, {**IN_FILE, "key_command": printing("printed-key")}, "the key file key.txt", "in-the-key-file"),
        ({}, {"key_command": printing("printed-key")}, "the command ", "printed-key"),
        (TypedKey({"A_KEY": "typed-by-hand"}), {}, "what was typed at the question", "typed-by-hand"),
    ],
)
def test_the_place_of_a_key_is_the_one_in_which_it_is_found(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    environ: dict[str, str],
    settings: dict[str, Any],
    place: str,
    key: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key.txt").write_text("in-the-key-file", "utf-8")
    source = key_source("A_KEY", Settings.model_validate(settings), environ)
    assert source.place.startswith(place)
    assert source.read().get_secret_value() == key
    assert source.renewable is place.startswith("the command")


def test_the_keyring_comes_last() -> None:
    assert key_source("A_KEY", Settings(keyring="mine:me"), {}).place == "the keyring entry mine:me"
    with pytest.raises(MissingKey):
        key_source("A_KEY", Settings(), {})


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("no-such-program --key", "The command 'no-such-program --key' can't be run: No such file or directory."),
        ("'unclosed", "can't be run: No closing quotation."),
        (printing("a-key-of-mine", 3), "failed with exit code 3."),
        (printing(""), "is empty."),
        (printing("two words"), "does not contain a key: a key is one word of printable ASCII characters."),
    ],
)
def test_a_command_that_prints_no_key_says_so(command: str, sentence: str) -> None:
    source = key_source("A_KEY", Settings(key_command=command), {})
    with pytest.raises(ConfigError) as refused:
        source.read()
    assert sentence in refused.value.message


def test_a_command_is_run_without_a_shell(tmp_path: Path) -> None:
    (tmp_path / "here").touch()
    source = key_source("A_KEY", Settings(key_command=f"echo $HOME;rm&{tmp_path}/here*"), {})
    assert source.read().get_secret_value() == f"$HOME;rm&{tmp_path}/here*"
    assert (tmp_path / "here").exists()


def test_a_command_that_does_not_end_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COMMAND_S", 0.05)
    source = key_source("A_KEY", Settings(key_command=f'"{sys.executable}" -c "input()"'), {})
    source = key_source("A_KEY", Settings(key_command=f'"{sys.executable}" -c "import time; time.sleep(9)"'), {})
    with pytest.raises(ConfigError, match="has not ended after"):
        source.read()
