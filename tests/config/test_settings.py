from __future__ import annotations

import builtins
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from batchupdate.config import Column, Input, MaxFailures, MissingKey, Secrets, Settings, key_source, load_settings
from batchupdate.config.loading import PREFIX, environment_names
from batchupdate.config.rate import Rate
from batchupdate.config.row_spans import RowSpan
from batchupdate.config.secret_file import KEY_MAX_BYTES
from batchupdate.config.secrets import REDACTED
from batchupdate.config.settings import parse_max_failures
from batchupdate.errors import ConfigError
from batchupdate.targets import find_target

KEY = "sk-ld-0123456789"

# Every setting: how an option, the environment and a file say it, and what comes of it.
SAID: dict[str, tuple[str, Any]] = {
    "target": ("mine.yaml", "mine.yaml"),
    "base_url": ("https://a", "https://a"),
    "allow_http": ("true", True),
    "runs_dir": ("elsewhere", Path("elsewhere")),
    "rate": ("600/min", Rate(10.0)),
    "burst": ("3", 3),
    "concurrency": ("4", 4),
    "workers": ("3", 3),
    "cluster": ("tls://10.0.0.5:8786", "tls://10.0.0.5:8786"),
    "cluster_certs": ("certs", Path("certs")),
    "batch_size": ("20", 20),
    "timeout": ("7.5", 7.5),
    "connect_timeout": ("2", 2.0),
    "read_timeout": ("3", 3.0),
    "max_attempts": ("9", 9),
    "max_rate": ("50/s", Rate(50.0)),
    "retry_budget": ("35%", 0.35),
    "max_wait": ("100", 100.0),
    "give_up_after": ("50", 50.0),
    "drain_timeout": ("5", 5.0),
    "max_failures": ("5%", MaxFailures(percent=5.0)),
    "limit": ("10", 10),
    "rows": ("4-9,12", (RowSpan("", 4, 9), RowSpan("", 12, 12))),
    "sample": ("20", 20),
    "sample_seed": ("7", 7),
    "max_rows": ("5000", 5000),
    "canary": ("5", 5),
    "canary_max_failures": ("1", 1),
    "production": ("api.example.com, *.example.org", ("api.example.com", "*.example.org")),
    "confirm_above": ("50", 50),
    "strict": ("true", True),
    "check_old": ("always", "always"),
    "diff": ("always", "always"),
    "send": ("all", "all"),
    "plan_max_age": ("12", 12.0),
    "verify": ("true", True),
    "results": ("split", "split"),
    "results_xlsx": ("never", "never"),
    "allow_overlap": ("true", True),
    "proxy": ("http://proxy:8080", "http://proxy:8080"),
    "key_file": ("key.txt", Path("key.txt")),
    "key_command": ("pass show crm", "pass show crm"),
    "keyring": ("service:user", "service:user"),
    "ca_file": ("ca.pem", Path("ca.pem")),
    "client_cert": ("client.pem", Path("client.pem")),
    "client_key": ("client.key", Path("client.key")),
    "input.sheet": ("To do", "To do"),
    "input.encoding": ("cp1252", "cp1252"),
    "input.delimiter": (";", ";"),
    "input.header_row": ("4", 4),
    "input.widths": ("8,20,5", (8, 20, 5)),
    "input.query": ("SELECT 1", "SELECT 1"),
    "input.null_marker": ("NIL", "NIL"),
    "input.empty_marker": ("NONE", "NONE"),
    "input.on_duplicate": ("merge", "merge"),
    "input.strictness": ("lenient", "lenient"),
    "input.decimal": (",", ","),
    "input.hidden_rows": ("skip", "skip"),
    "input.max_copy": ("20GB", 20_000_000_000),
    "input.match": ("name", {"name": None}),
}


NAMED_BY_THE_USER = {"columns", "constants", "computed", "when"}


def value(settings: Settings, name: str) -> Any:
    found: Any = settings
    for part in name.split("."):
        found = getattr(found, part)
    return found


def nested(name: str, said: Any) -> dict[str, Any]:
    for part in reversed(name.split(".")):
        said = {part: said}
    return said


