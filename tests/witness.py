"""A proxy that sees every request to an API in the order in which they take effect, and what it proves of a run.

One request passes at a time, so its order is that of the changes. A reply to a read may be kept back a little, as a
slow network would: that is when somebody else changes a record between its read and its change.
"""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

import aiohttp
from aiohttp import web
from second_writer import MARK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence

OURS_TO_THEIRS = 4
"""Requests of ours for each of somebody else's."""

AT_WORK_S = 60.0
"""Within so many seconds somebody else changes something, if they are still there."""

_KEPT = ("ETag", "Content-Type", "Next-Page", "Last-Modified")


class Exchange(NamedTuple):
    """One request and what became of it; `id` is '' for the list, and `fields` is what a change has set."""

    seq: int
    foreign: bool
    method: str
    id: str
    fields: Mapping[str, Any]
    status: int
    lost: bool
    """Whether the client never got the reply, or an error in its place."""
    shown: str = ""
    """What a page of the list has shown: a record that is changed meanwhile can stand on none of them, or on two."""

    @property
    def changed(self) -> bool:
        return self.method != "GET" and self.status < 300


class Witness:
    """What passed.

    Args:
        upstream: the API.
        records: the path of its records.
        wrap: the member of a body that holds the fields; '' where the body does.
        seed: of delays and faults.
        lag_s: replies to reads are kept back by up to so many seconds.
        faults: the chance that the reply to one of our changes is lost, or that it is refused with 503.
    """

    def __init__(
        self, upstream: str, records: str, *, wrap: str = "", seed: int = 1, lag_s: float = 0.01, faults: float = 0.0
    ) -> None:
        self.upstream, self.records, self._wrap = upstream, records, wrap
        self._rng, self._lag_s, self._faults = random.Random(f"witness {seed}"), lag_s, faults  # noqa: S311 - to be repeated, no secret
        self._turn = asyncio.Lock()
        self.log: list[Exchange] = []
        self.url = ""
        self._extra = 0
        self.over = False
        """Whether somebody else need not be kept back any more."""

    async def somebody_changes(self, name: str) -> None:
        """Lets somebody else work until they have changed some record's field."""
        begin = self.now
        async with asyncio.timeout(AT_WORK_S):  # they may have ended
            while not any(name in one.fields for one in self.changes(foreign=True, begin=begin)):
                self._extra += 1
                await asyncio.sleep(0.01)

    async def _their_turn(self) -> None:
        """Keeps somebody else's pace to ours, whatever the machine: one request of theirs for some of ours."""
        while not self.over:
            theirs = sum(one.foreign for one in self.log)
            if theirs < self._extra + (self.now - theirs) / OURS_TO_THEIRS:
                return
            await asyncio.sleep(0.005)

    @property
    def now(self) -> int:
        """How many requests have passed so far."""
        return len(self.log)

    async def handle(self, session: aiohttp.ClientSession, request: web.BaseRequest) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name != "Content-Length"}
        sent, foreign = await request.read(), MARK in request.headers
        fate = self._rng.random() if not foreign and request.method != "GET" else 1.0
        if fate < self._faults / 3:
            return web.json_response({"error": "try again"}, status=503)
        if foreign:
            await self._their_turn()
        async with self._turn:
            target = self.upstream + request.raw_path
            async with session.request(
                request.method, aiohttp.client.URL(target, encoded=True), data=sent, headers=headers
            ) as reply:
                content = await reply.read()
            self._note(request, sent, reply.status, content, foreign=foreign, lost=fate < self._faults)
        if fate < self._faults * 2 / 3:
            assert request.transport
            request.transport.abort()
        elif fate < self._faults:
            return web.json_response({"error": "sorry"}, status=500)
        if request.method == "GET" and not foreign:
            await asyncio.sleep(self._rng.uniform(0, self._lag_s))
        kept = {name: reply.headers[name] for name in _KEPT if name in reply.headers}
        return web.Response(status=reply.status, body=content, headers=kept)

    def _note(
        self, request: web.BaseRequest, sent: bytes, status: int, content: bytes, *, foreign: bool, lost: bool
    ) -> None:
        path = request.raw_path.partition("?")[0].removeprefix(self.records).removeprefix("/")
        fields = json.loads(sent) if sent else {}
        fields = fields.get(self._wrap, {}) if self._wrap else fields
        shown = content.decode("utf-8", "replace") if request.method == "GET" and not path else ""
        self.log.append(Exchange(self.now, foreign, request.method, unquote(path), fields, status, lost, shown))

    # ---- what it proves ----

    def changes(self, *, foreign: bool, begin: int = 0, end: int | None = None) -> Iterator[Exchange]:
        """Changes that took effect."""
        yield from (one for one in self.log[begin:end] if one.foreign is foreign and one.changed)

    def reads(self, record: str, begin: int, end: int) -> list[int]:
        """When we read a record, by itself or with all."""
        quoted = json.dumps(record)
        gets = [one for one in self.log[begin:end] if one.method == "GET" and not one.foreign]
        return [one.seq for one in gets if one.id == record or (not one.id and quoted in one.shown)]

    def replayed(self, start: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """What the records must be after all that passed."""
        records = {key: dict(record) for key, record in start.items()}
        for one in self.log:
            if one.changed:
                records.setdefault(one.id, {}).update(one.fields)
        return records

    def overwritten(
        self, stage: tuple[int, int], base: Callable[[str], int], *, versioned: bool, read_again: bool
    ) -> tuple[list[str], list[str]]:
        """Foreign changes that our changes of a stage have overwritten.

        With versions, none may come between what we knew of a record and our change of it. Without, none of a field
        that we set may come before the record is read for the last time.

        Args:
            stage: when it began and ended.
            base: the last time before which whatever somebody has changed in a record was known to us.
            versioned: whether the API has versions.
            read_again: whether without versions each record must be read just before its change.

        Returns:
            Those that had to be seen, and those in the window between the last read and the change.
        """
        had_to_be_seen, in_the_window = [], []
        for ours in self.changes(foreign=False, begin=stage[0], end=stage[1]):
            reads = [one for one in self.reads(ours.id, stage[0], ours.seq) if self.log[one].id]
            first, last = (reads[0], reads[-1]) if reads else (base(ours.id), base(ours.id))
            if read_again and not versioned and not reads:
                had_to_be_seen.append(f"{ours.id}: was not read before its change ({ours.seq})")
            for theirs in self.changes(foreign=True, begin=base(ours.id), end=ours.seq):
                if theirs.id != ours.id:
                    continue
                same = bool(theirs.fields.keys() & ours.fields.keys())
                said = f"{ours.id}: {theirs.fields} ({theirs.seq}), then ours {ours.fields} ({ours.seq})"
                if (versioned and (same or theirs.seq > first)) or (same and theirs.seq < last):
                    had_to_be_seen.append(said)
                elif same:
                    in_the_window.append(said)
        return had_to_be_seen, in_the_window


@asynccontextmanager
async def witnessed(witness: Witness) -> AsyncIterator[Witness]:
    """Lets requests to `witness.url` pass until the block ends."""
    async with aiohttp.ClientSession(auto_decompress=True) as session:

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            return await witness.handle(session, request)

        runner = web.ServerRunner(web.Server(handle, access_log=None), shutdown_timeout=1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            witness.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield witness
        finally:
            await runner.cleanup()


def judge(
    witness: Witness,
    stage: tuple[int, int],
    lines: Sequence[Mapping[str, str]],
    wanted: Mapping[str, Mapping[str, Any]],
    *,
    faults: bool = False,
) -> list[str]:
    """What is untrue in the results of a stage: a row is `updated` if and only if its change took effect, and so on.

    Args:
        witness: saw what took effect.
        stage: when it began and ended.
        lines: the results.
        wanted: by id the values that a row was to set.
        faults: whether replies were lost, so that rows may be `unknown`.
    """
    wrong = []
    ours: dict[str, list[Exchange]] = {}
    for one in witness.changes(foreign=False, begin=stage[0], end=stage[1]):
        ours.setdefault(one.id, []).append(one)
    touched = {one.id for one in witness.changes(foreign=True, end=stage[1])}
    for line in lines:
        record, outcome = line["_id"], line["_outcome"]
        done = ours.pop(record, [])
        said = f"{record}: {outcome} {line['_error']!r}, {len(done)} changes"
        if outcome == "updated" and len(done) != 1 and not faults:
            wrong.append(said)
        if outcome == "updated" and not done:
            wrong.append(f"nothing was done: {said}")
        if outcome in {"conflict", "unchanged", "failed", "not_attempted"} and done:
            wrong.append(said)
        if outcome not in {"updated", "conflict", "unchanged"} and not (faults and outcome == "unknown"):
            wrong.append(said)
        if outcome == "conflict" and record not in touched:
            wrong.append(f"nobody has touched it: {said}")
        if any(wanted[record].get(name) != value for one in done for name, value in one.fields.items()):
            wrong.append(f"another value: {said}")
    wrong += [f"{record}: changed, and not in the results" for record in ours]
    return wrong


def unnamed(
    witness: Witness,
    stage: tuple[int, int],
    lines: Iterable[Mapping[str, str]],
    wanted: Mapping[str, Mapping[str, Any]],
) -> list[str]:
    """The conflicts that do not name both values, although somebody has changed a field that the row sets."""
    wrong = []
    for line in lines:
        if line["_outcome"] != "conflict":
            continue
        record, said = line["_id"], line["_error"]
        theirs = [one.fields for one in witness.changes(foreign=True, end=stage[1]) if one.id == record]
        values = {_text(value) for one in theirs for name, value in one.items() if name in wanted[record]}
        both = " was " in said and any(f"'{value}' now" in said for value in values)
        if not both and "nothing that this row sets has changed" not in said:
            wrong.append(f"{record}: {said!r}")
    return wrong


def _text(value: object) -> str:
    return str(value[0]) if isinstance(value, list) else str(value)
