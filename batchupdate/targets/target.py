"""A target: one update endpoint of one API, as its YAML declares it.

The built-in targets and a user's own pass through the same models. `docs/targets.md` is the user's guide to them.
Each section of a declaration has a file of its own beside this one.
"""

from __future__ import annotations

import json
from contextlib import suppress
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, PrivateAttr, ValidationError, model_validator

from batchupdate.config.capture import Capture
from batchupdate.config.json_path import JsonPath, UnexpectedReplyError
from batchupdate.config.rate import Rate, parse_ceiling, parse_rate
from batchupdate.config.settings import DEFAULT_BURST, DEFAULT_CONCURRENCY, DEFAULT_RATE_PER_S
from batchupdate.config.yaml_file import MisplacedError, Strict, plain_message
from batchupdate.errors import ConfigError
from batchupdate.targets.auth import Auth
from batchupdate.targets.batch import Batch, BatchBuilder, BatchRecord
from batchupdate.targets.body import Body, BodyBuilder
from batchupdate.targets.column_names import check_column_names
from batchupdate.targets.current_record import MISSING, Read
from batchupdate.targets.fields import FieldRule, check_nested, check_paths, objects_of, parts_of, paths_of, places_of
from batchupdate.targets.hooks import Hooks
from batchupdate.targets.idempotency import Idempotency
from batchupdate.targets.ids import IdRule
from batchupdate.targets.listing import Listing
from batchupdate.targets.precondition import Precondition, current_of, record_of
from batchupdate.targets.replaced_objects import ReplacedObjects
from batchupdate.targets.replies import Errors, StatusRule
from batchupdate.targets.request_headers import check_guard, check_headers, for_changes_only
from batchupdate.targets.row_rules import AnyOf, check_rules
from batchupdate.targets.search import Search
from batchupdate.targets.seen import Seen
from batchupdate.targets.throttling import Limits, ThrottleRule
from batchupdate.targets.url_template import BaseUrl, UrlTemplate, safe_base_url
from batchupdate.targets.value_types import HeaderName, HeaderValue
from batchupdate.targets.variables import Variable, check_variables, filled, used_alone_by
from batchupdate.util.text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from batchupdate.model import Reply, Request
    from batchupdate.targets.listing import Record
    from batchupdate.targets.place import Place
    from batchupdate.targets.precondition import Current

RateText = Annotated[Rate, BeforeValidator(parse_rate, json_schema_input_type=str), PlainSerializer(str)]
CeilingText = Annotated[Rate, BeforeValidator(parse_ceiling, json_schema_input_type=str), PlainSerializer(str)]

_IDENTITY = {"name", "method", "path", "id", "fields", "rules", "body", "batch"}