def variable(name: str) -> str:
    return PREFIX + name.replace(".", "_").upper()


def file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def yaml_of(name: str, said: str) -> str:
    section, _, bare = name.rpartition(".")
    said = said if type(SAID[name][1]) in {int, float, bool} else f"'{said}'"
    return f"{section}:\n  {bare}: {said}\n" if section else f"{bare}: {said}\n"


def complaint(*args: Any, **kwargs: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        load_settings(*args, **({"environ": {}} | kwargs))
    return str(caught.value)


# ---- where settings come from ----


def test_every_setting_is_in_this_test() -> None:
    names = [name for name in Settings.model_fields if name not in {"input", "notify", "variables", "capture"}]
    names += [f"input.{name}" for name in Input.model_fields if name not in NAMED_BY_THE_USER]
    assert set(SAID) == set(names)


def test_the_environment_has_a_name_for_every_setting() -> None:
    assert environment_names() == {variable(name): tuple(name.split(".")) for name in SAID}


@pytest.mark.parametrize("name", SAID)
def test_every_setting_can_come_from_the_environment(name: str) -> None:
    said, wanted = SAID[name]
    assert value(load_settings(environ={variable(name): said}), name) == wanted


@pytest.mark.parametrize("name", SAID)
def test_every_setting_can_come_from_a_file(name: str, tmp_path: Path) -> None:
    said, wanted = SAID[name]
    assert value(load_settings(config=file(tmp_path, yaml_of(name, said)), environ={}), name) == wanted


@pytest.mark.parametrize("name", SAID)
def test_every_setting_can_come_from_an_option(name: str) -> None:
    wanted = SAID[name][1]
    assert value(load_settings(nested(name, wanted), environ={}), name) == wanted


OTHERS: dict[str, Any] = {
    "results": "one",
    "results_xlsx": "always",
    "rate": "1/h",
    "max_rate": "1/h",
    "retry_budget": "1%",
    "max_failures": "1",
    "input.on_duplicate": "last",
    "check_old": "never",
    "diff": "never",
    "send": "changed",
    "rows": "3",
    "production": "api.example.net",
    "input.strictness": "strict",
    "input.decimal": ".",
    "input.hidden_rows": "error",
    "input.match": "label",
    "input.widths": "1,2",
}


def another(name: str) -> Any:
    """A value for a setting that is neither its default nor the one in `SAID`."""
    wanted = SAID[name][1]
    if name in OTHERS:
        return OTHERS[name]
    return wanted + 1 if type(wanted) in {int, float} else not wanted if wanted is True else f"{wanted}x"


@pytest.mark.parametrize("name", SAID)
def test_an_option_goes_before_the_environment_before_the_file(name: str, tmp_path: Path) -> None:
    said, wanted = SAID[name]
    config = file(tmp_path, yaml_of(name, str(another(name)).lower() if SAID[name][1] is True else str(another(name))))
    environ = {variable(name): said}
    assert value(load_settings(config=config, environ={}), name) not in [wanted, value(Settings(), name)] or (
        wanted is True or name in {"input.decimal", "send", "results"}  # of two values, one is the default
    )
    assert value(load_settings(config=config, environ=environ), name) == wanted
    option = nested(name, another(name))
    assert value(load_settings(option, config, environ), name) == value(load_settings(option, environ={}), name)
    assert value(load_settings(option, config, environ), name) != wanted


def test_the_process_environment_is_read_where_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATCHUPDATE_CONCURRENCY", "17")
    monkeypatch.setenv("SOME_KEY", KEY)
    assert load_settings().concurrency == 17
    found = key_source("SOME_KEY", Settings()).read()
    assert found.get_secret_value() == KEY


def test_what_is_not_given_leaves_the_next_source_its_say(tmp_path: Path) -> None:
    config = file(tmp_path, "burst: 3\ninput:\n  sheet: A\n  null_marker: X\n")
    options = {"burst": None, "rate": None, "input": {"sheet": "B", "null_marker": None, "on_duplicate": None}}
    settings = load_settings(options, config, {"BATCHUPDATE_BURST": "", "BATCHUPDATE_INPUT_EMPTY_MARKER": "Y"})
    assert settings.burst == 3
    assert settings.rate is None
    assert settings.input == Input(sheet="B", null_marker="X", empty_marker="Y")


def test_a_condition_of_an_option_takes_the_place_of_the_files_for_the_same_column(tmp_path: Path) -> None:
    config = file(tmp_path, "input:\n  when: {The action: update, region: [EMEA, APAC]}\n")
    settings = load_settings({"input": {"when": {"the_action": ("delete",)}}}, config, {})
    assert settings.input.when == {"region": ("EMEA", "APAC"), "the_action": ("delete",)}
    assert load_settings({"input": {"when": {"a": ("b",)}}}, None, {}).input.when == {"a": ("b",)}


def test_options_that_were_not_given_change_nothing() -> None:
    assert load_settings({"input": {"sheet": None, "on_duplicate": None}}, environ={}) == Settings()


def test_an_empty_file_sets_nothing(tmp_path: Path) -> None:
    assert load_settings(config=file(tmp_path, "# all left out\n"), environ={}) == Settings()


def test_what_nobody_sets_is_left_to_the_target() -> None:
    assert Settings().rate is Settings().burst is Settings().concurrency is Settings().base_url is None


# ---- what is wrong with them ----


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rtae: 5/s\n", "config.yaml:1: there is no setting 'rtae'. Did you mean 'rate'?"),
        ("input:\n  shet: x\n", "config.yaml:2: there is no setting 'input.shet'. Did you mean 'sheet'?"),
        ("input:\n  columns:\n    A: {feild: x}\n", "config.yaml:3: there is no setting 'input.columns.A.feild'."),
        ("input:\n  columns:\n    A: 5\n", "config.yaml:3: input.columns.A: this must be settings, such as 'name: val"),
        ("input:\n  columns: {A: {null_marker: ''}}\n", "input.columns.A.null_marker: this must not be empty"),
        ("rate: 5\n", "config.yaml:1: rate: 5 is not a rate; write it as 5/s, 600/min, 1000/h, auto or unlimited."),
        ("max_rate: auto\n", "max_rate: 'auto' is not a ceiling; write it as 50/s"),
        ("retry_budget: 0.2.\n", "retry_budget: '0.2.' is not a percentage such as 20%."),
        ("timeout: '5'\n", "config.yaml:1: timeout: this must be a number."),
        ("timeout: 0\n", "config.yaml:1: timeout: this must be more than 0."),
        ("timeout: .inf\n", "config.yaml:1: timeout: this must be a finite number."),
        ("burst: 0\n", "config.yaml:1: burst: this must be at least 1."),
        ("concurrency: 1001\n", "config.yaml:1: concurrency: this must be at most 1000."),
        ("max_failures: many\n", "config.yaml:1: max_failures: 'many' is neither a number of rows (25) nor a perc"),
        ("input: {on_duplicate: first}\n", "input.on_duplicate: this must be 'error', 'last' or 'merge'."),
        (
            "input: {null_marker: '-', empty_marker: '-'}\n",
            "config.yaml:1: input: null_marker and empty_marker must dif",
        ),
        ("api_key: sk-ld-0123456789\n", "config.yaml:1: there is no setting 'api_key'."),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    message = complaint(config=file(tmp_path, text))
    assert said in message
    assert KEY not in message


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        (
            {"BATCHUPDATE_CONCURRENCY": "many"},
            "The environment variable BATCHUPDATE_CONCURRENCY is invalid: this must be a whole number.",
        ),
        (
            {"BATCHUPDATE_TIMEOUT": "inf"},
            "The environment variable BATCHUPDATE_TIMEOUT is invalid: this must be a finite number.",
        ),
        (
            {"BATCHUPDATE_TIMEOUT": "0"},
            "The environment variable BATCHUPDATE_TIMEOUT is invalid: this must be more than 0",
        ),
        (
            {"BATCHUPDATE_RATE": "fast"},
            "The environment variable BATCHUPDATE_RATE is invalid: 'fast' is not a rate; write",
        ),
        (
            {"BATCHUPDATE_STRICT": "perhaps"},
            "The environment variable BATCHUPDATE_STRICT is invalid: this must be true or false.",
        ),
        (
            {"BATCHUPDATE_MAX_FAILURE": "5"},
            "no setting BATCHUPDATE_MAX_FAILURE. Did you mean BATCHUPDATE_MAX_FAILURES?",
        ),
        ({"BATCHUPDATE_SHEET": "x"}, "There is no setting BATCHUPDATE_SHEET. Did you mean BATCHUPDATE_INPUT_SHEET?"),
        ({"BATCHUPDATE_INPUT_SHET": "x"}, "Did you mean BATCHUPDATE_INPUT_SHEET?"),
        ({"BATCHUPDATE_DRY_RUN": "1"}, "There is no setting BATCHUPDATE_DRY_RUN."),
        ({"BATCHUPDATE_INPUT_NULL_MARKER": "<empty>"}, "input: null_marker and empty_marker must differ."),
    ],
)
def test_a_mistake_in_the_environment_is_told_with_its_name(environ: dict[str, str], said: str) -> None:
    assert said in complaint(environ=environ)


