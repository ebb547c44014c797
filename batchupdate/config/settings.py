"""Settings: from options, the environment and a config file, checked strictly; and the API key, which stays secret.

Precedence: option, then environment (`BATCHUPDATE_*`), then config file, then the target's own default.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    model_validator,
)

from batchupdate.config.capture import Capture
from batchupdate.config.notify import Notify
from batchupdate.config.production import parse_hosts
from batchupdate.config.rate import Rate, parse_ceiling, parse_rate
from batchupdate.config.row_spans import RowSpans, parse_rows, rows_text
from batchupdate.config.yaml_file import Strict, one_or_more

DEFAULT_RATE_PER_S = 5.0
DEFAULT_BURST = 1
DEFAULT_CONCURRENCY = 8
MAX_COPY_BYTES = 4_000_000_000
"""What holds where neither the user nor the target says anything."""

_CHOOSING = {"limit", "rows", "sample", "sample_seed"}
"""Which rows of an input are a run's."""

_NOT_KEPT = {"target", "base_url", "runs_dir", "input", "strict", "proxy", "max_rows", "notify"} | _CHOOSING
"""What is the journal's own affair, was done with the file, can hold a password (a proxy's URL), or is a command."""

_SIZE = re.compile(r"\s*(\d{1,12})\s*(?:([KMGTkmgt])?[Bb])?\s*", re.ASCII)
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


