"""The sandbox without its sockets: one request in, one fate out. It never waits, so nothing can come between.

In this order a request meets the number in flight, the rate limit, a bad record, the faults, the key, and its API.
"""

from __future__ import annotations

import json
import math
import random
import threading
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from batchupdate.sandbox.apis import Answer, Langdock, Nairi, to_json
from batchupdate.sandbox.contacts import Contacts
from batchupdate.sandbox.faults import BadRecords, Fault, Faults, Kind, parse_bad_records
from batchupdate.sandbox.ledger import Applied, Counts, Ledger, Seen, as_json
from batchupdate.sandbox.limits import limit_headers, make_limit, parse_quota
from batchupdate.sandbox.records import ContactRecord, LangdockRecord, NairiRecord, make_records

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from batchupdate.sandbox.apis import Api, Call, Place
    from batchupdate.sandbox.settings import Settings

BAD_GATEWAY = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>\n"
NO_JSON = b'{"integration": {"id": <!-- '
CONTROL = "/_sandbox/"
_CONTROL_HELP = (
    "There is GET /_sandbox/applied, /_sandbox/changed-elsewhere, /_sandbox/requests, /_sandbox/counts, "
    "/_sandbox/records/langdock, /_sandbox/records/nairi and /_sandbox/records/contacts, "
    "and POST /_sandbox/reset and /_sandbox/keys/revoke."
)
_TARGETS = {"langdock-integration": "langdock", "nairi-llm-integration": "nairi", "sandbox-contacts": "contacts"}

