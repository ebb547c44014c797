"""The plain form of everything that was written for speed, for `--without` of `instructions.py` and `throughput.py`.

What gains less than 3 % of a whole command does not stay; docs/design.md has the figures ("What speed costs").
"""

# ruff: noqa: SLF001 - it is the inside of modules that is put in place here

from __future__ import annotations

import csv
import io
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping, Sequence

    from batchupdate.model import Fault, Reply


def one_write() -> None:
    """A request as aiohttp makes it, its body wrapped in a payload."""
    import aiohttp

    from batchupdate.api import client

    client._OneWrite = aiohttp.ClientRequest  # type: ignore[misc, assignment]


def sweeper() -> None:
    """A timer of aiohttp's own for each request."""
    import aiohttp

    from batchupdate.api import client

    made = client.Client.__init__

    def init(self: client.Client, *args: Any, **others: Any) -> None:  # noqa: ANN401 - as the original
        made(self, *args, **others)
        before = self._timeout
        self._timeout = aiohttp.ClientTimeout(total=self._patience, connect=before.connect, sock_read=before.sock_read)

    async def exchange(
        self: client.Client,
        method: str,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        most: int = client.MAX_BODY,
    ) -> Reply | Fault:
        assert self._session is not None
        started = self._clock.monotonic()
        try:
            response = await self._session.request(
                method,
                self._url(path),
                data=body,
                headers=headers,
                allow_redirects=False,
                middlewares=client._BREAK_OFF if method in client._REPEATED_BY_AIOHTTP else (),
            )
            content = self._secrets.redact_bytes(await client._read(response, method, most))
        except (aiohttp.ClientError, TimeoutError, OSError, client._BrokenOffError) as error:
            return self._fault(error, self._clock.monotonic() - started)
        return client.Reply(response.status, self._clean(response.headers), content, self._clock.monotonic() - started)

    client.Client.__init__ = init  # type: ignore[method-assign]
    client.Client._exchange = exchange  # type: ignore[method-assign]


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
    form.__name__: form for form in (one_write, sweeper, joined_lines, collections, bulk_insert)
}
