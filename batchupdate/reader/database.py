"""The rows of a SQL query as an input: `sql+postgresql://…` with `--query`, through SQLAlchemy, which is an extra.

The query is run once, in a transaction that may only read, and its rows are kept in a temporary file as they come: so
that a run reads the same rows at every pass, and that memory does not grow with them. `pandas.read_sql` makes floats of
whole numbers in a column with blanks, so the values are SQLAlchemy's, and the frames pandas's.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from batchupdate.errors import InputError
from batchupdate.reader.data_frame import ROWS_AT_ONCE, FrameRecords, refuse_options
from batchupdate.reader.table import Table
from batchupdate.util.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from batchupdate.reader.records import CellProblem, ReadOptions

_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_TEXT = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|\[[^\]]*\]|\$(\w*)\$.*?\$\1\$", re.DOTALL)
_READ_ONLY = {
    "sqlite": "PRAGMA query_only = ON",
    "postgresql": "SET TRANSACTION READ ONLY",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
    "oracle": "SET TRANSACTION READ ONLY",
}


class QuerySource:
    """The rows of a query, kept as they were when it ran; see `Source`.

    Args:
        url: `sql+` and the database's URL, as SQLAlchemy takes it. Its password is shown nowhere.
        query: one SELECT.

    Raises:
        InputError: SQLAlchemy or the database's driver is missing, the database can't be reached, or the query is no
            SELECT or fails.
    """

    def __init__(self, url: str, name: str, query: str | None) -> None:
        self.name = name
        if query is None:
            raise InputError(f"{name} is a database, and what to read from it is not said.", _SAY_QUERY)
        _refuse_other_statements(query)
        self.place = f"{name}: {' '.join(query.split())}"
        self._headings: list[str] = []
        self._rows: Spool[Sequence[list[str]]] = Spool(1)
        self._problems: Spool[CellProblem] = Spool()
        self._digest = hashlib.sha256()
        self._read(url.removeprefix("sql+"), query)

    def open(self, options: ReadOptions) -> Table:
        """Opens the rows that were read."""
        if not options.mixed:
            refuse_options(options, self.name)
        options = replace(options, header_row=None)
        return Table(_KeptRecords(self._headings, self._rows, self._problems), self.name, options)

    def digest(self) -> str:
        """The SHA-256 of the headings and of the text of every cell."""
        return self._digest.hexdigest()

    def _read(self, url: str, query: str) -> None:
        try:
            import sqlalchemy as sa  # noqa: PLC0415 - an extra
        except ImportError:
            hint = "Install it with: pip install 'batchupdate[sql]'; or export the rows as .csv."
            raise InputError(f"{self.name} is a database, and the SQLAlchemy library is not installed.", hint) from None
        try:
            place = sa.make_url(url)
            _refuse_missing_file(place, self.name)
            engine = sa.create_engine(place, poolclass=sa.NullPool)
        except ImportError as error:
            driver = error.name or "for it"
            hint = f"Install it, for example with: pip install {driver}"
            raise InputError(f"{self.name} can't be read: the driver {driver} is not installed.", hint) from None
        except sa.exc.ArgumentError:
            hint = "For example: sql+postgresql://user@host/database or sql+sqlite:///file.db"
            raise InputError(f"{self.name} is no database that SQLAlchemy knows.", hint) from None
        try:
            with engine.connect() as connection:
                if statement := _READ_ONLY.get(engine.dialect.name):
                    connection.exec_driver_sql(statement)
                asked = connection.execution_options(stream_results=True, yield_per=ROWS_AT_ONCE, no_parameters=True)
                result = asked.exec_driver_sql(query)
                self._keep(list(result.keys()), result.partitions(ROWS_AT_ONCE))
                connection.rollback()
        except sa.exc.SQLAlchemyError as error:
            why = _without_secrets(" ".join(str(getattr(error, "orig", None) or type(error).__name__).split()), place)
            raise InputError(
                f"{self.name}: the query failed ({why[:300]}).", "Correct --query, and run it again."
            ) from None
        finally:
            engine.dispose()

    def _keep(self, headings: list[str], parts: Iterator[Sequence[Any]]) -> None:
        self._headings = headings
        self._digest.update(json.dumps(headings).encode())

        def frames(_: int) -> Iterator[pd.DataFrame]:
            for part in parts:
                yield pd.DataFrame([tuple(row) for row in part], columns=range(len(headings)), dtype=object)

        records = FrameRecords("sql", None, frames)
        first = 1
        for chunk in records.chunks(ROWS_AT_ONCE):
            self._digest.update(json.dumps(chunk).encode())
            self._rows.append(chunk)
            for problem in records.problems(first, first + len(chunk) - 1):
                self._problems.append(problem)
            first += len(chunk)


_SAY_QUERY = 'Say it with a query: --query "SELECT id, name FROM people". The column names are the headings.'


class _KeptRecords:
    """Rows that were read before; see `Records`. The headings are record 0, so that the first row is row 1."""

    format = "sql"
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    notices: tuple[str, ...] = ()
    columns_before = 0
    first_number = 0
    typed = True
    hidden_columns: Collection[int] = ()

    def __init__(self, headings: list[str], rows: Spool[Sequence[list[str]]], problems: Spool[CellProblem]) -> None:
        self._headings = headings
        self._rows = rows
        self._found = problems

    def chunks(self, size: int) -> Iterator[list[list[str]]]:
        """The headings, then the rows."""
        yield [list(self._headings)]
        for rows in self._rows:
            for start in range(0, len(rows), size):
                yield list(rows[start : start + size])

    def problems(self, first: int, last: int) -> Sequence[CellProblem]:
        """The values without a text."""
        return [one for one in self._found if first <= one.row <= last] if len(self._found) else ()

    def close(self) -> None:
        """The rows go with their source."""


def _refuse_other_statements(query: str) -> None:
    """Refuses what is not one query; that it writes nothing is seen to by the transaction."""
    plain = _COMMENT.sub(" ", _TEXT.sub("''", query)).strip().removesuffix(";")
    first = plain.split(maxsplit=1)[0].upper() if plain else ""
    if first not in {"SELECT", "WITH", "VALUES", "TABLE"} and not plain.startswith("("):
        raise InputError(f"--query begins with {first or 'nothing'!r}, and only a SELECT is run.", _SAY_QUERY)
    if ";" in plain:
        raise InputError("--query holds several statements, and only one is run.", "Keep the SELECT alone.")


def _without_secrets(text: str, place: Any) -> str:  # noqa: ANN401 - SQLAlchemy is an extra
    """What a driver says, without the password and the options of the URL, which some repeat."""
    values = [value for each in place.query.values() for value in ([each] if isinstance(each, str) else each)]
    for secret in filter(None, [str(place.password or ""), *values]):
        text = text.replace(secret, "***")
    return text


def _refuse_missing_file(place: Any, name: str) -> None:  # noqa: ANN401 - SQLAlchemy is an extra
    """SQLite would make a new, empty database."""
    if place.get_backend_name() == "sqlite" and not (place.database and Path(place.database).is_file()):
        raise InputError(f"There is no file {place.database or ''} with a database for {name}.", "Check the path.")
