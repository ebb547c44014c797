"""Which request asks for the next page of a list: from a reply to a path, and nothing that sends.

The key goes along with every page, so a page is only ever asked for at the base URL's own host: what a reply says is
next is taken apart, and refused if it is anywhere else.
"""

from __future__ import annotations

import json
import re
import string
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin, urlsplit

from batchupdate.config.json_path import is_true, search
from batchupdate.targets import UnexpectedReplyError
from batchupdate.util.text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from batchupdate.targets import Listing

Page = tuple[str, bytes | None]
"""What asks for a page: path and query, and the body of a POST."""

LONGEST_PATH = 8000
"""More than any server takes (RFC 9112, section 3 recommends 8,000 octets)."""

_PORTS = {"http": 80, "https": 443}
_ASCII = string.ascii_letters + string.digits + string.punctuation
# RFC 8288, section 3: <target>; name=token; name="quoted", …
_link = re.compile(r'<([^<>]*)>((?:\s*;\s*[^\s;,="]+(?:\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^\s;,"]*))?)*)').finditer
_rel = re.compile(r';\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]*))', re.IGNORECASE).search


class Pager:
    """Walks through the pages of one list.

    Args:
        listing: how the API pages.
        base_url: scheme, host and path of the API, checked already.
    """

    def __init__(self, listing: Listing, base_url: str) -> None:
        parts = urlsplit(base_url)
        self._listing = listing
        self._pages = listing.pagination
        self._next: Callable[[Any, Mapping[str, str], int], Page | None] = getattr(self, f"_after_{self._pages.style}")
        self.origin = f"{parts.scheme}://{parts.netloc}"
        """Scheme, host and port: where all pages are asked for."""
        self._path = parts.path + listing.path
        self._place = self._pages.first if self._pages.first is not None else int(self._pages.style == "page")
        self._full = False
        self.path, self.body = self._first()
        """Path and query of the page that is to be asked for, below the origin; and the body of a POST, or None."""
        self.number = 1
        """Which page that is, counted from 1."""
        self._seen = {(self.path, self.body)}

    @property
    def may_be_gone(self) -> bool:
        """Whether a 404 says no more than that the pages have ended: beyond the last one, where they are counted."""
        return self.number > 1 and self._pages.style in {"page", "offset"}

    def turn(self, reply: object, headers: Mapping[str, str], count: int) -> bool:
        """Goes on to the next page; False if there is none.

        Args:
            reply: the page's JSON.
            headers: the reply's headers.
            count: how many records it has.

        Raises:
            UnexpectedReplyError: what is said to be next can't be used.
        """
        following = self._next(reply, headers, count)
        if following is None:
            return False
        path, _ = following
        if following in self._seen:
            raise UnexpectedReplyError(
                f"page {self.number + 1:,} would be one that was already read; the pages form a loop"
            )
        if len(path) > LONGEST_PATH:
            raise UnexpectedReplyError(
                f"the address of page {self.number + 1:,} is longer than {LONGEST_PATH:,} characters"
            )
        if self.number >= self._listing.max_pages:
            raise UnexpectedReplyError(
                f"the list has more than {self._listing.max_pages:,} pages (list.max_pages); "
                "request larger pages, or raise that limit"
            )
        self._seen.add(following)
        (self.path, self.body), self.number = following, self.number + 1
        return True

    def _first(self) -> Page:
        if self._pages.style not in {"page", "offset"}:
            return self._path, self._body({})
        return self._at(self._place)

    def _at(self, place: int | str) -> Page:
        asked: dict[str, int | str] = {self._pages.parameter or "": place}
        if self._pages.size_parameter:
            asked[self._pages.size_parameter] = self._pages.size or 0
        if self._pages.place == "body":
            return self._path, self._body(asked)
        return with_query(self._path, {name: str(value) for name, value in asked.items()}), self._body({})

    def _body(self, asked: Mapping[str, int | str]) -> bytes | None:
        if self._listing.method == "GET":
            return None
        return json.dumps({**self._listing.body, **asked}, ensure_ascii=False, separators=(",", ":")).encode()

    def _after_none(self, _reply: object, _headers: Mapping[str, str], _count: int) -> None:
        """All records are in one reply."""

    def _after_cursor(self, reply: object, _headers: Mapping[str, str], _count: int) -> Page | None:
        if self._pages.more is not None and not is_true(search(self._pages.more, reply, "pagination.more")):
            return None
        cursor = self._found(reply)
        if cursor is None:
            if self._pages.more is not None:
                raise UnexpectedReplyError(f"there are more records, but the reply has no cursor ({self._pages.next})")
            return None
        return self._at(cursor)

    def _after_page(self, reply: object, _headers: Mapping[str, str], count: int) -> Page | None:
        self._place += 1
        if self._pages.pages is not None:
            last = _number(search(self._pages.pages, reply, "pagination.pages"), self._pages.pages)
            first = 1 if self._pages.first is None else self._pages.first
            return self._at(self._place) if self._place - first < last else None
        return self._at(self._place) if self._goes_on(count) else None

    def _after_offset(self, reply: object, _headers: Mapping[str, str], count: int) -> Page | None:
        self._place += count
        if self._pages.total is not None:
            total = _number(search(self._pages.total, reply, "pagination.total"), self._pages.total)
            read = self._place - (self._pages.first or 0)
            return self._at(self._place) if count and read < total else None
        return self._at(self._place) if self._goes_on(count) else None

    def _goes_on(self, count: int) -> bool:
        """An empty page is the last; so is a short one, if an earlier one was full.

        If none was, the API may give smaller pages than it is asked for, and another page follows.
        """
        size = self._pages.size
        self._full = self._full or (size is not None and count >= size)
        return count > 0 and not (self._full and size is not None and count < size)

    def _after_next(self, reply: object, headers: Mapping[str, str], _count: int) -> Page | None:
        url = headers.get(self._pages.header) or None if self._pages.header else self._found(reply)
        return None if url is None else self._below(url)

    def _after_link(self, _reply: object, headers: Mapping[str, str], _count: int) -> Page | None:
        url = next_link(header_values(headers, "link"))
        return None if url is None else self._below(url)

    def _found(self, reply: object) -> str | None:
        """The cursor or URL that a reply names; None for null, nothing, false and an empty text."""
        expression = self._pages.next or ""
        value = search(expression, reply, "pagination.next")
        if value is None or value is False or value == "":
            return None
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise UnexpectedReplyError(
                f"'pagination.next' ({expression}) finds something that is neither text nor a number"
            )
        return str(value)

    def _below(self, url: str) -> Page:
        """The page at a URL, which must be where the key may go."""
        try:
            parts = urlsplit(urljoin(self.origin + self.path, url))
            place = (parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme))
        except ValueError as error:
            raise UnexpectedReplyError(f"the next page's address {quoted(url, 100)} is not a web address") from error
        own = urlsplit(self.origin)
        if place != (own.scheme, own.hostname, own.port or _PORTS[own.scheme]) or "@" in parts.netloc:
            raise UnexpectedReplyError(
                f"the next page is at {quoted(url, 100)}, but the key is sent only to {self.origin}; "
                "if the rest of the address is right, declare pagination with style cursor or page"
            )
        path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        return quote(path, safe=_ASCII), self._body({})


def with_query(path: str, parameters: Mapping[str, str]) -> str:
    """The path with some query parameters set; those it has already are replaced."""
    head, _, query = path.partition("?")
    kept = [pair for pair in query.split("&") if pair and pair.partition("=")[0] not in parameters]
    made = [f"{name}={quote(value, safe='')}" for name, value in parameters.items()]
    return f"{head}?{'&'.join(kept + made)}"


def header_values(headers: Mapping[str, str], name: str) -> Sequence[str]:
    """All values of a header, which may occur several times."""
    getall = getattr(headers, "getall", None)
    if getall is not None:
        return list(getall(name, []))
    return [headers[name]] if name in headers else []


def next_link(values: Sequence[str]) -> str | None:
    """The target of the link with the relation `next` (RFC 8288, section 3.3); None if there is none."""
    for value in values:
        for found in _link(value):
            rel = _rel(found[2])
            if rel and "next" in (rel[1] or rel[2] or "").casefold().split():
                return found[1].strip()
    return None


def _number(value: object, expression: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise UnexpectedReplyError(f"{expression} must find a whole number in the reply, but finds none")
    return value