def test_others_may_use_names_that_begin_like_ours() -> None:
    environ = {"BATCHUPDATE_MYAPI_KEY": KEY, "BATCHUPDATE_": "x", "BATCHUPDATE": "x", "XBATCHUPDATE_RATE": "x"}
    assert load_settings(environ=environ) == Settings()


def test_markers_are_compared_only_once_all_sources_have_spoken() -> None:
    environ = {"BATCHUPDATE_INPUT_NULL_MARKER": "<empty>", "BATCHUPDATE_INPUT_EMPTY_MARKER": "<none>"}
    assert load_settings(environ=environ).input == Input(null_marker="<empty>", empty_marker="<none>")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_attempts": 0}, "max-attempts: this must be at least 1."),
        ({"rtae": 1}, "There is no setting 'rtae'. Did you mean 'rate'?"),
        ({"input": {"shet": "x"}}, "There is no setting 'input.shet'. Did you mean 'sheet'?"),
        ({"rate": "fast"}, "rate: 'fast' is not a rate; write it as"),
        ({"input": {"null_marker": "<empty>"}}, "input: null_marker and empty_marker must differ."),
    ],
)
def test_a_mistake_in_the_options_is_told_with_its_name(options: dict[str, Any], said: str) -> None:
    assert said in complaint(options)


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("25", MaxFailures(count=25)),
        (25, MaxFailures(count=25)),
        (0, MaxFailures(count=0)),
        (" 10 % ", MaxFailures(percent=10.0)),
        ("2.5%", MaxFailures(percent=2.5)),
        ("100%", MaxFailures(percent=100.0)),
        (MaxFailures(count=1), MaxFailures(count=1)),
    ],
)
def test_the_failures_allowed_are_rows_or_a_share(said: object, wanted: MaxFailures) -> None:
    assert parse_max_failures(said) == wanted
    assert parse_max_failures(str(wanted)) == wanted


