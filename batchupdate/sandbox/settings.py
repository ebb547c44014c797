"""The settings of a sandbox."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypedDict, get_args

from batchupdate.sandbox.faults import Faults, parse_bad_records
from batchupdate.sandbox.limits import HeaderStyle, LimitKind, parse_quota
from batchupdate.util.clock import Clock, SystemClock

if TYPE_CHECKING:
    from collections.abc import Collection

    from batchupdate.config.rate import Rate
    from batchupdate.sandbox.records import Records

LANGDOCK_KEY = "sk-ld-sandbox"
NAIRI_KEY = "nr_sandbox"
CONTACTS_KEY = "ct_sandbox"


class Options(TypedDict, total=False):
    """The keywords of `Sandbox`, `run_in_thread`, `serve` and the fixture; `Settings` says what each means."""

    host: str
    port: int
    langdock: int
    nairi: int
    contacts: int
    seed: int
    records: Records | None
    keys: Collection[str]
    limit: str | Rate
    limit_kind: LimitKind
    burst: int | None
    headers: HeaderStyle
    max_in_flight: int | None
    faults: Faults | str
    bad_records: str
    name_or_description: bool
    versions: bool
    second_writer: float
    keep_requests: bool
    clock: Clock


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a sandbox, checked.

    Attributes:
        host: the address to listen on; loopback by default, because there is no real protection.
        port: the TCP port; 0 takes a free one.
        langdock: how many Langdock records; see `make_records`.
        nairi: how many Nairi records.
        contacts: how many contacts.
        seed: of the records and, where they are given as text, of the faults.
        records: the records themselves, in place of `langdock`, `nairi` and `contacts`.
        keys: the API keys it accepts. One that starts with `sk-ld-` is good for Langdock only, one with `nr_` for
            Nairi only, one with `ct_` for the contacts only, any other for all.
        limit: a rate such as `20/s` or `600/min`, or `unlimited`; see `batchupdate.sandbox.limits`.
        limit_kind: `fixed-window`, `sliding-window` or `token-bucket`.
        burst: tokens the bucket holds; one window's amount where None.
        headers: how replies report the limit: `none`, `retry-after`, `ietf` or `legacy`.
        max_in_flight: how many requests may be worked on at once before others get 429; None for any number.
        faults: what goes wrong, as `Faults` or as its text.
        bad_records: records of Langdock and Nairi each that always get an error, such as `429=1,503=2@30`: one and two
            of them, chosen by `seed`; the latter with a `Retry-After` of 30 seconds. Known are 429, 500 and 503.
        name_or_description: whether Langdock refuses a change with neither name nor description.
        versions: whether contacts have an `ETag` and a `version`, and take `If-Match` and `If-None-Match: *`.
        second_writer: the chance that somebody else changes some record of an API just after a request to it; the
            records and their changes follow from `seed`. They are in `World.changed_elsewhere`, not among what was
            applied.
        keep_requests: whether single requests and changes are kept; False keeps memory flat.
        clock: for time stamps and limits.

    Raises:
        ValueError: one of them can't be, with what can.
    """

    host: str = "127.0.0.1"
    port: int = 0
    langdock: int = 60
    nairi: int = 40
    contacts: int = 12
    seed: int = 1
    records: Records | None = None
    keys: Collection[str] = (LANGDOCK_KEY, NAIRI_KEY, CONTACTS_KEY)
    limit: str | Rate = "unlimited"
    limit_kind: LimitKind = "fixed-window"
    burst: int | None = None
    headers: HeaderStyle = "none"
    max_in_flight: int | None = None
    faults: Faults | str = ""
    bad_records: str = ""
    name_or_description: bool = False
    versions: bool = False
    second_writer: float = 0.0
    keep_requests: bool = True
    clock: Clock = field(default_factory=SystemClock)

    def __post_init__(self) -> None:
        parse_quota(self.limit)
        if isinstance(self.faults, str):
            Faults.parse(self.faults)
        parse_bad_records(self.bad_records)
        for what, value, known in (
            ("kind of limit", self.limit_kind, get_args(LimitKind)),
            ("style of headers", self.headers, get_args(HeaderStyle)),
        ):
            if value not in known:
                raise ValueError(f"{value!r} is not a {what}; known are {', '.join(known)}.")
        for name, number in (("burst", self.burst), ("max_in_flight", self.max_in_flight)):
            if number is not None and number < 1:
                raise ValueError(f"{name} can't be {number}; the least is 1.")
        if not 0 <= self.second_writer <= 1:
            raise ValueError(f"second_writer can't be {self.second_writer}; it is a chance from 0 to 1.")
        if isinstance(self.keys, str):
            raise ValueError("keys must be a list or set of keys, not one text.")  # noqa: TRY004 - as all the others