AnyRecord = LangdockRecord | NairiRecord | ContactRecord


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a request. `answer` is None where no HTTP answer is sent; `fault` says how it goes wrong."""

    seq: int
    answer: Answer | None
    fault: Fault | None = None


class World:
    """The records, keys, limit, faults and ledger of one sandbox. May be asked from any thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._start = settings.records or make_records(
            langdock=settings.langdock, nairi=settings.nairi, contacts=settings.contacts, seed=settings.seed
        )
        self._begin()

    def _begin(self) -> None:
        settings = self._settings
        self._langdock = Langdock(self._start.langdock, name_or_description=settings.name_or_description)
        self._nairi = Nairi(self._start.nairi)
        self._contacts = Contacts(self._start.contacts, versions=settings.versions)
        self._apis: tuple[Api, ...] = (self._langdock, self._nairi, self._contacts)
        self._keys = set(settings.keys)
        self._limit = make_limit(settings.limit_kind, parse_quota(settings.limit), settings.burst, settings.clock)
        faults = Faults.parse(settings.faults, settings.seed) if isinstance(settings.faults, str) else settings.faults
        self._choose = faults.chooser()
        self._bad = self._bad_records()
        self._elsewhere = random.Random(f"second writer {settings.seed}")  # noqa: S311 - to be repeated, no secret
        self._changed_elsewhere: list[Applied] = []
        self._ledger = Ledger(keep=settings.keep_requests)

    def _bad_records(self) -> dict[str, BadRecords]:
        """The records that always get an error, by id."""
        bad: dict[str, BadRecords] = {}
        for records in (self._langdock.records.values(), self._nairi.records.values()):
            ids = [record.id for record in records]
            random.Random(self._settings.seed).shuffle(ids)  # noqa: S311 - faults to be repeated, no secrets
            for kind in parse_bad_records(self._settings.bad_records):
                bad.update((ids.pop(), kind) for _ in range(min(kind.count, len(ids))))
        return bad

    def reset(self) -> None:
        """Puts everything back to how it was at the start: records, keys, limit, faults and ledger."""
        with self._lock:
            self._begin()

    def revoke(self, *keys: str) -> int:
        """Makes keys invalid from now on, all of them where none is named; gives how many were valid before."""
        with self._lock:
            gone = self._keys & set(keys) if keys else set(self._keys)
            self._keys -= gone
            return len(gone)

    def restore(self, *keys: str) -> None:
        """Makes keys valid again, all that were at the start where none is named."""
        with self._lock:
            self._keys |= set(keys or self._settings.keys)

    def put(self, api: str, record: AnyRecord) -> None:
        """Somebody else's change: sets a record as a whole. It is not in the ledger.

        Raises:
            KeyError: there is no such API or record.
        """
        self.record(api, record.id)
        with self._lock:
            if isinstance(record, LangdockRecord):
                self._langdock.records[record.id] = record
            elif isinstance(record, ContactRecord):
                self._contacts.records[record.id] = record
            else:
                self._nairi.records[record.id.removeprefix("ai_").upper()] = record

    @property
    def applied(self) -> list[Applied]:
        """Every change that was written, in order."""
        with self._lock:
            return list(self._ledger.applied)

    @property
    def changed_elsewhere(self) -> list[Applied]:
        """Every change of the second writer, in order; `seq` is the request after which it came."""
        with self._lock:
            return list(self._changed_elsewhere)

    @property
    def requests(self) -> list[Seen]:
        """Every request that arrived whole, in order."""
        with self._lock:
            return list(self._ledger.requests)

    @property
    def counts(self) -> Counts:
        """How much happened."""
        with self._lock:
            return self._ledger.counts

    def records(self, api: str) -> list[LangdockRecord] | list[NairiRecord] | list[ContactRecord]:
        """The records of `langdock`, `nairi` or `contacts` (or their targets' names) as they are now.

        Raises:
            KeyError: there is no such API.
        """
        with self._lock:
            match api_name(api):
                case "langdock":
                    return list(self._langdock.records.values())
                case "nairi":
                    return list(self._nairi.records.values())
                case _:
                    return list(self._contacts.records.values())

    def record(self, api: str, record_id: str) -> AnyRecord:
        """One record as it is now; the id as the API takes it.

        Raises:
            KeyError: there is no such API or record.
        """
        with self._lock:
            found = self._find(api_name(api), record_id)
        if found is None:
            raise KeyError(f"There is no record {record_id!r} at {api}.")
        return found

    def _find(self, api: str, record_id: str) -> AnyRecord | None:
        match api:
            case "langdock":
                return self._langdock.find(record_id)
            case "nairi":
                return self._nairi.find(record_id)
            case _:
                return self._contacts.find(record_id)

    def meet(self, call: Call, authorization: str, in_flight: int = 1, *, too_large: bool = False) -> Fate:
        """Decides what becomes of one request, does it, and writes it down.

        Args:
            call: the request.
            authorization: its Authorization header, or empty; never kept.
            in_flight: how many requests are being worked on, this one too.
            too_large: its body was longer than the server reads.
        """
        with self._lock:
            seq = self._ledger.next_seq()
            now = self._settings.clock.now()
            api, place = self._route(call.path)
            answer, headers = self._throttle(api, in_flight)
            answer = answer or self._refuse(api, place)
            fault = None if answer else self._choose()
            if fault and not fault.kind.applies:
                answer = _instead(api, fault)
            elif answer is None:
                answer = api.error(413) if too_large else self._answer(call, api, place, authorization, now)
            changes = answer.changes if answer else ()
            if answer and fault:
                answer = _spoilt(api, answer, fault)
            if answer and headers:
                answer = replace(answer, headers={**answer.headers, **headers})
            seen = Seen(
                seq=seq,
                at=now,
                api=api.name if place else "",
                id=place.id if place and place.what != "all" else "",
                method=call.method,
                path=call.path,
                body=call.body.decode(errors="replace"),
                status=answer.status if answer else None,
                fault=fault.kind.value if fault else "",
                applied=bool(changes),
            )
            self._ledger.note(seen, changes)
            if place and self._elsewhere.random() < self._settings.second_writer:
                self._change_elsewhere(api, seq, now)
            return Fate(seq, answer, fault)

    def _change_elsewhere(self, api: Api, seq: int, now: datetime) -> None:
        """Lets somebody else change a record of an API, after the request of this number."""
        text, fields = f"Somebody {seq}", dict[str, Any]()
        if api is self._contacts:
            records: list[AnyRecord] = [*self._contacts.records.values()]
        else:
            records = [*(self._langdock if api is self._langdock else self._nairi).records.values()]
        if not records:
            return
        match self._elsewhere.choice(records):
            case ContactRecord() as contact:
                fields = self._elsewhere.choice([{"name": text}, {"labels": [text]}, {"note": text}])
                record: AnyRecord = self._contacts.change(contact, fields)
            case LangdockRecord() as integration:
                if self._elsewhere.random() < 0.5:  # noqa: PLR2004 - either of the two
                    fields, record = {"name": text}, replace(integration, name=text)
                else:
                    fields, record = {"description": text}, replace(integration, description=text)
                self._langdock.records[integration.id] = record
            case NairiRecord() as model:
                fields = {"name": text}
                record = replace(model, name=text)
                self._nairi.records[model.id.removeprefix("ai_").upper()] = record
        self._changed_elsewhere.append(Applied(seq, api.name, record.id, fields, now))

    def control(self, call: Call) -> Answer:
        """Answers a request of the control API, `/_sandbox/…`; it meets no limit, fault or key."""
        what = call.path.removeprefix(CONTROL).rstrip("/")
        if call.method == "POST" and what == "reset":
            self.reset()
            return Answer(200, to_json({"reset": True}))
        if call.method == "POST" and what == "keys/revoke":
            return self._control_revoke(call.body)
        if call.method == "GET" and (found := self._tell(what)) is not None:
            return Answer(200, to_json(found))
        return Answer(404, to_json({"error": _CONTROL_HELP}))

    def _tell(self, what: str) -> object:
        if what == "applied":
            return [as_json(entry) for entry in self.applied]
        if what == "changed-elsewhere":
            return [as_json(entry) for entry in self.changed_elsewhere]
        if what == "requests":
            return [as_json(entry) for entry in self.requests]
        if what == "counts":
            return asdict(self.counts)
        group, _, api = what.partition("/")
        if group == "records" and (api in _TARGETS or api in _TARGETS.values()):
            return [asdict(record) for record in self.records(api)]
        return None

    def _control_revoke(self, body: bytes) -> Answer:
        try:
            asked = json.loads(body or b"{}")
            keys = asked.get("keys", [])
            if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
                raise TypeError  # noqa: TRY301 - all bad bodies end alike
        except (ValueError, AttributeError, TypeError):
            return Answer(400, to_json({"error": 'Send {"keys": ["…"]}, or nothing to revoke all keys.'}))
        return Answer(200, to_json({"revoked": self.revoke(*keys)}))

    def _route(self, path: str) -> tuple[Api, Place | None]:
        for api in self._apis:
            if (place := api.place(path)) is not None:
                return api, place
        return self._langdock, None

    def _throttle(self, api: Api, in_flight: int) -> tuple[Answer | None, Mapping[str, str]]:
        settings = self._settings
        if settings.max_in_flight is not None and in_flight > settings.max_in_flight:
            return api.error(429), {"Retry-After": "1"} if settings.headers == "retry-after" else {}
        if self._limit is None:
            return None, {}
        turn = self._limit.take()
        return None if turn.allowed else api.error(429), limit_headers(settings.headers, turn, settings.clock)

    def _refuse(self, api: Api, place: Place | None) -> Answer | None:
        """What a record that always gets an error is answered; None for all others."""
        if not self._bad or place is None or place.what == "all" or api is self._contacts:
            return None
        record = (self._langdock if api is self._langdock else self._nairi).find(place.id)
        bad = self._bad.get(record.id) if record else None
        if bad is None:
            return None
        wait = {} if bad.retry_after_s is None else {"Retry-After": str(math.ceil(bad.retry_after_s))}
        return replace(api.error(bad.status), headers=wait)

    def _answer(self, call: Call, api: Api, place: Place | None, authorization: str, now: datetime) -> Answer:
        if place is None:
            return api.error(404, "Not found")
        if not self._accepts(authorization, api):
            return api.error(401)
        return api.answer(call, place, now)

    def _accepts(self, authorization: str, api: Api) -> bool:
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != "bearer" or key not in self._keys:
            return False
        return not any(key.startswith(other.key_prefix) for other in self._apis if other is not api)