@pytest.mark.parametrize("said", ["", "2.5", "101%", "-1", "x", "%", "5%\n6%", "9" * 5000, True, None, 2.5, -1])
def test_what_is_neither_rows_nor_a_share_is_refused(said: object) -> None:
    with pytest.raises(ValueError, match=r"is neither a number of rows \(25\) nor a percentage \(10%\)"):
        parse_max_failures(said)


# ---- columns ----


def test_a_column_says_its_field_or_its_markers_or_both(tmp_path: Path) -> None:
    text = "input:\n  columns:\n    A: name\n    B: {null_marker: '-'}\n    C: {field: color, empty_marker: 'n/a'}\n"
    assert load_settings(config=file(tmp_path, text), environ={}).input.columns == {
        "A": Column(field="name"),
        "B": Column(null_marker="-"),
        "C": Column(field="color", empty_marker="n/a"),
    }


@pytest.mark.parametrize(
    ("in_file", "option", "wanted"),
    [
        ("{A: name}", {"B": "color"}, {"A": Column(field="name"), "B": Column(field="color")}),
        ("{A: name}", {"A": "color"}, {"A": Column(field="color")}),
        ("{New name: name}", {"new_name": "color"}, {"new_name": Column(field="color")}),
        ("{OldColumn: Icon URL}", {"New": "iconUrl"}, {"New": Column(field="iconUrl")}),
        ("{A: {null_marker: '-'}}", {"a": "name"}, {"a": Column(field="name", null_marker="-")}),
        ("{A: {null_marker: '-'}}", {"B": "name"}, {"A": Column(null_marker="-"), "B": Column(field="name")}),
        ("{A: {null_marker: '-'}}", {"A": {"field": "name"}}, {"A": Column(field="name")}),
    ],
)
def test_a_mapped_column_goes_before_the_files(
    in_file: str, option: dict[str, Any], wanted: dict[str, Column], tmp_path: Path
) -> None:
    config = file(tmp_path, f"input:\n  columns: {in_file}\n")
    assert load_settings({"input": {"columns": option}}, config, {}).input.columns == wanted