class Target(Strict):
    """One update endpoint of one API.

    `repeatable` says that sending the same request twice leaves the record as sending it once does (RFC 5789,
    section 2: true for a PATCH that sets absolute values), so that a request without an answer may be repeated.
    `rate`, `burst` and `concurrency` are the defaults where the user says nothing; `max_rate` is the ceiling of the
    rate `auto`.

    `variables` are parts that are the same in every request and other for every customer, such as a site; they stand in
    braces in the base URL, the paths, headers and the body.

    `success` is a test (JMESPath) that is true in the body of a success, for an API that reports failures with a status
    of 2xx. Only a 2xx with a body is tested.

    `before` is where the reply to a change has the record as it was before it (JMESPath), for an API whose replies hold
    that; it is kept for `undo`.

    `capture` names values of the replies to changes that are to stand in the results.

    `must_exist` says that a PUT for an id that the API does not know is a mistake, although the API answers 201 and
    makes a new record. `precondition` is for an API that takes a change only if the record still has the version that
    was read. `idempotency` is for an API that recognises a repeated request by a key. `batch` is an endpoint that
    changes many records with one request; then nothing is sent to `path`, unless batches are switched off.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=64)
    title: str
    docs: str = ""
    base_url: BaseUrl | None = None
    method: Literal["PATCH", "PUT", "POST"] = "PATCH"
    path: str
    auth: Auth
    headers: dict[HeaderName, HeaderValue] = Field(default={})
    variables: dict[str, Variable] = Field(default={})
    id: dict[str, IdRule] = Field(min_length=1)
    fields: dict[str, FieldRule] = Field(min_length=1)
    rules: tuple[AnyOf, ...] = Field(default=(), strict=False)
    body: Body = Body()
    batch: Batch | None = None
    read: Read | None = None
    list: Listing | None = None
    search: Search | None = None
    precondition: Precondition | None = None
    errors: Errors = Errors()
    success: JsonPath | None = None
    before: JsonPath | None = None
    statuses: dict[Annotated[int, Field(ge=100, le=999)], StatusRule] = Field(default={})
    throttle: tuple[ThrottleRule, ...] = Field(default=(), strict=False)
    limits: Limits = Limits()
    idempotency: Idempotency | None = None
    request_id_headers: tuple[str, ...] = Field(
        default=("x-request-id", "request-id", "x-correlation-id", "x-amzn-requestid", "cf-ray"), strict=False
    )
    capture: Capture = Field(default={})
    must_exist: bool = False
    repeatable: bool = False
    rate: RateText = Rate(DEFAULT_RATE_PER_S)
    max_rate: CeilingText | None = None
    burst: int = Field(default=DEFAULT_BURST, ge=1)
    concurrency: int = Field(default=DEFAULT_CONCURRENCY, ge=1, le=1000)
    notes: tuple[str, ...] = Field(default=(), strict=False)
    _hooks: Hooks | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_variables(self.variables, self.id, self.model_dump(mode="json", exclude_unset=True))
        known = {**self.id, **self.variables}
        self._template.check(known)
        if unused := [name for name in self.id if name not in self.path_variables]:
            message = f"path does not use {{{unused[0]}}}; remove it here, or add it to path"
            raise MisplacedError(message, "id", unused[0])
        check_paths(self.fields)
        check_nested(self.body.nesting, self.parts)
        check_column_names(self.id, self.fields)
        check_rules(self.rules, self.fields)
        self.body.check(self.paths, self.places)
        self._refuse_hashed(self._body_builder.ids, "the body")
        check_headers(self.headers, self.auth.headers, self.idempotency.header if self.idempotency else None)
        if self.precondition:
            check_guard(self.headers, self.precondition.header)
        if self.read:
            self.read.check(known, self.fields)
        elif self.reads_first:
            place = ("precondition",) if self.precondition else ("body", "base")
            raise MisplacedError("this needs read, which says how a record is read; add it", *place)
        if self.list:
            self.list.check(self.id, self.fields, self.variables)
            if self.list.version and not self.precondition:
                raise MisplacedError("this is for precondition, which says where a version goes", "list", "version")
        if self.search:
            self.search.check(self.id, self.fields, self.variables)
        if self.batch:
            self._check_batch(self.batch)
        return self

    def _check_batch(self, batch: Batch) -> None:
        for name in ("precondition", "idempotency", "before"):
            if getattr(self, name) is not None:
                raise MisplacedError("this goes with single requests; remove it, or batch", name)
        if self.body.base:
            raise MisplacedError("a batch holds changes alone; remove base, or batch", "body", "base")
        batch.check(self.id, self.variables, self.body)
        named = {*self.batch_builder.ids, *(self.id if batch.results and not batch.numbered else ())}
        self._refuse_hashed(named, "a batch")

    def _refuse_hashed(self, wanted: Iterable[str], where: str) -> None:
        """Refuses that something holds an id of which the URL has a hash alone."""
        if hashed := next((name for name in self.id if name in wanted and self.id[name].is_hashed), None):
            message = f"the URL holds a hash of {{{hashed}}} only, so {where} can't have it; choose another encoding"
            raise MisplacedError(message, "id", hashed, "encode")

    def with_variables(self, values: Mapping[str, str]) -> Target:
        """The same target with these values in the places of its variables, so that it has none any more.

        Raises:
            ConfigError: with these values it is not a possible target.
        """
        if not self.variables:
            return self
        declaration = filled(self.model_dump(mode="json", exclude_unset=True, exclude={"variables"}), values)
        try:
            made = Target.model_validate_json(json.dumps(declaration))
            made._hooks = self._hooks  # noqa: SLF001 - our own
            return made  # noqa: TRY300 - what can fail stands above
        except ValidationError as error:
            reason = plain_message(error.errors(include_url=False, include_input=False)[0])
            shown = ", ".join(f"{name} = {quoted(value)}" for name, value in values.items())
            raise ConfigError(f"With {shown}, the target {self.name} is not possible: {reason}.") from error

    @property
    def list_variables(self) -> frozenset[str]:
        """The variables that only a pull, or finding ids by another field, needs."""
        return self._variables_of("list", "search")

    @property
    def search_variables(self) -> frozenset[str]:
        """The variables that only a search for records needs."""
        return self._variables_of("search")

    def _variables_of(self, *sections: str) -> frozenset[str]:
        return used_alone_by(sections, self.model_dump(mode="json", exclude_unset=True)) & self.variables.keys()

    def with_hooks(self, hooks: Hooks | None) -> Target:
        """The same target with the code of its package, or with none.

        Raises:
            ConfigError: declaration and code don't fit together.
        """
        names = hooks.names if hooks else ()
        if self.auth.scheme == "signed" and "sign" not in names:
            whose = f"and the package {hooks.package} has no 'sign'" if hooks else "and this target comes from none"
            raise ConfigError(
                f"The target {self.name} has the scheme 'signed' under auth: a package signs its requests, {whose}.",
                "See docs/python_targets.md, or declare another scheme.",
            )
        if "encode" in names and (stray := sorted(self.body.model_fields_set - {"nested"})):
            raise ConfigError(
                f"The target {self.name} declares body.{stray[0]}, but its package makes the bodies ('encode').",
                "Remove one of them.",
            )
        if self.batch and (of_one := [name for name in names if name in {"encode", "judge"}]):
            message = f"The target {self.name} declares batch, and {of_one[0]!r} of its package is about one record."
            raise ConfigError(message, "Remove one of them.")
        made = self.model_copy()
        made._hooks = hooks  # noqa: SLF001 - our own
        return made

    @property
    def hooks(self) -> Hooks | None:
        """What its package does in Python; None for a target that is a declaration alone."""
        return self._hooks

    @property
    def judges(self) -> bool:
        """Whether its package says what replies to changes mean."""
        return self._hooks is not None and "judge" in self._hooks.names

    @property
    def decode(self) -> Callable[[Reply], bytes] | None:
        """What makes JSON of replies to reads, where they are something else."""
        return self._hooks.decode if self._hooks and "decode" in self._hooks.names else None

    def identity(self) -> dict[str, Any]:
        """What decides which requests a file becomes: two targets that agree in it make the same run of one file."""
        declared = self.model_dump(mode="json", exclude_unset=True, include=_IDENTITY)
        return {**declared, "package": self._hooks.package._asdict()} if self._hooks else declared

    @cached_property
    def paths(self) -> dict[str, tuple[str, ...]]:
        """Where each field is in the body and in a record: the members that lead to it, the outermost first.

        Those to which members alone do not lead are in `places`.
        """
        return paths_of(self.fields)

    @cached_property
    def places(self) -> dict[str, Place]:
        """Where the fields are to which members alone do not lead."""
        return places_of(self.fields)

    @cached_property
    def parts(self) -> dict[str, tuple[str, ...]]:
        """The fields that lie inside another field, by the name of that one."""
        return parts_of(self.paths)

    @cached_property
    def objects(self) -> dict[str, tuple[str, ...]]:
        """The fields that lie inside an object or a list, or set it, by the name of the outermost one."""
        return objects_of(self.paths, self.places)

    @cached_property
    def replaced(self) -> ReplacedObjects:
        """Of those, the ones that the API replaces as a whole: what a change does not set of them is lost."""
        return ReplacedObjects(self.objects if self.body.nesting == "replace" else {}, self.paths, self.places)

    @cached_property
    def lists(self) -> frozenset[str]:
        """The fields that are lists: each can be set by one column, or by a column for every item."""
        return frozenset(name for name, rule in self.fields.items() if rule.type == "list")

    @cached_property
    def _template(self) -> UrlTemplate:
        return UrlTemplate(self.path, self._encodings)

    @property
    def _encodings(self) -> dict[str, str]:
        return {name: rule.encode for name, rule in self.id.items()}

    @property
    def read_headers(self) -> dict[str, str]:
        """The declared headers that go out with every request, reads too."""
        return {name: value for name, value in self.headers.items() if not for_changes_only(name)}

    @property
    def change_headers(self) -> dict[str, str]:
        """The headers that go out with changes alone."""
        own = {name: value for name, value in self.headers.items() if for_changes_only(name)}
        if self._hooks and "encode" in self._hooks.names:
            return {**own, "Content-Type": self._hooks.content_type}
        return {**own, "Content-Type": self.body.media_type}

    @property
    def path_variables(self) -> tuple[str, ...]:
        """The ids' names in the order in which the path uses them."""
        return self._template.variables

    def expand(self, ids: tuple[str, ...]) -> str:
        """The path of one record; see `UrlTemplate.expand`."""
        return self._template.expand(ids)

    def read_path(self, path: str) -> str:
        """Where the record of a request at `path` is read; the ids in it stay encoded as they are."""
        if self.read is None or self.read.path is None:
            return path
        ids = self._template.match(path)
        if ids is None:  # an old journal, from before the target's path was changed
            return path
        return UrlTemplate(self.read.path).fill(ids)  # they are encoded already

    @cached_property
    def _body_builder(self) -> BodyBuilder:
        return BodyBuilder(self.body, self.paths, self.places, self.id)

    @property
    def reads_first(self) -> bool:
        """Whether each record is read just before its change, if its version is not known from a pull."""
        return self.body.base is not None or self.precondition is not None

    @property
    def _record_path(self) -> str:
        return self.read.record if self.read else "@"

    def current(self, reply: Reply) -> Current:
        """What the reply to that read says; see `current_of`."""
        return current_of(reply, self._record_path, self.precondition, wants_record=self.body.base is not None)

    def seen(self, reply: Reply, names: Iterable[str]) -> Seen:
        """What the reply to a read says of some fields, and of the record's version if that is in it.

        Where the API replaces an object that one of them is in, it says so of all that the record has there.

        Raises:
            UnexpectedReplyError: there is no record in it.
        """
        assert self.read is not None  # noqa: S101 - it was read as that says
        record, names = record_of(reply, self._record_path), [*names]
        found, version = self._seen(self.read, record, self._with_lost(names)), ""
        if self.precondition:
            with suppress(UnexpectedReplyError):
                version = self.precondition.version(reply, record)
        return found._replace(version=version, undeclared=self.replaced.undeclared(record, names, self.read.fields))

    def _with_lost(self, names: Iterable[str]) -> Iterable[str]:
        """Some fields, and those that would be lost with a change that sets only them."""
        objects = self.replaced.of(names)
        return dict.fromkeys([*names, *chain(*objects.values())]) if objects else names

    def seen_before(self, reply: Reply, names: Iterable[str]) -> Seen:
        """What the reply to a change says of some fields as they were before it; only for a target with `before`.

        Raises:
            UnexpectedReplyError: there is no record in it.
        """
        read = self.read or Read()
        found = self._seen(read.model_copy(update={"absent": ()}), record_of(reply, self.before or ""), names)
        return found._replace(absent=tuple(name for name in found.absent if name not in read.absent))

    def _seen(self, read: Read, record: Mapping[str, Any], names: Iterable[str]) -> Seen:
        known = [name for name in names if name not in read.absent]
        found = {name: read.value(record, name, self.places.get(name) or self.paths[name]) for name in known}
        values = {name: value for name, value in found.items() if value is not MISSING}
        return Seen(values, tuple(name for name in known if name not in values))

    def listed(self, record: Record, names: Iterable[str]) -> Seen:
        """The same of a record of the list; one that does not show a field says nothing of it."""
        names = self._with_lost([*names])
        values = {name: record.fields[name] for name in names if name in record.fields}
        absent = tuple([name for name in names if name in record.absent]) if record.absent else ()
        return Seen(values, absent, record.version, undeclared=record.undeclared)

    def can_read(self, name: str) -> bool:
        """Whether a record that is read by itself shows a field."""
        return self.read is not None and name not in self.read.absent

    @property
    def creates(self) -> bool:
        """Whether a change for a record that is not there makes a new one (RFC 9110, section 9.3.4)."""
        guarded = self.precondition is None or self.precondition.guards_new_records
        return self.method == "PUT" and not self.must_exist and self.body.base is None and guarded

    @property
    def listed_version(self) -> str:
        """Where in a record of the list its version is (JMESPath); '' where the list does not have it."""
        return (self.list and self.list.version) or (self.precondition.member if self.precondition else "")

    def headers_of(self, run_id: str, request: Request, version: str) -> dict[str, str]:
        """The headers that a row's change has of its own: its key, and the version that its record must have.

        Without a version, there must be no such record.
        """
        keys = self.idempotency.headers(run_id, request.row, request.errors) if self.idempotency else {}
        return {**keys, **self.precondition.headers(version)} if self.precondition else keys

    def body_of(self, fields: str, path: str = "", record: str = "") -> bytes:
        """The request body for a row's fields, on its way to `path`, from a `record` on; see `BodyBuilder.build`.

        Raises:
            HookError: the target's package can't make it.
        """
        if self._hooks and "encode" in self._hooks.names:
            return self._hooks.encode(self.ids_in(path), fields)
        builder = self._body_builder
        return builder.build(fields, self._decoded(path, builder.ids), record)

    def body_maker(self) -> Callable[[str, str], bytes]:
        """What makes the bodies of many rows, as `body_of` does of their fields and paths, and is found only once.

        A pydantic model looks for what is private in it by a function in Python, which takes longer than a body.
        """
        builder = self._body_builder
        if builder.ids or (self._hooks and "encode" in self._hooks.names):
            return self.body_of
        return lambda fields, _: builder.build(fields, {})

    def ids_in(self, path: str) -> dict[str, str]:
        """The parts of the id in the path of a request, as they were typed; without those of which it has a hash."""
        return self._decoded(path, [name for name, rule in self.id.items() if not rule.is_hashed])

    def _decoded(self, path: str, names: Sequence[str]) -> dict[str, str]:
        """Parts of the id in a path, as they were typed; empty for a path of before the target's was changed."""
        encoded = (self._template.match(path) or {}) if names else {}
        return {name: self.id[name].decoded(encoded[name]) for name in names if encoded}

    @cached_property
    def batch_builder(self) -> BatchBuilder:
        """Builds the bodies of batches; only for a target that has them."""
        assert self.batch is not None  # noqa: S101 - as said
        return BatchBuilder(self.batch, self.body, self.paths, self.places, self.id)

    def batch_record(self, request: Request) -> BatchRecord:
        """A request as one of the records of a batch."""
        return BatchRecord(request.fields, request.path, self._decoded(request.path, self.batch_builder.ids))

    def batch_keys(self, requests: Sequence[Request]) -> Sequence[str]:
        """By what the results of a batch are told apart: the records' numbers, or their ids.

        Where they have no ids, or only their order tells them apart, the keys are empty.
        """
        assert self.batch is not None  # noqa: S101 - as above
        if self.batch.numbered:
            return [str(number) for number in range(1, len(requests) + 1)]
        if self.batch.results is None or len(self.id) > 1:
            return [""] * len(requests)
        (name,) = self.id
        return [self._decoded(request.path, (name,)).get(name, "") for request in requests]

    def shows(self, reply: bytes, fields: str) -> bool:
        """Whether the reply to a read proves that the record has a row's values; see `Read.proves`."""
        return self.read is not None and self.read.proves(reply, fields, self.paths, self.places)

    def base(self, override: str | None, *, allow_http: bool) -> str:
        """The base URL to use, the user's or else the target's own; see `safe_base_url`."""
        return safe_base_url(self.name, self.base_url, override, allow_http=allow_http)