def api_name(name: str) -> str:
    """`langdock`, `nairi` or `contacts`, from one of them or from its target's name.

    Raises:
        KeyError: there is no such API.
    """
    known = _TARGETS.get(name, name)
    if known not in _TARGETS.values():
        raise KeyError(f"The sandbox has no API {name!r}; it has {' and '.join(_TARGETS.values())}.")
    return known


def _instead(api: Api, fault: Fault) -> Answer | None:
    """What replaces the API's answer when a fault comes before it; None for no HTTP answer."""
    if fault.kind is Kind.ERROR_500:
        return api.error(500)
    if fault.kind is Kind.ERROR_502:
        return Answer(502, BAD_GATEWAY, {"Content-Type": "text/html"})
    if fault.kind is Kind.ERROR_503:
        return api.error(503)
    if fault.kind is Kind.ERROR_503_RETRY_AFTER:
        return replace(api.error(503), headers={"Retry-After": str(math.ceil(fault.seconds))})
    return None


def _spoilt(api: Api, answer: Answer, fault: Fault) -> Answer | None:
    """What is left of an API's answer after a fault; None for no HTTP answer."""
    if fault.kind is Kind.ERROR_500_AFTER:
        return api.error(500)
    if fault.kind is Kind.GARBAGE_BODY:
        return replace(answer, body=NO_JSON)
    if fault.kind in {Kind.RESET_AFTER, Kind.HANG_AFTER}:
        return None
    return answer