# ---- what makes two runs the same ----


def test_only_what_decides_what_is_sent_makes_a_run_another() -> None:
    first = Settings(target="t", input=Input(sheet="A"))
    assert first.fingerprint() == first.model_copy(update={"rate": Rate(1.0), "timeout": 5.0}).fingerprint()
    for change in ({"base_url": "https://b"}, {"limit": 5}, {"strict": True}, {"input": Input(sheet="B")}):
        assert first.fingerprint() != first.model_copy(update=change).fingerprint()
    assert set(first.fingerprint()) == {"base_url", "input", "limit", "strict"}, "runs of earlier versions are found"
    for chosen in ({"rows": "2-9"}, {"sample": 5}, {"sample": 5, "sample_seed": 7}):
        assert set(Settings(target="t", **chosen).fingerprint()) - set(first.fingerprint()) == set(chosen)
    held = {"canary": 5, "canary_max_failures": 1, "max_rows": 9, "production": ("a.b",), "confirm_above": 5}
    assert first.fingerprint() == first.model_copy(update=held).fingerprint()


# ---- the key ----


def the_key(environ: dict[str, str] | None = None, **settings: Any) -> str:
    found = key_source("MY_KEY", Settings(**settings), environ or {}).read()
    assert KEY not in repr(found)
    return found.get_secret_value()


def fake_keyring(monkeypatch: pytest.MonkeyPatch, entries: dict[tuple[str, str], str]) -> None:
    module = SimpleNamespace(get_password=lambda service, user: entries.get((service, user)))
    monkeypatch.setitem(sys.modules, "keyring", module)  # type: ignore[arg-type] # a stand-in


def test_the_key_comes_from_the_environment_before_the_file_before_the_keyring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key.txt"
    path.write_text("file-key-1\n")
    fake_keyring(monkeypatch, {("service", "user"): "keyring-key"})
    everywhere = {"key_file": path, "keyring": "service:user"}
    assert the_key({"MY_KEY": KEY}, **everywhere) == KEY
    assert the_key({"MY_KEY": ""}, **everywhere) == "file-key-1"
    assert the_key(**everywhere) == "file-key-1"
    assert the_key(keyring="service:user") == "keyring-key"


def test_a_missing_key_is_told_with_the_way_out() -> None:
    with pytest.raises(ConfigError) as caught:
        the_key()
    assert caught.value.message == "There is no API key."
    assert "MY_KEY" in caught.value.hint
    assert "key_file" in caught.value.hint


@pytest.mark.parametrize("key", [KEY, "abcdef", "a+b/c==", "!\"#$%&'()", "x" * KEY_MAX_BYTES])
def test_a_word_of_printable_ascii_is_a_key_and_white_space_around_it_is_not(key: str, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"\xef\xbb\xbf" + key.encode() + b"\r\n")
    assert the_key({"MY_KEY": f" {key}\n"}) == key
    if len(key) < KEY_MAX_BYTES - 10:
        assert the_key(key_file=path) == key


