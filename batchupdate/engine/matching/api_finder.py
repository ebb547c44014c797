"""Finds ids by other fields: through the target's list, read once to its end, or a search for each value."""

from __future__ import annotations

from contextlib import ExitStack, aclosing
from typing import TYPE_CHECKING, Self

from batchupdate.engine.listing import PageClient, Pager, record_pages
from batchupdate.engine.listing.page_client import SEARCH
from batchupdate.engine.listing.pager import LONGEST_PATH
from batchupdate.engine.matching.record_index import RecordIndex
from batchupdate.errors import ConfigError
from batchupdate.model import Progress
from batchupdate.targets.ways_to_find import ways_to_find
from batchupdate.util.loop_thread import LoopThread
from batchupdate.util.text import encodable
from batchupdate.validator.columns.match_columns import match_fields
from batchupdate.validator.matches import Candidate, KeyField, key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from batchupdate.api.credentials import Credentials
    from batchupdate.config import Settings
    from batchupdate.engine.listing import Page
    from batchupdate.targets import Listing, Target
    from batchupdate.targets.search import Search
    from batchupdate.util.clock import Clock
    from batchupdate.validator.matches import Key, Match

SEARCHED_AT_MOST = 25
"""Rows of an input for which the search is used where there is a list as well."""


_HALF = "its id holds half of a character, and no request can name it"


class ApiFinder:
    """See `IdFinder`; a context manager. Nothing is asked before the first key is looked for.

    Args:
        target: how its records are listed or searched for.
        settings: by which fields they are found; rate, patience and so on.
        base_url: of the API.
        credentials: its key.
        clock: where time comes from.
        on_progress: is called with how many records were read, in the thread that looks for keys.
        has_more_rows: whether the input has more rows than a number.
    """

    def __init__(
        self,
        target: Target,
        settings: Settings,
        base_url: str,
        credentials: Credentials,
        clock: Clock,
        on_progress: Callable[[Progress], None],
        has_more_rows: Callable[[int], bool],
    ) -> None:
        self._target, self._settings, self._base_url = target, settings, base_url
        self._credentials, self._clock = credentials, clock
        self._on_progress, self._has_more_rows = on_progress, has_more_rows
        self._names = tuple(match_fields(target, settings.input))
        self._fields = [KeyField(name, target.fields[name]) for name in self._names]
        self._spelling = [rule.key for rule in target.id.values()]
        self._stack = ExitStack()
        self._search: Search | None = None
        self._thread: LoopThread | None = None
        self._progress = Progress("matching", 0)
        self._seen_fields: set[str] = set()
        self.records = 0
        """How many records were read."""

    def __enter__(self) -> Self:
        self._index = RecordIndex()
        self._stack.callback(self._index.close)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def find(self, keys: Sequence[Key]) -> Sequence[Match]:
        """See `IdFinder`."""
        if self._thread is None:
            self._thread = self._stack.enter_context(LoopThread("matching"))
            listing, self._search = ways_to_find(self._target, self._names)
            if listing and (self._search is None or self._has_more_rows(SEARCHED_AT_MOST)):
                self._search = None
                self._thread.run(self._read_list(listing), self._show)
                self._refuse_unknown_fields()
        if self._search is not None:
            self._thread.run(self._search_all(self._search, keys), self._show)
        return list(map(self._index.match, keys))

    def _show(self) -> None:
        self._on_progress(self._progress)

    def _client(self, pager: Pager, **wording: object) -> PageClient:
        def on_trouble(sentence: str) -> None:
            self._progress = Progress("matching", self.records, trouble=sentence)

        return PageClient(
            pager.origin,
            self._target,
            self._settings,
            self._credentials,
            clock=self._clock,
            on_trouble=on_trouble,
            **wording,  # type: ignore[arg-type] # the wording alone
        )

    async def _read_list(self, listing: Listing) -> None:
        pager = Pager(listing, self._base_url)
        async with self._client(pager) as client:
            await self._read_pages(client, pager, listing)

    async def _search_all(self, search: Search, keys: Sequence[Key]) -> None:
        """Asks for the values that were not asked for before, one request after the other."""
        places = [self._names.index(name) for name in search.asks_by]
        values = [tuple(key[place] for place in places) for key in keys]
        new = [one for one in dict.fromkeys(values) if self._index.first_time(one)]
        if not new:
            return
        first = Pager(search.for_values(dict(zip(search.asks_by, new[0], strict=True))), self._base_url)
        async with self._client(first, wording=SEARCH) as client:
            for one in new:
                asked = search.for_values(dict(zip(search.asks_by, one, strict=True)))
                if len(asked.path) <= LONGEST_PATH:  # no record has a value that no request can hold
                    await self._read_pages(client, Pager(asked, self._base_url), asked)

    async def _read_pages(self, client: PageClient, pager: Pager, listing: Listing) -> None:
        async with aclosing(record_pages(client, pager, self._target, listing, self._names)) as pages:
            async for page in pages:
                self._keep(page)
                self._progress = Progress("matching", self.records)

    def _keep(self, page: Page) -> None:
        found = []
        for record in page.records:
            self._seen_fields.update(record.fields)
            if key := key_of(self._fields, record.fields):
                ids = tuple(map(encodable, record.ids))
                locked = record.locked if ids == record.ids else _HALF
                spelling = "\x1f".join(same(part) for same, part in zip(self._spelling, ids, strict=True))
                found.append((spelling, Candidate(ids, key, locked)))
        self._index.add(found)
        self.records += len(page.records)

    def _refuse_unknown_fields(self) -> None:
        unseen = [name for name in self._names if name not in self._seen_fields]
        if self.records and unseen:
            raise ConfigError(
                f"No record in the list of {self._target.name} contains {unseen[0]}, by which records are to be found.",
                "Declare where it is under list.fields (docs/targets.md), or match by another field.",
            )
