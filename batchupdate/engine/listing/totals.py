"""How many records a list has in all, as the API advertises it: a list that ends before is not whole."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from batchupdate.config.json_path import search
from batchupdate.targets import UnexpectedReplyError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from batchupdate.targets import Listing

_HEADERS = ("x-total-count", "x-total", "x-wp-total", "total-count")
_MEMBERS = ("total", "total_count", "totalCount", "total_records", "totalRecords", "totalSize", "count")
_AROUND = ("meta", "metadata", "_metadata", "pagination", "paging", "page", "page_info", "pageInfo")
_RANGE = re.compile(r"\s*[a-z-]+\s+(?:\d+-\d+|\*)/(\d{1,12})\s*", re.ASCII | re.IGNORECASE)  # RFC 9110, section 14.4


def advertised_total(reply: Any, headers: Mapping[str, str], listing: Listing) -> int | None:  # noqa: ANN401 - JSON
    """How many records the list has, as one page advertises it; None if it doesn't.

    A `count` can be that of the page alone. That does no harm: a list has no fewer records than its pages.

    Args:
        reply: the page's JSON.
        headers: the reply's headers.
        listing: `total` says where the number is; without it, the usual places are looked at.

    Raises:
        UnexpectedReplyError: `total` can't be applied to the reply.
    """
    if listing.total is not None:
        found = search(listing.total, reply, "list.total")
        return _number(found)
    return max((number for number in map(_number, _candidates(reply, headers)) if number is not None), default=None)


def check_total(read: int, total: int | None) -> None:
    """Refuses a list that has ended before its total.

    Raises:
        UnexpectedReplyError: it has.
    """
    if total is not None and read < total:
        raise UnexpectedReplyError(
            f"the list ends after {read:,} records, but the API reports {total:,}; check list.pagination, or declare "
            "where the total is under list.total"
        )


def _candidates(reply: Any, headers: Mapping[str, str]) -> Iterator[object]:  # noqa: ANN401 - JSON is anything
    yield from (headers.get(name) for name in _HEADERS)
    if found := _RANGE.fullmatch(headers.get("content-range", "")):
        yield found[1]
    if isinstance(reply, dict):
        for place in (reply, *(reply.get(name) for name in _AROUND)):
            if isinstance(place, dict):
                yield from (place.get(name) for name in _MEMBERS)


def _number(value: object) -> int | None:
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) < 13:  # noqa: PLR2004 - digits
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