BAD_KEYS = {
    "  \n": "is empty",
    "secre": "a key has at least 6 characters",
    "sécret-key": "does not contain a key",
    "secret key": "does not contain a key",
    "secret\nkey": "does not contain a key",
    "secret\r\nX-Evil: 1": "does not contain a key",
    "secret\x00key": "does not contain a key",
    "secret\tkey": "does not contain a key",
    "secret\u200bkey": "does not contain a key",
    "x" * (KEY_MAX_BYTES + 1): "does not contain a key",
}


@pytest.mark.parametrize(("key", "said"), BAD_KEYS.items())
@pytest.mark.parametrize("source", ["environment variable MY_KEY", "key file", "keyring entry service:user"])
def test_what_can_be_no_key_is_refused_without_showing_it(
    key: str, said: str, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "name"
    path.write_bytes(key.encode())
    fake_keyring(monkeypatch, {("service", "user"): key})
    where: dict[str, Any] = {
        "environment variable MY_KEY": {"environ": {"MY_KEY": key}},
        "key file": {"key_file": path},
        "keyring entry service:user": {"keyring": "service:user"},
    }[source]
    with pytest.raises(ConfigError) as caught:
        the_key(**where)
    assert said in caught.value.message
    assert source in caught.value.message
    assert "secre" not in str(caught.value)
    assert "xxxx" not in str(caught.value)


def test_a_key_file_that_is_no_text_or_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"secret\xff\xfe")
    with pytest.raises(ConfigError, match="is not text") as caught:
        the_key(key_file=path)
    assert "secret" not in str(caught.value)
    with pytest.raises(ConfigError, match="can't be read: No such file"):
        the_key(key_file=tmp_path / "gone")


def test_a_keyring_without_the_entry_says_how_to_store_it(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_keyring(monkeypatch, {})
    with pytest.raises(ConfigError) as caught:
        the_key(keyring="service")
    assert caught.value.message == "The system keyring has no entry 'service'."
    assert "keyring set service USER" in caught.value.hint


def test_a_keyring_that_fails_is_told_without_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(_service: str, _user: str) -> str:
        raise RuntimeError(f"vault says {KEY}")

    monkeypatch.setitem(sys.modules, "keyring", SimpleNamespace(get_password=locked))  # type: ignore[arg-type]
    with pytest.raises(ConfigError) as caught:
        the_key(keyring="service:user")
    assert str(caught.value) == "The system keyring can't be read: RuntimeError."


def test_a_missing_keyring_library_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "keyring":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"pip install 'batchupdate\[keyring\]'"):
        the_key(keyring="service:user")


# ---- keeping it secret ----


def test_every_secret_is_blotted_out_everywhere() -> None:
    secrets = Secrets([SecretStr(KEY), SecretStr(KEY + "-longer"), SecretStr("other-secret")])
    text = f"a {KEY}-longer b {KEY} c {KEY}{KEY} other-secret"
    wanted = f"a {REDACTED} b {REDACTED} c {REDACTED}{REDACTED} {REDACTED}"
    assert secrets.redact(text) == wanted
    assert secrets.redact_bytes(text.encode()) == wanted.encode()
    assert secrets.within(text)
    assert not secrets.within(wanted)


def test_without_secrets_nothing_changes() -> None:
    assert Secrets().redact(KEY) == KEY
    assert Secrets([SecretStr("a")]).redact("banana") == "banana"
    assert not Secrets().within("")


@given(st.text("abc-", max_size=30), st.lists(st.text("abc-", min_size=6, max_size=9), min_size=1, max_size=3))
def test_after_redacting_no_secret_is_left(text: str, keys: list[str]) -> None:
    secrets = Secrets(map(SecretStr, keys))
    assert not secrets.within(secrets.redact(text))
    assert secrets.redact_bytes(text.encode()) == secrets.redact(text).encode()


def test_no_repr_shows_the_key() -> None:
    key = SecretStr(KEY)
    target = find_target("langdock-integration")
    things = (
        key,
        [key],
        Secrets([key]),
        Settings(),
        target,
        target.auth,
        target.auth.strategy(key),
        list(target.auth.strategy(key).secrets()),
    )
    assert not any(KEY in f"{thing!r} {thing!s}" for thing in things)


