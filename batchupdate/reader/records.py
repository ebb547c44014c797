"""What every input format gives: its records, as text. `Records` is the interface; `registry` lists its classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

from batchupdate.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterator, Sequence

    from batchupdate.config import Settings
    from batchupdate.config.row_spans import RowSpan
    from batchupdate.model import Level

MAX_COLUMNS = 16_384
"""Excel's limit; a "header" beyond it is no header."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What the user may say about a file; None leaves it to be found out.

    Attributes:
        sheet: name of a workbook's sheet.
        encoding: a text file's encoding, as Python names it.
        delimiter: what separates a text file's columns: one character, or its name.
        limit: read only so many data rows, from the first on; of `rows`, if some are named.
        header_row: number of the row with the headings.
        widths: how many characters each column of a text file has, whose columns have fixed widths.
        mixed: ignore what means nothing for a file's format, because it is said of several files.
        rows: read only these data rows.
    """

    sheet: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    limit: int | None = None
    header_row: int | None = None
    widths: tuple[int, ...] | None = None
    mixed: bool = False
    rows: Sequence[RowSpan] | None = None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """What a user's settings say."""
        said, limit = settings.input, settings.limit
        return cls(said.sheet, said.encoding, said.delimiter, limit, said.header_row, said.widths, rows=settings.rows)


class CellProblem(NamedTuple):
    """A cell whose text can't be taken as it is, and why; it becomes a `Problem` of its row.

    `row` is the number that the spreadsheet program shows, `place` the cell's index in its record, from 0. `message`
    continues a sentence that begins with the cell's address.
    """

    row: int
    place: int
    code: str
    cell: str
    message: str
    level: Level


class Records(Protocol):
    """One open file of one format. Its class is made with `(path, options, source)`: see `registry`.

    Attributes:
        format: the format's name in the registry, such as "csv" or "xlsx".
        encoding: Python's name of a text file's encoding.
        delimiter: the character between a text file's columns.
        sheet: name of the sheet that is read.
        notices: what was found out or guessed, as sentences for the user.
        columns_before: how many columns lie left of the first one in a record.
        first_number: number of the first record: 1, or 0 where the headings are no row of the file.
        typed: whether its cells have types of their own, so that some can be `TypedText`.
        hidden_columns: the places of those columns that a spreadsheet program does not show.
    """

    format: str
    encoding: str | None
    delimiter: str | None
    sheet: str | None
    notices: tuple[str, ...]
    columns_before: int
    first_number: int
    typed: bool
    hidden_columns: Collection[int]

    def chunks(self, size: int) -> Iterator[list[list[str]]]:
        """The records from the first on, blank ones too, at most `size` at a time; anew at every call."""

    def problems(self, first: int, last: int) -> Sequence[CellProblem]:
        """What is wrong with single cells of the rows `first` to `last`, in the order of rows."""

    def close(self) -> None:
        """Releases the file."""


def read_chunks(records: Records, source: str, size: int) -> Generator[list[list[str]], None, None]:
    """The chunks of an open file.

    Args:
        records: the open file.
        source: what to call it in a sentence.
        size: how many records a chunk has at most.

    Raises:
        InputError: the drive fails, or the file changes or disappears while it is read.
    """
    try:
        yield from records.chunks(size)
    except UnicodeError as error:
        raise InputError(f"{source} was changed while it was being read.", "Start again.") from error
    except OSError as error:
        raise InputError(
            f"{source} could not be read to its end: {error.strerror or error}.",
            "Check the drive that it is on, then start again.",
        ) from error


def is_blank(cells: list[str]) -> bool:
    """Whether a record holds nothing but white space."""
    return not any(map(str.strip, cells))
