"""Parquet files through pyarrow, which is an extra; the only file that knows it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from batchupdate.errors import InputError
from batchupdate.reader.probe import survives_parquet
from batchupdate.reader.records import MAX_COLUMNS
from batchupdate.reader.value_to_text import text_of
from batchupdate.util.text import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from batchupdate.reader.records import CellProblem, ReadOptions

_MIDNIGHT = "T00:00:00"


class ParquetRecords:
    """One open file; see `Records`. Its first record, number 0, are the columns; so the first row is row 1."""

    def __init__(self, path: Path, options: ReadOptions, source: str) -> None:  # noqa: ARG002 - the same for every format
        try:
            import pyarrow as pa  # noqa: PLC0415 - an extra
            from pyarrow import parquet  # noqa: PLC0415 - as above
        except ImportError:
            raise InputError(
                f"{source} is a Parquet file, and the pyarrow library is not installed.",
                "Install it with: pip install 'batchupdate[parquet]'; or export the table as .csv.",
            ) from None
        self._source = source
        self._broken = (pa.ArrowException, OSError, ValueError)
        self.format = "parquet"
        self.encoding: str | None = None
        self.delimiter: str | None = None
        self.sheet: str | None = None
        self.columns_before = 0
        self.first_number = 0
        self.notices: tuple[str, ...] = ()
        if not survives_parquet(path, source):
            raise self._damaged()
        try:
            self._file: Any = parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20)
            self._columns = _flat(self._file.schema_arrow.empty_table()).schema
        except self._broken as error:
            raise self._damaged() from error
        self._refuse_columns()

    def chunks(self, size: int) -> Iterator[list[list[str]]]:
        """The columns, then one record for each row."""
        yield [list(self._columns.names)]
        try:
            for batch in self._file.iter_batches(batch_size=size, use_threads=False):
                flat = _flat(batch)
                yield [list(cells) for cells in zip(*map(_texts, flat.columns), strict=True)]
        except self._broken as error:
            raise self._damaged() from error

    def problems(self, first: int, last: int) -> Sequence[CellProblem]:  # noqa: ARG002 - the same for every format
        """None: every value has a text."""
        return ()

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()

    def _refuse_columns(self) -> None:
        if len(self._columns) > MAX_COLUMNS:
            raise InputError(
                f"{self._source} has {len(self._columns):,} columns; at most {MAX_COLUMNS:,} can be read.",
                "Export only those that are needed.",
            )
        from pyarrow import types  # noqa: PLC0415 - an extra

        odd = (types.is_binary, types.is_large_binary, types.is_fixed_size_binary, types.is_map, types.is_union)
        for field in self._columns:
            if any(is_odd(field.type) for is_odd in odd):
                raise InputError(
                    f"{self._source}: the column {quoted(field.name)} holds {field.type}, which has no text.",
                    "Export it without this column, or with text in it.",
                )

    def _damaged(self) -> InputError:
        return InputError(
            f"{self._source} is a damaged Parquet file: it is cut off, or was changed on the way.",
            "Export or download it again.",
        )


def _flat(table: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
    """A table whose nested columns stand side by side, with dotted names."""
    from pyarrow import Table, types  # noqa: PLC0415 - an extra

    flat = table if isinstance(table, Table) else Table.from_batches([table])
    while any(types.is_struct(field.type) for field in flat.schema):
        flat = flat.flatten()
    return flat


def _texts(column: Any) -> list[str]:  # noqa: ANN401 - pyarrow has no types
    """A column's values as text; null is a blank cell."""
    import pyarrow as pa  # noqa: PLC0415 - an extra
    from pyarrow import types  # noqa: PLC0415 - as above

    kind = column.type
    if types.is_dictionary(kind):
        return _texts(column.cast(kind.value_type))
    if types.is_string(kind) or types.is_large_string(kind):
        return [value or "" for value in column.to_pylist()]
    if types.is_timestamp(kind):
        if kind.tz is not None:
            column = column.cast(pa.timestamp(kind.unit, "UTC"))
        return [_timestamp(value) if value else "" for value in column.cast(pa.string()).to_pylist()]
    if types.is_float16(kind) or types.is_float32(kind):  # as shortest texts of their own precision
        return [text_of(float(value)) if value else "" for value in column.cast(pa.string()).to_pylist()]
    if types.is_duration(kind) or types.is_time64(kind):
        column = column.cast(pa.duration("us") if types.is_duration(kind) else pa.time64("us"), safe=False)
    return ["" if value is None else _text(value) for value in column.to_pylist()]


def _text(value: object) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=text_of)
    return text_of(value)


def _timestamp(text: str) -> str:
    """Arrow's text of a time (`2026-11-21 18:45:00.000`, with a Z if it is UTC) as ours, see `text_of`."""
    zone = "Z" if text.endswith("Z") else ""
    moment, _, fraction = text.removesuffix("Z").replace(" ", "T", 1).partition(".")
    fraction = fraction.rstrip("0")
    if not fraction and not zone:
        return moment.removesuffix(_MIDNIGHT)
    return f"{moment}{'.' if fraction else ''}{fraction}{zone}"