@pytest.mark.parametrize("name", SAID)
def test_what_a_run_keeps_is_read_back_as_it_was_and_gives_way_to_everything_else(name: str, tmp_path: Path) -> None:
    said, wanted = SAID[name]
    kept = json.loads(json.dumps(load_settings(config=file(tmp_path, yaml_of(name, said)), environ={}).kept()))
    outer = name.split(".", maxsplit=1)[0]
    choosing = {"limit", "rows", "sample", "sample_seed", "max_rows"}
    of_machines = {"runs_dir", "cluster", "cluster_certs"}
    assert set(kept) == {outer} - {"target", "base_url", "input", "strict", "proxy"} - choosing - of_machines
    if kept:
        assert value(load_settings(environ={}, kept=kept), name) == wanted
        over = {variable(name): str(another(name)).lower() if wanted is True else str(another(name))}
        assert value(load_settings(environ=over, kept=kept), name) != wanted


def test_fields_without_a_column_and_conditions_come_from_a_file(tmp_path: Path) -> None:
    text = """
input:
  columns: {Name: {field: name, blank: empty, transforms: [trim, title]}}
  constants: {color: "#fff"}
  computed:
    name: "{team}: {kind}"
    description: {template: "{a}", transforms: [upper]}
  when: {action: update, team: [Sales, Legal]}
"""
    read = load_settings(config=file(tmp_path, text), environ={}).input
    assert read.columns["Name"].blank == "empty"
    assert read.columns["Name"].transforms == ("trim", "title")
    assert read.constants == {"color": "#fff"}
    assert read.computed["name"].template == "{team}: {kind}"
    assert read.computed["description"].transforms == ("upper",)
    assert read.when == {"action": ("update",), "team": ("Sales", "Legal")}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("  when: {action: yes}", "config.yaml:2: input.when.action"),
        ("  constants: {seats: 12}", "input.constants.seats: this must be text; put quotes around it"),
        ("  columns: {Name: {transforms: [eval]}}", "this must be 'trim', 'collapse_spaces', 'title'"),
        ("  columns: {Name: {blank: nothing}}", "this must be 'leave', 'null' or 'empty'"),
        ("  strictness: harsh", "this must be 'strict', 'normal' or 'lenient'"),
    ],
)
def test_a_wrong_mapping_is_told_with_file_and_line(tmp_path: Path, text: str, said: str) -> None:
    assert said in complaint(config=file(tmp_path, f"input:\n{text}\n"))


@pytest.mark.parametrize("quote", ['"', "'"])
def test_quotation_marks_around_a_key_are_noticed(quote: str) -> None:
    with pytest.raises(ConfigError, match=r"quotation marks around the key\. Remove them"):
        key_source("MY_KEY", Settings(), {"MY_KEY": f"{quote}{KEY}{quote}"}).read()


@pytest.mark.skipif(sys.platform == "win32", reason="it has shells of its own")
@pytest.mark.parametrize(("shell", "line"), [("/bin/bash", "export MY_KEY="), ("/usr/bin/fish", "set -x MY_KEY ")])
def test_a_missing_key_says_the_line_to_type_for_the_shell(shell: str, line: str) -> None:
    with pytest.raises(MissingKey) as caught:
        key_source("MY_KEY", Settings(), {"SHELL": shell})
    assert line in caught.value.hint
    assert caught.value.variable == "MY_KEY"


def test_how_much_may_be_copied_is_a_size_and_does_not_make_another_run() -> None:
    for said, wanted in (
        ("500MB", 500_000_000),
        ("7 kb", 7000),
        ("12B", 12),
        ("12", 12),
        (5_000_000_000, 5_000_000_000),
    ):
        settings = load_settings({"input": {"max_copy": said}}, environ={})
        assert settings.input.max_copy == wanted
        assert settings.fingerprint() == Settings().fingerprint()
    for wrong in ("lots", "5 apples", "-1", "0"):
        with pytest.raises(ConfigError, match="max-copy"):
            load_settings({"input": {"max_copy": wrong}}, environ={})
