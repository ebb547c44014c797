"""Settings: from options, the environment and a config file, checked strictly; and the API key, which stays secret.

Precedence: option, then environment (`BATCHUPDATE_*`), then config file, then the target's own default.
"""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from batchupdate.declared import Strict, load, suggestion
from batchupdate.errors import ConfigError
from batchupdate.headings import normalise_heading
from batchupdate.rates import Rate, parse_ceiling, parse_rate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PREFIX = "BATCHUPDATE_"
KEY_MAX_BYTES = 16_384
REDACTED = "[redacted]"
SHORTEST_SECRET = 6
"""A shorter text is refused as a key: redacting it would blot out harmless words."""

_NOT_KEPT = {"target", "base_url", "runs_dir", "input", "limit", "strict", "proxy"}
"""What is the journal's own affair, was done with the file, or can hold a password (a proxy's URL)."""

_OF_COLUMNS = {"columns", "constants", "computed", "when"}
"""Settings of the input with names of the user's own; they have no place in the environment."""

_FINITE = ConfigDict(allow_inf_nan=False)

_FAILURES = re.compile(r"\s*(\d{1,9}(?:\.\d{1,9})?)\s*(%?)\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class MaxFailures:
    """How many rows may fail before the run stops itself: `count` rows, or `percent` of the rows sent."""

    count: int | None = None
    percent: float | None = None

    def __str__(self) -> str:
        return f"{self.percent:g}%" if self.percent is not None else str(self.count)


def parse_max_failures(text: object) -> MaxFailures:
    """Reads `25` or `10%`.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(text, MaxFailures):
        return text
    match = _FAILURES.fullmatch(str(text)) if isinstance(text, str | int) and not isinstance(text, bool) else None
    if match and match[2] and float(match[1]) <= 100:  # noqa: PLR2004 - per cent
        return MaxFailures(percent=float(match[1]))
    if match and not match[2] and "." not in match[1]:
        return MaxFailures(count=int(match[1]))
    raise ValueError(f"{text!r} is neither a number of rows (25) nor a percentage (10%)")


_SHARE = re.compile(r"\s*(\d{1,4}(?:\.\d{1,9})?)\s*%\s*", re.ASCII)


def parse_share(text: object) -> float:
    """Reads `20%` as 0.2.

    Raises:
        ValueError: it is no percentage.
    """
    if isinstance(text, float):
        return text
    if isinstance(text, str) and (match := _SHARE.fullmatch(text)):
        return float(match[1]) / 100
    raise ValueError(f"{text!r} is not a percentage such as 20%")


Transform = Literal["trim", "collapse_spaces", "title", "lower", "upper", "truncate"]
Transforms = Annotated[tuple[Transform, ...], Field(strict=False)]


class Column(Strict):
    """What one column of the input stands for, and how it says null and empty if not as the other columns do.

    `blank` is what a blank cell means, and `transforms` change a cell's text, in this order.
    """

    field: str | None = None
    null_marker: str | None = Field(default=None, min_length=1)
    empty_marker: str | None = Field(default=None, min_length=1)
    blank: Literal["leave", "null", "empty"] = "leave"
    transforms: Transforms = ()


def _column(value: object) -> object:
    return {"field": value} if isinstance(value, str) else value


class Computed(Strict):
    """A field that is made of cells: `{team}: {name}`."""

    template: str
    transforms: Transforms = ()


def _computed(value: object) -> object:
    return {"template": value} if isinstance(value, str) else value


def _one_or_more(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class Input(Strict):
    """How to read the input.

    `constants` and `computed` set fields without a column of their own. `when` names columns and what must stand in
    them, so that only some rows count. `strictness` is how much a suspicious cell weighs, and `decimal` what stands
    before the decimals of a number.
    """

    sheet: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    header_row: int | None = Field(default=None, ge=1)
    columns: dict[str, Annotated[Column, BeforeValidator(_column)]] = Field(default={})
    constants: dict[str, str] = Field(default={})
    computed: dict[str, Annotated[Computed, BeforeValidator(_computed)]] = Field(default={})
    when: dict[str, Annotated[tuple[str, ...], BeforeValidator(_one_or_more), Field(strict=False)]] = Field(default={})
    null_marker: str = Field(default="<null>", min_length=1)
    empty_marker: str = Field(default="<empty>", min_length=1)
    on_duplicate: Literal["error", "last", "merge"] = "error"
    strictness: Literal["strict", "normal", "lenient"] = "normal"
    decimal: Literal[".", ","] = "."

    @model_validator(mode="after")
    def _markers_differ(self) -> Self:
        if self.null_marker == self.empty_marker:
            raise ValueError("null_marker and empty_marker must differ")
        return self


def _section(value: object) -> object:
    """A section of which every line is commented out is an empty one."""
    return {} if value is None else value


class Settings(Strict):
    """Everything a user can set. None means: the target's own default.

    Times are in seconds. `max_rate` is the ceiling of `rate: auto`. `max_wait` caps how long one reply may make us
    wait; `give_up_after` is how long an API may refuse every request before the run stops. `retry_budget` is how many
    requests may be repeats after an error, as a share of the first tries. `allow_overlap` lets two runs work on one
    target at a time.
    """

    target: str | None = None
    base_url: str | None = None
    allow_http: bool = False
    runs_dir: Annotated[Path, Field(strict=False)] = Path("batchupdate-runs")
    input: Annotated[Input, BeforeValidator(_section)] = Input()

    rate: Annotated[Rate, BeforeValidator(parse_rate), PlainSerializer(str)] | None = None
    max_rate: Annotated[Rate, BeforeValidator(parse_ceiling), PlainSerializer(str)] | None = None
    burst: int | None = Field(default=None, ge=1)
    concurrency: int | None = Field(default=None, ge=1, le=1000)
    timeout: float = Field(default=60.0, gt=0)
    connect_timeout: float = Field(default=10.0, gt=0)
    read_timeout: float | None = Field(default=None, gt=0)
    max_attempts: int = Field(default=5, ge=1, le=100)
    retry_budget: Annotated[float, BeforeValidator(parse_share)] = 0.2
    max_wait: float = Field(default=300.0, gt=0)
    give_up_after: float = Field(default=600.0, gt=0)
    drain_timeout: float = Field(default=30.0, gt=0)
    max_failures: Annotated[MaxFailures, BeforeValidator(parse_max_failures), PlainSerializer(str)] | None = None

    limit: int | None = Field(default=None, ge=1)
    strict: bool = False
    allow_overlap: bool = False
    proxy: str | None = None
    key_file: Annotated[Path, Field(strict=False)] | None = None
    keyring: str | None = None

    def fingerprint(self) -> dict[str, Any]:
        """What makes two runs of one file the same run: the settings that decide what is sent, and where."""
        return self.model_dump(mode="json", include={"base_url", "input", "limit", "strict"})

    def kept(self) -> dict[str, Any]:
        """What a run keeps of them, so that it can go on without its file and config: how to send, and no secret."""
        return self.model_dump(mode="json", exclude_unset=True, exclude=_NOT_KEPT)


def load_settings(
    options: Mapping[str, Any] | None = None,
    config: Path | None = None,
    environ: Mapping[str, str] | None = None,
    kept: Mapping[str, Any] | None = None,
) -> Settings:
    """Joins options, environment and config file, and below them what an earlier run has kept.

    Args:
        options: values by setting name, nested under `input` where they belong there; None counts as not given.
        config: the config file; None looks for nothing (a config file is always named).
        environ: the environment; None for the process's own.
        kept: of the run that is gone on with; see `Settings.kept`.

    Raises:
        ConfigError: one of them is wrong, with where it came from.
    """
    environ = os.environ if environ is None else environ
    from_file = _given(load(config, Settings, "config file")) if config else {}
    from_env = _from_environment(environ)
    merged = _merge(_merge(_merge(kept or {}, from_file), from_env), options or {})
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        sentences = []
        for item in error.errors(include_url=False, include_input=False):
            name = ".".join(str(part) for part in item["loc"]).replace("_", "-") or "settings"
            if item["type"] == "extra_forbidden":
                sentences.append(f"There is no setting {name!r}.{suggestion(Settings, item['loc'])}")
            else:
                sentences.append(f"{name}: {item['msg'].removeprefix('Value error, ')}.")
        raise ConfigError("\n".join(sentences)) from error


def _given(model: Strict) -> dict[str, Any]:
    """What a file says, without the defaults of what it leaves out."""
    values = {name: getattr(model, name) for name in model.model_fields_set}
    return {name: _given(value) if isinstance(value, Strict) else value for name, value in values.items()}


def _merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for name, value in over.items():
        if value is None:
            continue
        old = merged.get(name)
        if name == "columns" and isinstance(value, dict):
            merged[name] = _merge_columns(old or {}, value)
        elif name == "when" and isinstance(value, dict):
            said = {normalise_heading(heading) for heading in value}
            rest = {one: wanted for one, wanted in (old or {}).items() if normalise_heading(one) not in said}
            merged[name] = rest | value
        else:
            merged[name] = _merge(old if isinstance(old, dict) else {}, value) if isinstance(value, dict) else value
    return merged


def _merge_columns(under: Mapping[str, Column], over: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of both; what `over` says about a column or a field stands."""
    old = {normalise_heading(heading): column for heading, column in under.items()}
    new = {normalise_heading(heading) for heading in over}
    taken = {normalise_heading(told) for told in over.values() if isinstance(told, str)}
    joined: dict[str, Any] = {
        heading: column
        for heading, column in under.items()
        if normalise_heading(heading) not in new and normalise_heading(column.field or "") not in taken
    }
    for heading, told in over.items():
        column = old.get(normalise_heading(heading))
        joined[heading] = column.model_copy(update={"field": told}) if column and isinstance(told, str) else told
    return joined


def environment_names() -> dict[str, tuple[str, ...]]:
    """Every environment variable that is read, with the place of its setting."""
    names: dict[str, tuple[str, ...]] = {}
    for name in Settings.model_fields:
        if name != "input":
            names[PREFIX + name.upper()] = (name,)
    for name in Input.model_fields:
        if name not in _OF_COLUMNS:
            names[f"{PREFIX}INPUT_{name.upper()}"] = ("input", name)
    return names


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    names = environment_names()
    for variable in environ:
        if variable.startswith(PREFIX) and variable not in names:
            # Others may use the prefix too, but a near miss is a mistake, and a setting that does nothing a trap.
            bare = [name.removeprefix(PREFIX) for name in names]
            if close := difflib.get_close_matches(variable.removeprefix(PREFIX), bare, n=1, cutoff=0.8):
                raise ConfigError(f"There is no setting {variable}.", f"Did you mean {PREFIX}{close[0]}?")
    for variable, loc in names.items():
        if text := environ.get(variable):
            inner = found
            for part in loc[:-1]:
                inner = inner.setdefault(part, {})
            inner[loc[-1]] = _typed(variable, loc, text)
    return found


def _typed(variable: str, loc: tuple[str, ...], text: str) -> object:
    """A text from the environment as the type that its setting wants; lax, since all there is are texts."""
    model: type[BaseModel] = Input if loc[0] == "input" else Settings
    info = model.model_fields[loc[-1]]
    wanted: Any = Annotated[info.annotation, info]
    try:
        return TypeAdapter(wanted, config=_FINITE).validate_python(text)
    except ValidationError as error:
        message = error.errors(include_url=False, include_input=False)[0]["msg"].removeprefix("Value error, ")
        raise ConfigError(f"The environment variable {variable} is wrong: {message}.") from error


class Secrets:
    """Knows the texts that must never be written down, and blots them out of any other text."""

    def __init__(self, secrets: Iterable[SecretStr] = ()) -> None:
        self._texts = sorted(
            {text for secret in secrets if len(text := secret.get_secret_value()) >= SHORTEST_SECRET},
            key=len,
            reverse=True,
        )

    def __bool__(self) -> bool:
        return bool(self._texts)

    def redact(self, text: str) -> str:
        """The text with every secret replaced."""
        for secret in self._texts:
            if secret in text:
                text = text.replace(secret, REDACTED)
        return text

    def redact_bytes(self, data: bytes) -> bytes:
        """The bytes with every secret replaced; a secret is ASCII."""
        for secret in self._texts:
            data = data.replace(secret.encode(), REDACTED.encode())
        return data

    def within(self, text: str) -> bool:
        """Whether a secret stands in the text."""
        for secret in self._texts:  # noqa: SIM110 - asked for every reply, and half as dear as `any`
            if secret in text:
                return True
        return False


def find_key(variable: str | None, settings: Settings, environ: Mapping[str, str] | None = None) -> SecretStr | None:
    """The API key: from the environment variable that the target names, else `key_file`, else the system keyring.

    None where the target names no variable, because it wants no key.

    Raises:
        ConfigError: there is none, or it can't be a key.
    """
    if variable is None:
        return None
    environ = os.environ if environ is None else environ
    if text := environ.get(variable):
        return _clean_key(text, f"The environment variable {variable}")
    if settings.key_file:
        return _clean_key(_read_key_file(settings.key_file), f"The key file {settings.key_file}")
    if settings.keyring:
        return _clean_key(_read_keyring(settings.keyring), f"The keyring entry {settings.keyring}")
    raise ConfigError(
        "There is no API key.",
        f"Put it into the environment variable {variable}, or name a file with 'key_file' in the config.",
    )


def _read_key_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(KEY_MAX_BYTES + 1).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"The key file {path} is not text.") from error
    except OSError as error:
        raise ConfigError(f"The key file {path} can't be read: {error.strerror or error}.") from error


