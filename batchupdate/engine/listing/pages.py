"""The pages of a list as records under the target's names."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

from batchupdate.engine.listing.totals import advertised_total, check_total
from batchupdate.errors import SafetyStop
from batchupdate.targets import UnexpectedReplyError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence

    from batchupdate.engine.listing.page_client import PageClient
    from batchupdate.engine.listing.pager import Pager
    from batchupdate.targets import Listing, Record, Target


class Page(NamedTuple):
    """One page: its number from 1, its records, and how many records the API says there are in all, if it does.

    `found` are the same records as the API has them.
    """

    number: int
    records: Sequence[Record]
    total: int | None
    found: Sequence[Mapping[str, Any]]


async def record_pages(
    client: PageClient, pager: Pager, target: Target, listing: Listing, fields: Iterable[str]
) -> AsyncGenerator[Page, None]:
    """Every page of a target's list.

    Args:
        client: asks for them.
        pager: which one is next.
        target: what an id and a field are called. Ids come in the order of `target.id`.
        listing: how the target lists its records.
        fields: the fields that are wanted.

    Raises:
        SafetyStop: a page can't be had, or is not as the target declares.
    """
    read, total = listing.pagination.skipped, None
    where = {name: target.places.get(name) or target.paths[name] for name in fields}
    read_one = listing.reader(tuple(target.id), where, target.listed_version, target.replaced)
    digests: set[bytes] = set()
    while True:
        got = await client.page(pager.path, pager.body, pager.number, may_be_gone=pager.may_be_gone)
        try:
            if got is None:
                check_total(read, total)
                return
            reply, headers = got
            found = listing.records_in(reply)
            read, total = read + len(found), advertised_total(reply, headers, listing)
            records = list(map(read_one, found))
        except UnexpectedReplyError as error:
            raise unfit(pager.number, str(error), listing) from error
        if records and (digest := _digest(records)) in digests:
            why = "it has the same records as an earlier page; the API may not support this pagination"
            raise unfit(pager.number, why, listing)
        digests |= {digest} if records else set()
        yield Page(pager.number, records, total, found)
        try:
            if not pager.turn(reply, headers, len(found)):
                check_total(read, total)
                return
        except UnexpectedReplyError as error:
            raise unfit(pager.number, str(error), listing) from error


def _digest(records: Sequence[Record]) -> bytes:
    ids = "\0".join("/".join(found.ids) for found in records)
    return hashlib.blake2b(ids.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def unfit(page: int, why: str, listing: Listing) -> SafetyStop:
    """Why a list, or the reply to a search, can't be used."""
    message = f"Page {page:,} of {listing.called} is not as the target declares: {why}."
    return SafetyStop(message, f"Nothing was written. See '{listing.section}' in docs/targets.md.")
