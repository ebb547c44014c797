"""The plain form of everything that was written for speed, for `--without` of `instructions.py` and `throughput.py`.

What gains less than 3 % of a whole command does not stay; docs/design.md has the figures ("What speed costs").
"""

# ruff: noqa: SLF001 - it is the inside of modules that is put in place here

from __future__ import annotations

import asyncio
import csv
import io
from contextlib import nullcontext
from typing import TYPE_CHECKING

import aiohttp
from aiohttp.http import HttpProcessingError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from multidict import CIMultiDict

    from batchupdate.model import Fault


def direct() -> None:
    """Every request through aiohttp's session."""
    from batchupdate.api import client

    client._TRIED = "none"


def sweeper() -> None:
    """A timer for each request."""
    from batchupdate.api.client import Client, Reply

    async def answer(
        self: Client, method: str, path: str, body: bytes, headers: CIMultiDict[str], most: int, *, change: bool
    ) -> Reply | Fault:
        assert self._connector is not None
        started = self._clock.monotonic()
        try:
            async with asyncio.timeout(self._patience):
                response = await self._connector.send(method, self._prefix + path, headers, body)
                content = self._secrets.redact_bytes(await self._read(response, most, change=change))
        except (aiohttp.ClientError, TimeoutError, OSError, HttpProcessingError) as error:
            return self._fault(error, self._clock.monotonic() - started)
        return Reply(response.status, self._clean(response.headers), content, self._clock.monotonic() - started)

    Client._answer = answer  # type: ignore[method-assign]


def together() -> None:
    """Every request written as soon as it is made, and not right after others of the same round."""
    from batchupdate.api.connection import Connector

    class AtOnce(list[tuple[asyncio.Transport, bytes]]):
        def append(self, request: tuple[asyncio.Transport, bytes]) -> None:
            transport, data = request
            transport.write(data)

    class Plain(Connector):
        def __setattr__(self, name: str, value: object) -> None:
            super().__setattr__(name, AtOnce() if name == "_leaving" else value)

    from batchupdate.api import client

    client.Connector = Plain  # type: ignore[misc]


def joined_lines() -> None:
    """Every line of results.csv written by the csv module."""
    from batchupdate.reporter import results_csv

    def csv_line(cells: Sequence[str]) -> str:
        out = io.StringIO(newline="")
        csv.writer(out).writerow(cells)
        return out.getvalue()

    results_csv._csv_line = csv_line


def collections() -> None:
    """Cyclic garbage looked for as often as Python likes to."""
    import batchupdate.run

    batchupdate.run.fewer_collections = nullcontext


def bulk_insert() -> None:
    """Rows given to SQLite one by one."""
    from batchupdate.journal import store
    from batchupdate.validator import duplicates

    def one_by_one(connection: sqlite3.Connection, into: str, rows: Sequence[Sequence[object]]) -> None:
        if rows:
            connection.executemany(f"{into} VALUES ({','.join('?' * len(rows[0]))})", rows)

    store.bulk_insert = duplicates.bulk_insert = one_by_one


FORMS: dict[str, Callable[[], None]] = {
    form.__name__: form for form in (direct, sweeper, together, joined_lines, collections, bulk_insert)
}
