"""The inputs of a run: one file, or several, each in a place where it can be read more than once."""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Union

from batchupdate.errors import InputError
from batchupdate.reader.files.local_copy import STDIN, local_copy, source_name, unreadable
from batchupdate.reader.files.remote import is_database, public_name, url_of
from batchupdate.reader.files.temporary import CopyLimit, remove_orphans
from batchupdate.reader.opening import open_table
from batchupdate.reader.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pandas import DataFrame
    from typing_extensions import TypeIs

    from batchupdate.reader.records import ReadOptions


Given = Union[str, Path, "DataFrame"]
"""What can be an input: a file's path, a URL (a database's begins with `sql+`), '-' for standard input, or a pandas
DataFrame."""

_HASH_CHUNK = 1 << 20
_FRAME = "<DataFrame"


class Source(Protocol):
    """One input of a run."""

    @property
    def name(self) -> str:
        """What to call it in a sentence."""

    @property
    def place(self) -> str:
        """Where it stands, as the journal keeps it.

        An absolute path, '-', a URL without what could be a credential, or the size of a DataFrame.
        """

    def open(self, options: ReadOptions) -> Table:
        """Opens it as a table.

        Raises:
            InputError: it can't be read as one.
        """

    def digest(self) -> str:
        """What tells its content from any other: 64 hexadecimal digits."""


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file in a place where it can be read more than once: at `path`, which may be a temporary copy."""

    path: Path
    name: str
    place: str

    def open(self, options: ReadOptions) -> Table:
        """Opens it; see `open_table`."""
        return open_table(self.path, options, source=self.name)

    def digest(self) -> str:
        """The SHA-256 of its bytes.

        Raises:
            InputError: it can't be read.
        """
        try:
            return file_digest(self.path)
        except OSError as error:
            raise unreadable(error, self.path, self.name) from error


@dataclass(frozen=True, slots=True)
class FrameSource:
    """A pandas DataFrame that a program hands over; it must not change before its rows stand in the journal."""

    frame: DataFrame
    name: str

    @property
    def place(self) -> str:
        """Its size, for it stands nowhere."""
        rows, columns = self.frame.shape
        return f"{_FRAME} of {rows} rows and {columns} columns>"

    def open(self, options: ReadOptions) -> Table:
        """Opens it; see `frame_records`."""
        from batchupdate.reader.data_frame import frame_records, refuse_options  # noqa: PLC0415 - it loads pandas

        if not options.mixed:
            refuse_options(options, self.name)
        records, addresses = frame_records(self.frame, self.name)
        table = Table(records, self.name, replace(options, header_row=None), addresses)
        table.refuse_twins_of(frozenset(range(len(table.columns))))
        return table

    def digest(self) -> str:
        """See `digest_of`."""
        from batchupdate.reader.data_frame import digest_of  # noqa: PLC0415 - as above

        return digest_of(self.frame, self.name)


def is_frame(given: object) -> TypeIs[DataFrame]:
    """Whether something is a pandas DataFrame; without loading pandas, which whoever has one has loaded."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(given, pandas.DataFrame)


def can_be_read_again(place: str) -> bool:
    """Whether the place of an input, as the journal keeps it, tells where it can be read a second time."""
    return place != STDIN and not place.startswith(_FRAME)


def looks_of(table: object, sources: Sequence[Source]) -> dict[str, Any]:
    """How the sheet of a single workbook looks, as a run keeps it under `sheet`; nothing for any other input."""
    match table, sources:
        case Table(format="xlsx", sheet=str(sheet)), [FileSource(path=path)]:
            from batchupdate.reader.excel.looks import sheet_looks  # noqa: PLC0415 - only a workbook needs it

            found = sheet_looks(path, sheet, table.sheet_places, table.header_row)
            return {"sheet": found} if found else {}
    return {}


def file_digest(path: Path) -> str:
    """The SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_HASH_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def local_copies(
    given: Given | Sequence[Given], query: str | None = None, limit: CopyLimit | None = None
) -> Iterator[list[Source]]:
    """Gives the inputs of a run, one or several, in places where they can be read more than once; see `local_copy`.

    `query` is what to read from a database, and `limit` how much of a pipe or a URL is copied. Copies that a killed
    process has left behind are removed.

    Raises:
        InputError: one of them can't be read, or stands there twice; or standard input stands beside others.
    """
    chosen: list[Given] = [given] if isinstance(given, str | Path) or is_frame(given) else list(given)
    _refuse_same_file_twice(chosen)
    remove_orphans()
    with ExitStack() as stack:
        sources = [_source(one, stack, number, len(chosen), query, limit) for number, one in enumerate(chosen, 1)]
        if query is not None and all(isinstance(source, FileSource | FrameSource) for source in sources):
            raise InputError("--query means nothing without a database.", "Leave it out, or name a sql+…:// URL.")
        yield sources


def _source(
    one: Given, stack: ExitStack, number: int, count: int, query: str | None, limit: CopyLimit | None
) -> Source:
    if is_frame(one):
        return FrameSource(one, "the DataFrame" if count == 1 else f"DataFrame {number}")
    if is_database(one):
        from batchupdate.reader.database import QuerySource  # noqa: PLC0415 - it loads pandas

        return QuerySource(str(one), _database_name(str(one)), query)
    return FileSource(stack.enter_context(local_copy(one, limit=limit or CopyLimit())), source_name(one), _place(one))


def _database_name(url: str) -> str:
    """A database's URL for use in a sentence; a file's path stands behind three slashes or more."""
    _, _, rest = url.partition("://")
    return url.partition("?")[0] if rest.startswith("/") else public_name(url)


def _place(one: str | Path) -> str:
    url = url_of(one)
    if url is not None:
        return public_name(url)
    return STDIN if str(one) == STDIN else str(Path(one).absolute())


def _refuse_same_file_twice(chosen: Sequence[Given]) -> None:
    if not chosen:
        raise InputError("No file is named.", "Name one, or several.")
    if len(chosen) > 1 and any(not is_frame(one) and str(one) == STDIN for one in chosen):
        raise InputError(
            "Standard input (-) can't be one of several files.", "Save what comes there as a file, and name that."
        )
    seen: dict[object, str] = {}
    for one in chosen:
        name = "the DataFrame" if is_frame(one) else source_name(one)
        key = id(one) if is_frame(one) else _identity(one)
        if key in seen:
            problem = f"{name} is named twice" if seen[key] == name else f"{seen[key]} and {name} are the same file"
            raise InputError(f"{problem}.", "Name each file once.")
        seen[key] = name


def _identity(one: str | Path) -> object:
    """What two names of one file share."""
    url = url_of(one)
    if url is not None:
        return url
    try:
        found = os.stat(one)  # noqa: PTH116 - the name can be any text
    except (OSError, ValueError):  # a problem of its own when it is opened
        return os.path.abspath(one)  # noqa: PTH100 - as above
    return found.st_dev, found.st_ino
