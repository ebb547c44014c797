from __future__ import annotations

import base64
import sys
from typing import TYPE_CHECKING

import pytest
from declarations import read

from batchupdate.config import Settings
from batchupdate.run import check_file
from batchupdate.runs.keys import credentials_of, only_secrets

if TYPE_CHECKING:
    from pathlib import Path

    from fakes import FakeClock

DECLARED = "name: mine\ntitle: Mine\npath: /{id}\nauth: %s\nid: {id: {}}\nfields: {name: {}}\n"
TWO_KEYS = "{env: KEY_A, also: [{scheme: header, name: X-Other, env: KEY_B}]}"
OAUTH = (
    "{scheme: oauth2, grant: refresh_token, token_url: 'https://a.example/t', client_id: {env: WHO}, "
    "client_secret: {env: KEY_A}, refresh_token: {env: KEY_B}}"
)
AS_PASSWORD = base64.b64encode(b"ann:key-of-a-12345").decode()


@pytest.mark.parametrize(
    ("auth", "environ", "known", "cell"),
    [
        (TWO_KEYS, {"KEY_A": "key-of-a-12345"}, True, "key-of-a-12345"),
        (TWO_KEYS, {"KEY_B": "key-of-b-12345"}, True, "key-of-b-12345"),
        (TWO_KEYS, {"KEY_A": "key-of-a-12345", "KEY_B": "'quoted-key'"}, True, "key-of-a-12345"),
        (TWO_KEYS, {"KEY_A": "short", "KEY_B": "key-of-b-12345"}, True, "key-of-b-12345"),
        (TWO_KEYS, {}, False, "key-of-a-12345"),
        ("{scheme: query, name: k, env: KEY_A}", {"KEY_A": "key&of&a-12345"}, True, "key%26of%26a-12345"),
        ("{scheme: basic, user: {env: WHO}, env: KEY_A}", {"KEY_A": "key-of-a-12345"}, True, "key-of-a-12345"),
        ("{scheme: basic, user: {env: WHO}, env: KEY_A}", {"KEY_A": "key-of-a-12345", "WHO": "ann"}, True, AS_PASSWORD),
        (OAUTH, {"KEY_A": "key-of-a-12345"}, True, "key-of-a-12345"),
        (OAUTH, {"KEY_B": "key-of-b-12345"}, True, "key-of-b-12345"),
        ("{scheme: none}", {"KEY_A": "key-of-a-12345"}, False, "key-of-a-12345"),
    ],
)
def test_each_key_that_is_there_is_kept_out_of_what_is_written_down_whichever_others_are_missing(
    clock: FakeClock, auth: str, environ: dict[str, str], known: bool, cell: str
) -> None:
    secrets = only_secrets(read(DECLARED % auth), Settings(), environ, clock).secrets
    assert secrets.within(f"see {cell}, please") is known


@pytest.mark.parametrize(
    "environ",
    [
        {"KEY_A": "key-of-a-12345", "KEY_B": "key-of-b-12345"},
        {"KEY_A": "key-of-a-12345"},
    ],
)
def test_a_check_refuses_a_file_that_holds_one_of_two_keys(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "mine.yaml").write_text(DECLARED % TWO_KEYS, encoding="utf-8")
    (tmp_path / "in.csv").write_text("id,name\n1,key-of-a-12345\n2,Two\n", encoding="utf-8")
    settings = Settings.model_validate({"target": str(tmp_path / "mine.yaml")})
    checkup = check_file(tmp_path / "in.csv", settings, environ=environ)
    assert (checkup.invalid, list(checkup.codes)) == (1, ["holds_key"])


@pytest.mark.slow
def test_a_check_runs_no_command_and_misses_no_key(clock: FakeClock, tmp_path: Path) -> None:
    (tmp_path / "n").write_text("")
    target = read(DECLARED % "{env: NOT_SET}")
    code = f"__import__('pathlib').Path({str(tmp_path / 'n')!r}).write_text('x'); print('key-of-a-12345')"
    settings = Settings(key_command=f'"{sys.executable}" -c "{code}"')
    assert not only_secrets(target, settings, {}, clock).secrets
    assert (tmp_path / "n").read_text() == ""
    assert credentials_of(target, settings, {}, clock).secrets.within("key-of-a-12345")
    assert only_secrets(target, Settings(), {"NOT_SET": "key-of-mine"}, clock).secrets