def parse_size(text: object) -> object:
    """Reads `20GB` as bytes; a number is one of bytes.

    Raises:
        ValueError: it is no size.
    """
    if not isinstance(text, str):
        return text
    if match := _SIZE.fullmatch(text):
        return int(match[1]) * 1000 ** ("KMGT".find(match[2].upper()) + 1 if match[2] else 0)
    raise ValueError(f"{text!r} is not a size such as 500MB or 20GB")


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
    """What one column of the input sets, and its own markers for null and empty, if it has any.

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


def parse_widths(value: object) -> object:
    """Reads `8,20,5` as three numbers.

    Raises:
        ValueError: one of them is no number above 0.
    """
    widths = value.split(",") if isinstance(value, str) else value
    if not isinstance(widths, list | tuple) or not widths:
        raise ValueError(f"{value!r} is no list of widths such as 8,20,5")
    texts = [str(width).strip() for width in widths]
    if not all(text.isascii() and text.isdecimal() and 0 < int(text) < _WIDEST for text in texts):
        raise ValueError(f"{value!r} is no list of widths such as 8,20,5")
    return tuple(map(int, texts))


_WIDEST = 100_000


def parse_match(value: object) -> object:
    """Reads the fields by which records are found: one, a list of them, or fields with the columns they stand in.

    Raises:
        ValueError: a field is named twice.
    """
    fields = (value,) if isinstance(value, str) else value
    if not isinstance(fields, list | tuple):
        return value
    if len(set(fields)) < len(fields):
        raise ValueError(f"{value!r} names a field twice")
    return dict.fromkeys(fields)


class Input(Strict):
    """How to read the input.

    `constants` and `computed` set fields without a column of their own. `when` limits the run to rows with certain
    values in the named columns. `match` are the fields by whose present values records are found where the input has no
    ids, each with its column if the headings do not say it. `widths` are those of a text file's columns, in characters,
    where no delimiter separates them; `query` is what to read from a database. `strictness` is how severe a suspicious
    cell is, and `decimal` the decimal separator of numbers. `hidden_rows` is what becomes of rows that their
    spreadsheet does not show, and `max_copy` how much of a pipe or a URL is copied, in bytes or such as `20GB`.
    """

    sheet: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    header_row: int | None = Field(default=None, ge=1)
    widths: (
        Annotated[
            tuple[int, ...], BeforeValidator(parse_widths, json_schema_input_type=str | list[int]), Field(strict=False)
        ]
        | None
    ) = None
    query: str | None = Field(default=None, min_length=1)
    columns: dict[str, Annotated[Column, BeforeValidator(_column, json_schema_input_type=str | Column)]] = Field(
        default={}
    )
    constants: dict[str, str] = Field(default={})
    computed: dict[str, Annotated[Computed, BeforeValidator(_computed, json_schema_input_type=str | Computed)]] = Field(
        default={}
    )
    when: dict[
        str,
        Annotated[
            tuple[str, ...], BeforeValidator(one_or_more, json_schema_input_type=str | list[str]), Field(strict=False)
        ],
    ] = Field(default={})
    match: Annotated[
        dict[str, str | None],
        BeforeValidator(parse_match, json_schema_input_type=str | list[str] | dict[str, str | None]),
    ] = Field(default={})
    null_marker: str = Field(default="<null>", min_length=1)
    empty_marker: str = Field(default="<empty>", min_length=1)
    on_duplicate: Literal["error", "last", "merge"] = "error"
    strictness: Literal["strict", "normal", "lenient"] = "normal"
    decimal: Literal[".", ","] = "."
    hidden_rows: Literal["send", "skip", "error"] = "send"
    max_copy: Annotated[int, BeforeValidator(parse_size, json_schema_input_type=str | int), Field(ge=1)] = (
        MAX_COPY_BYTES
    )

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

    Times are in seconds. `max_rate` is the ceiling of `rate: auto`. `workers` is how many processes of this machine
    send, beside the one that has the journal; None lets that one send. With `cluster`, an address of this machine, it
    is how many processes of any machine may come there and send, with the certificates of `cluster_certs`. `batch_size`
    is how many rows go out as one request; 1 sends each by itself. `max_wait` caps how long one reply may make us wait;
    `give_up_after` is how long an API may refuse every request before the run stops. `retry_budget` is how many
    requests may be repeats after an error, as a share of the first tries. `allow_overlap` lets two runs work on one
    target at a time. `check_old` is whether records are read before their changes, so that what somebody else has
    changed since the pull is not overwritten. `diff` is whether all records are read before the first change, to show
    what changes and to send no more than that; `auto` does so where it takes few requests. `send` is which fields go
    out of a row that was compared with its record. `plan_max_age` is for how many hours a plan may be run. `rows` and
    `limit` say which rows of the input are the run's, and `sample` how many of those that can be sent are drawn from
    them, by `sample_seed` where one is given. A new run of more than `max_rows` rows is refused. Of a `canary`, so many
    rows are sent first, and the others if at most `canary_max_failures` of these did not succeed, or a person says so.
    For more than `confirm_above` rows to a host of `production`, a person types its name. `variables` are values for
    those of the target. `verify` reads back each record that was updated. `notify` is who is told of a run. `capture`
    names values of the replies for the results; `results: split` writes the results by their outcomes, too, as
    success.csv, failed.csv and not_attempted.csv; `results_xlsx` is whether there is a workbook of them, by default
    only of few rows. `ca_file` holds certificates (PEM) that are trusted beside the system's; `client_cert` and
    `client_key` show the server who we are.
    """

    target: str | None = None
    base_url: str | None = None
    allow_http: bool = False
    runs_dir: Annotated[Path, Field(strict=False)] = Path("batchupdate-runs")
    variables: dict[str, str] = Field(default={})
    input: Annotated[Input, BeforeValidator(_section, json_schema_input_type=Input | None)] = Input()

    rate: Annotated[Rate, BeforeValidator(parse_rate, json_schema_input_type=str), PlainSerializer(str)] | None = None
    max_rate: (
        Annotated[Rate, BeforeValidator(parse_ceiling, json_schema_input_type=str), PlainSerializer(str)] | None
    ) = None
    burst: int | None = Field(default=None, ge=1)
    concurrency: int | None = Field(default=None, ge=1, le=1000)
    workers: int | None = Field(default=None, ge=1, le=64)
    cluster: str | None = Field(default=None, min_length=1)
    cluster_certs: Annotated[Path, Field(strict=False)] | None = None
    batch_size: int | None = Field(default=None, ge=1)
    timeout: float = Field(default=60.0, gt=0)
    connect_timeout: float = Field(default=10.0, gt=0)
    read_timeout: float | None = Field(default=None, gt=0)
    max_attempts: int = Field(default=5, ge=1, le=100)
    retry_budget: Annotated[float, BeforeValidator(parse_share, json_schema_input_type=str | float)] = 0.2
    max_wait: float = Field(default=300.0, gt=0)
    give_up_after: float = Field(default=600.0, gt=0)
    drain_timeout: float = Field(default=30.0, gt=0)
    max_failures: (
        Annotated[
            MaxFailures, BeforeValidator(parse_max_failures, json_schema_input_type=str | int), PlainSerializer(str)
        ]
        | None
    ) = None

    limit: int | None = Field(default=None, ge=1)
    rows: (
        Annotated[
            RowSpans,
            BeforeValidator(parse_rows, json_schema_input_type=str | int),
            PlainSerializer(rows_text),
            Field(strict=False),
        ]
        | None
    ) = None
    sample: int | None = Field(default=None, ge=1)
    sample_seed: int | None = Field(default=None, ge=0)
    max_rows: int | None = Field(default=None, ge=1)
    canary: int | None = Field(default=None, ge=1)
    canary_max_failures: int = Field(default=0, ge=0)
    production: Annotated[
        tuple[str, ...], BeforeValidator(parse_hosts, json_schema_input_type=str | list[str]), Field(strict=False)
    ] = ()
    confirm_above: int = Field(default=100, ge=0)
    strict: bool = False
    allow_overlap: bool = False
    check_old: Literal["auto", "always", "never"] = "auto"
    diff: Literal["auto", "always", "never"] = "auto"
    send: Literal["changed", "all"] = "changed"
    verify: bool = False
    plan_max_age: float = Field(default=24.0, gt=0)
    capture: Capture = Field(default={})
    results: Literal["one", "split"] = "one"
    results_xlsx: Literal["auto", "always", "never"] = "auto"
    notify: Annotated[Notify, BeforeValidator(_section, json_schema_input_type=Notify | None)] = Notify()
    proxy: str | None = None
    key_file: Annotated[Path, Field(strict=False)] | None = None
    key_command: str | None = Field(default=None, min_length=1)
    keyring: str | None = None
    ca_file: Annotated[Path, Field(strict=False)] | None = None
    client_cert: Annotated[Path, Field(strict=False)] | None = None
    client_key: Annotated[Path, Field(strict=False)] | None = None

    def fingerprint(self) -> dict[str, Any]:
        """What makes two runs of one file the same run: the settings that decide what is sent, and where."""
        kept = self.model_dump(mode="json", include={"base_url", "input", "strict", *_CHOOSING})
        for name in _CHOOSING - {"limit"}:  # runs that do not use them have no such keys
            if kept[name] is None:
                del kept[name]
        for name in ("query", "widths"):  # runs of earlier versions have no such keys, and have to be found again
            if kept["input"][name] is None:
                del kept["input"][name]
        del kept["input"]["max_copy"]  # how much may come does not change what is sent
        if kept["input"]["hidden_rows"] == "send":  # likewise
            del kept["input"]["hidden_rows"]
        if not kept["input"]["match"]:  # as with query
            del kept["input"]["match"]
        return kept

    def kept(self) -> dict[str, Any]:
        """What a run keeps of them, so that it can go on without its file and config: how to send, and no secret.

        It can go on without the processes of a cluster, too.
        """
        of_cluster = {"cluster", "cluster_certs", *(("workers",) if self.cluster else ())}
        return self.model_dump(mode="json", exclude_unset=True, exclude=_NOT_KEPT | of_cluster)