def _read_keyring(entry: str) -> str:
    service, _, user = entry.partition(":")
    try:
        import keyring  # noqa: PLC0415 - an extra
    except ImportError as error:
        hint = "Install it with: pip install 'batchupdate[keyring]'"
        raise ConfigError("'keyring' is set, but the keyring library is not installed.", hint) from error
    try:
        text: str | None = keyring.get_password(service, user)
    except Exception as error:  # each back end of keyring has errors of its own
        raise ConfigError(f"The system keyring can't be read: {type(error).__name__}.") from error
    if not text:
        hint = f"Store it with: keyring set {service} {user or 'USER'}; write the setting as SERVICE:USER."
        raise ConfigError(f"The system keyring has no entry {entry!r}.", hint)
    return text


def _clean_key(text: str, place: str) -> SecretStr:
    key = text.strip()
    if not key:
        raise ConfigError(f"{place} is empty.")
    if len(key) < SHORTEST_SECRET:
        raise ConfigError(f"{place} does not hold a key: a key has at least {SHORTEST_SECRET} characters.")
    if not key.isascii() or not key.isprintable() or " " in key or len(key) > KEY_MAX_BYTES:
        raise ConfigError(f"{place} does not hold a key: a key is one word of printable ASCII characters.")
    return SecretStr(key)
