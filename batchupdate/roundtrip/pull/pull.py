"""A target's present records, page by page, into a sheet that can be edited and run.

Memory holds one page: each record is written before the next page is asked for. The sheet appears when it is whole.
"""

from __future__ import annotations

import shlex
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchupdate.engine.listing import PageClient, Pager, record_pages, unfit
from batchupdate.errors import ConfigError
from batchupdate.model import Progress
from batchupdate.roundtrip.pull.cell_writer import CellWriter
from batchupdate.roundtrip.sheet import Columns, Form, atomic_file, open_sheet
from batchupdate.runs.keys import credentials_of
from batchupdate.targets import find_target
from batchupdate.targets.catalogue import with_values
from batchupdate.targets.field_path import undeclared
from batchupdate.targets.place import undeclared_items
from batchupdate.util.clock import SystemClock
from batchupdate.util.text import NAMED_AT_MOST

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from batchupdate.config import Settings
    from batchupdate.engine.listing import Page
    from batchupdate.roundtrip.sheet import Sheet
    from batchupdate.targets import Listing, Target
    from batchupdate.util.clock import Clock


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull came to: records written, those of them that must not be edited, pages, requests, and notices."""

    path: Path
    form: Form
    records: int
    locked: int
    pages: int
    requests: int
    notices: Sequence[str]


def listing_of(target: Target, name: str) -> Listing:
    """How a target lists its records; `name` is what the user calls it.

    Raises:
        ConfigError: it doesn't say how.
    """
    if target.list is None:
        raise ConfigError(
            f"The target {target.name} does not declare how its records are listed, so they can't be pulled.",
            f"For an empty sheet to fill in, run: batchupdate template {shlex.quote(name)}. If its API can list "
            "records, add 'list' to the target's declaration (docs/targets.md).",
        )
    return target.list


async def pull_records(
    name: str,
    settings: Settings,
    path: Path,
    form: Form,
    *,
    force: bool = False,
    on_progress: Callable[[Progress], None] = lambda _: None,
    environ: Mapping[str, str] | None = None,
    clock: Clock | None = None,
) -> Pulled:
    """Writes a target's present records to a sheet; see the module.

    Args:
        name: of the target, built in or a path.
        settings: the base URL, rate, patience, markers and how many records at most.
        path: the sheet to write.
        form: what it is written as.
        force: whether a file that is there is replaced.
        on_progress: called with the number of records read, after each page, and when one has to be asked for again.
        environ: where the API key is looked up; None for the process's own environment.
        clock: where time comes from.

    Raises:
        UsageError: something can't be used, or the file is there already; nothing was asked for.
        SafetyStop: a page can't be had, or is not as the target's declaration says.
    """
    found = find_target(name)
    target = with_values(found, settings, environ, optional=found.search_variables)
    listing = listing_of(target, name)
    clock = clock or SystemClock()
    base_url = target.base(settings.base_url, allow_http=settings.allow_http)
    credentials = credentials_of(target, settings, environ, clock)
    columns = Columns.pulled(target, name)
    texts = CellWriter(columns, form, settings.input)
    pager = Pager(listing, base_url)
    with atomic_file(path, force=force) as beside, open_sheet(beside, form, columns) as sheet:
        writing = _Writing(sheet, texts, target, listing, settings.limit)

        def on_trouble(sentence: str) -> None:
            on_progress(Progress("reading", writing.records, trouble=sentence))

        fetcher = PageClient(pager.origin, target, settings, credentials, clock=clock, on_trouble=on_trouble)
        async with fetcher, aclosing(record_pages(fetcher, pager, target, listing, columns.fields)) as pages:
            async for page in pages:
                writing.add(page)
                on_progress(Progress("reading", writing.records))
                if writing.enough:
                    break
    notices = _notices(texts, columns, writing)
    return Pulled(path, form, writing.records, writing.locked, pager.number, fetcher.requests, notices)


class _Writing:
    """Writes pages to a sheet, and notices when one comes again."""

    def __init__(self, sheet: Sheet, texts: CellWriter, target: Target, listing: Listing, limit: int | None) -> None:
        self._sheet, self._texts, self._listing, self._limit = sheet, texts, listing, limit
        self._replaced = target.body.nesting == "replace"
        self._places = [place for name, place in target.places.items() if name not in listing.fields]
        self._paths = {path for name, path in target.paths.items() if name not in listing.fields}
        self._before: set[tuple[str, ...]] = set()
        self.undeclared: set[str] = set()
        """The members of replaced objects that some record has and the target does not declare."""
        self.records = self.locked = self.twins = 0
        self.first_twin = ""

    @property
    def enough(self) -> bool:
        """Whether no more records are wanted."""
        return self._limit is not None and self.records >= self._limit

    def add(self, page: Page) -> None:
        """Writes one page."""
        number, records = page.number, page.records
        for record in page.found if self._replaced else ():
            self.undeclared.update(undeclared(record, self._paths), undeclared_items(record, self._places))
        before, self._before = self._before, {found.ids for found in records}
        seen = before.copy()
        for found in records:
            if self.enough:
                return
            if self._texts.id_trouble(found.ids):
                raise unfit(number, f"no cell can contain the id {'/'.join(found.ids)[:100]!r}", self._listing)
            if found.ids in seen:  # a list that changes while it is read is moved on by a record or two
                self.twins += 1
                self.first_twin = self.first_twin or "/".join(found.ids)
            seen.add(found.ids)
            self._sheet.add(self._texts.row(found))
            self.records += 1
            self.locked += bool(found.locked)


def _notices(texts: CellWriter, columns: Columns, writing: _Writing) -> list[str]:
    notices = []
    if writing.twins:
        times = "1 record came" if writing.twins == 1 else f"{writing.twins:,} records came"
        notices.append(
            f"{times} twice, such as {writing.first_twin}, and others may be missing: the list changed "
            "while it was being read. Pull again, or edit only one row of each."
        )
    if texts.unwritable:
        values = "1 value" if texts.unwritable == 1 else f"{texts.unwritable:,} values"
        notices.append(
            f"{values} can't be written into a cell, such as {texts.first_unwritable}. Such a cell is blank, "
            "which leaves its field as it is."
        )
    if writing.undeclared:
        names = sorted(writing.undeclared)
        more = " and more" if len(names) > NAMED_AT_MOST else ""
        notices.append(
            f"The records have {', '.join(names[:NAMED_AT_MOST])}{more}, which {columns.target.name} does not "
            "declare. It says 'nested: replace', so an edit beside them would remove them: declare them under fields, "
            "and pull again."
        )
    missing = [name for name in columns.old if name not in texts.seen]
    if writing.records and missing:
        notices.append(
            f"No record contains {', '.join(missing)}. Declare where it is under list.fields, or add it to list.absent."
        )
    return notices
