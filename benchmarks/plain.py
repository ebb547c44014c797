"""The plain form of everything that was written for speed: what `--without` takes in its place.

What gains less than 3 % of a whole run does not stay; docs/design.md has the figures ("What speed costs").
"""

from __future__ import annotations

import csv
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


def one_write() -> None:
    """aiohttp's own request, whose body is wrapped in a payload."""
    import aiohttp

    from batchupdate.api import client

    client._OneWrite = aiohttp.ClientRequest


def sweeper() -> None:
    """A timer of aiohttp for each request."""
    import aiohttp

    from batchupdate.api import client

    made = client.Client.__init__

    def init(self, base_url, method, headers, settings, **others):
        made(self, base_url, method, headers, settings, **others)
        self._timeout = aiohttp.ClientTimeout(
            total=settings.timeout, connect=self._timeout.connect, sock_read=settings.read_timeout
        )

    async def _exchange(self, method, path, body, headers, most=client.MAX_BODY):
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

    client.Client.__init__ = init
    client.Client._exchange = _exchange


def row_new() -> None:
    from batchupdate.model import Row
    from batchupdate.reader import multi_file, table

    table._to_row = multi_file._to_row = Row._make


def enum_hash() -> None:
    import enum

    from batchupdate.model import Outcome

    Outcome.__hash__ = enum.Enum.__hash__


def csv_writer() -> None:
    from pydantic_core import from_json

    from batchupdate.model import SUCCEEDED, ONE_FILE
    from batchupdate.reporter import results_csv as r

    def write_results(path, failed_path, columns, width, lines, notices=None, labels=ONE_FILE):
        extra = [f"{r.EXTRA}{number + 1}" for number in range(width - len(columns))]
        header = [*r.guard_all(columns), *extra, *([r.FILE] if labels.names else []), *r.RESULT_COLUMNS]
        count = 0
        whole = len(columns) + len(extra)
        with r.replacing_all([path, failed_path], notices) as (file, failed_file):
            file.write(r.BYTE_ORDER_MARK)
            failed_file.write(r.BYTE_ORDER_MARK)
            all_rows, failed = csv.writer(file), csv.writer(failed_file)
            all_rows.writerow(header)
            failed.writerow(header)
            for count, line in enumerate(lines, 1):
                cells = from_json(line.cells)
                cells += [""] * (whole - len(cells))
                if r._may_begin_a_formula(line.cells):
                    cells = r.guard_all(cells)
                place = [labels.file(line.number), labels.row(line.number)] if labels.names else [line.number]
                record = [
                    *cells, *place, r.guard_id(line.record_id), line.outcome, line.http_status, line.attempts,
                    r.guard(line.error), r.guard(line.request_id), r.iso(line.finished_at), line.duration_ms,
                ]
                all_rows.writerow(record)
                if line.outcome not in SUCCEEDED:
                    failed.writerow(record)
        return count

    import batchupdate.reporter as reporter
    import sys
    for module in list(sys.modules.values()):
        if getattr(module, "write_results", None) is r.write_results and module is not r:
            module.write_results = write_results
    r.write_results = write_results


def iso_cache() -> None:
    from batchupdate.reporter import results_csv as r
    r._to_the_second = r._to_the_second.__wrapped__

def collections() -> None:
    import batchupdate.run
    import batchupdate.runs.begin

    batchupdate.run.fewer_collections = batchupdate.runs.begin.fewer_collections = nullcontext


def bulk_insert() -> None:
    import batchupdate.journal
    import batchupdate.validator.duplicates

    def plain(connection, into, rows):
        if rows:
            connection.executemany(f"{into} VALUES ({','.join('?' * len(rows[0]))})", rows)

    batchupdate.journal.bulk_insert = batchupdate.validator.duplicates.bulk_insert = plain


FORMS: dict[str, Callable[[], None]] = {
    f.__name__: f for f in (one_write, sweeper, row_new, enum_hash, csv_writer, iso_cache, collections, bulk_insert)
}
