"""The table formats that come as pandas DataFrames, piece by piece: Parquet, Feather, ORC, Stata, SPSS, SAS and others.

pandas does the tables, and what reads the bytes is the library that it uses for a format itself: pyarrow, pyreadstat
or lxml, each of which is an extra. Where `pandas.read_…` would change a value without a word, its library is asked
directly: pandas makes `1.0` of a whole number in a column with blanks, and a blank of a text `NA` in XML.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from batchupdate.errors import InputError
from batchupdate.reader.data_frame import FrameRecords
from batchupdate.reader.encoding import encoding_notice, find_encoding
from batchupdate.reader.probe import survives_arrow, survives_readstat
from batchupdate.reader.records import MAX_COLUMNS
from batchupdate.targets.field_path import escaped
from batchupdate.util.text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from batchupdate.reader.records import ReadOptions

    Frames = Callable[[int], Iterator[pd.DataFrame]]

_MOST_DIGITS = 1e15
"""Below it every whole number has a floating-point number of its own, and 15 digits at most."""
_ROWS_OF_READSTAT = 50_000
"""pyreadstat passes over all rows before a chunk again, so few large chunks are much quicker than many small ones."""
_MOST_HTML_BYTES = 64 << 20
_NO_WIDTHS = "Say how many characters each column has: --widths 8,20,5."


class _Opened(NamedTuple):
    """A file whose columns are known: their headings, and what gives its rows."""

    headings: Sequence[str]
    frames: Frames
    close: Callable[[], object] = lambda: None
    notices: tuple[str, ...] = ()
    sheet: str | None = None


def _records(name: str, opened: _Opened, source: str, broken: tuple[type[Exception], ...]) -> FrameRecords:
    """What was opened, as records; an error of the library becomes a sentence."""
    if len(opened.headings) > MAX_COLUMNS:
        raise InputError(
            f"{source} has {len(opened.headings):,} columns; at most {MAX_COLUMNS:,} can be read.",
            "Export only those that are needed.",
        )

    def frames(size: int) -> Iterator[pd.DataFrame]:
        try:
            yield from opened.frames(size)
        except broken as error:
            raise _damaged(source, name) from error

    return FrameRecords(name, opened.headings, frames, notices=opened.notices, close=opened.close, sheet=opened.sheet)


def _damaged(source: str, name: str) -> InputError:
    return InputError(
        f"{source} is a damaged {_NAMES[name]} file: it is cut off, or was changed on the way.",
        "Export or download it again.",
    )


def _missing(source: str, name: str, library: str, extra: str) -> InputError:
    return InputError(
        f"{source} is {_article(_NAMES[name])} file, and the {library} library is not installed.",
        f"Install it with: pip install 'batchupdate[{extra}]'; or export the table as .csv.",
    )


def _article(name: str) -> str:
    return f"{'an' if name[0] in 'AEFHIOSX' and name.isupper() else 'a'} {name}"


_NAMES = {
    "parquet": "Parquet",
    "feather": "Feather",
    "orc": "ORC",
    "stata": "Stata",
    "spss": "SPSS",
    "sas7bdat": "SAS",
    "xpt": "SAS",
    "fwf": "fixed-width",
    "html": "HTML",
    "xml": "XML",
}


# pyarrow: Parquet, Feather, ORC.


def open_arrow(name: str, path: Path, options: ReadOptions, source: str) -> FrameRecords:  # noqa: ARG001 - they have none
    """Opens a file of a format that pyarrow reads; nested columns stand side by side, with dotted names.

    Raises:
        InputError: pyarrow is missing, the file is damaged, or a column has values without a text.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
    except ImportError:
        raise _missing(source, name, "pyarrow", "parquet") from None
    broken = (pa.ArrowException, OSError, ValueError)
    if not survives_arrow(name, path, source):
        raise _damaged(source, name)
    try:
        opened = _arrow(name, path)
    except broken as error:
        raise _damaged(source, name) from error
    _refuse_types(opened.schema, source)
    return _records(name, _Opened(opened.schema.names, opened.frames, opened.close), source, broken)


class _Arrow(NamedTuple):
    """An open file of pyarrow's: its columns without nesting, and its rows."""

    schema: Any
    frames: Frames
    close: Callable[[], object]


def _arrow(name: str, path: Path) -> _Arrow:
    import pyarrow as pa  # noqa: PLC0415 - an extra

    if name == "parquet":
        from pyarrow import parquet  # noqa: PLC0415 - as above

        file: Any = parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20)
        schema, close = file.schema_arrow, file.close

        def batches(size: int) -> Iterator[Any]:
            yield from file.iter_batches(batch_size=size, use_threads=False)

    elif name == "feather":
        opened = pa.OSFile(str(path))
        file, close = pa.ipc.open_file(opened), opened.close
        schema = file.schema

        def batches(size: int) -> Iterator[Any]:  # noqa: ARG001 - a batch is as large as it was written
            yield from map(file.get_batch, range(file.num_record_batches))

    else:
        from pyarrow import orc  # noqa: PLC0415 - as above

        file = orc.ORCFile(path)
        schema, close = file.schema, lambda: None

        def batches(size: int) -> Iterator[Any]:  # noqa: ARG001 - a stripe is as large as it was written
            yield from map(file.read_stripe, range(file.nstripes))

    return _Arrow(_flat(schema.empty_table()).schema, lambda size: map(_frame_of_arrow, batches(size)), close)


def _refuse_types(schema: Any, source: str) -> None:  # noqa: ANN401 - pyarrow has no types
    from pyarrow import types  # noqa: PLC0415 - an extra

    odd = (types.is_binary, types.is_large_binary, types.is_fixed_size_binary, types.is_map, types.is_union)
    for field in schema:
        if any(is_odd(field.type) for is_odd in odd):
            raise InputError(
                f"{source}: the column {quoted(field.name)} holds {field.type}, which has no text.",
                "Export it without this column, or with text in it.",
            )


def _flat(table: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
    """A table whose nested columns stand side by side, with dotted names."""
    from pyarrow import Table, types  # noqa: PLC0415 - an extra

    flat = table if isinstance(table, Table) else Table.from_batches([table])
    while any(types.is_struct(field.type) for field in flat.schema):
        flat = flat.flatten()
    return flat


def _frame_of_arrow(batch: Any) -> pd.DataFrame:  # noqa: ANN401 - pyarrow has no types
    """A batch as a DataFrame that has every value as it is: whole numbers beside blanks stay whole.

    What is stored with a time zone is a moment in UTC, and comes so.
    """
    import pyarrow as pa  # noqa: PLC0415 - an extra
    from pyarrow import types  # noqa: PLC0415 - as above

    def cast(column: Any) -> Any:  # noqa: ANN401 - as above
        kind = column.type
        if types.is_dictionary(kind):
            return cast(column.cast(kind.value_type))
        if types.is_timestamp(kind) and kind.tz is not None:
            return column.cast(pa.timestamp(kind.unit, "UTC"))
        if types.is_duration(kind) or types.is_time64(kind):
            return column.cast(pa.duration("us") if types.is_duration(kind) else pa.time64("us"), safe=False)
        return column

    def mapped(kind: Any) -> Any:  # noqa: ANN401 - as above
        if types.is_timestamp(kind):
            return None
        return pd.StringDtype() if types.is_string(kind) or types.is_large_string(kind) else pd.ArrowDtype(kind)

    flat = _flat(batch)
    columns = pa.table([cast(column) for column in flat.columns], names=flat.schema.names)
    frame: pd.DataFrame = columns.to_pandas(types_mapper=mapped, ignore_metadata=True)
    return frame


# pyreadstat: Stata, SPSS, SAS.

_READSTAT = {"stata": "read_dta", "spss": "read_sav", "sas7bdat": "read_sas7bdat", "xpt": "read_xport"}
_ONLY_DOUBLES = frozenset({"spss", "sas7bdat", "xpt"})
"""These formats know no whole numbers, so that a whole one with up to 15 digits is taken for what it looks like."""


def open_readstat(name: str, path: Path, options: ReadOptions, source: str) -> FrameRecords:  # noqa: ARG001 - they have none
    """Opens a file of a format that pyreadstat reads. A value with a label comes as its label, which is what is shown.

    Raises:
        InputError: pyreadstat is missing, or the file is damaged.
    """
    try:
        import pyreadstat  # noqa: PLC0415 - an extra
    except ImportError:
        raise _missing(source, name, "pyreadstat", "formats") from None
    broken = (pyreadstat.ReadstatError, pyreadstat.PyreadstatError, OSError, ValueError, OverflowError)
    if not survives_readstat(_READSTAT[name], path, source):
        raise _damaged(source, name)
    try:
        opened = _readstat(name, path)
    except broken as error:
        raise _damaged(source, name) from error
    return _records(name, opened, source, broken)


def _readstat(name: str, path: Path) -> _Opened:
    import pyreadstat  # noqa: PLC0415 - an extra

    labelled: dict[str, Any] = {"apply_value_formats": True} if name in {"stata", "spss"} else {}
    read = partial(getattr(pyreadstat, _READSTAT[name]), str(path), **labelled)
    _, about = read(metadataonly=True)

    def frames(size: int) -> Iterator[pd.DataFrame]:
        at_once = max(size, _ROWS_OF_READSTAT)
        for start in range(0, about.number_rows or 1 << 62, at_once):
            frame, _ = read(row_offset=start, row_limit=at_once)
            if len(frame):
                yield frame.apply(_with_whole_numbers) if name in _ONLY_DOUBLES else frame
            if len(frame) < at_once:
                return

    return _Opened(about.column_names, frames)


def _with_whole_numbers(values: pd.Series[Any]) -> pd.Series[Any]:
    if values.dtype.kind != "f":
        return values
    whole = [int(one) if one.is_integer() and abs(one) < _MOST_DIGITS else one for one in values.tolist()]
    return pd.Series(whole, dtype=object)


# pandas: fixed width.


def open_fixed_width(path: Path, options: ReadOptions, source: str) -> FrameRecords:
    """Opens a text file whose columns have fixed widths; its header is row 1, as in a CSV.

    Raises:
        InputError: the widths are not said, or the file's encoding can't be found out.
    """
    if options.widths is None:
        raise InputError(f"{source} has columns of fixed width, and how wide they are is not known.", _NO_WIDTHS)
    encoding = find_encoding(path, options.encoding, source)
    ends = [sum(options.widths[: place + 1]) for place in range(len(options.widths))]
    spans: Any = [*zip([0, *ends], ends, strict=False), (ends[-1], None)]  # what is longer must not be lost

    def frames(size: int) -> Iterator[pd.DataFrame]:
        with pd.read_fwf(
            path,
            colspecs=spans,
            header=None,
            dtype=str,
            keep_default_na=False,
            skip_blank_lines=False,
            encoding=encoding.name,
            chunksize=size,
        ) as pieces:
            yield from pieces

    notices = (encoding_notice(path, encoding, "\x1f", 0),) if encoding.guessed else ()  # a line counts as a cell
    return FrameRecords("fwf", None, frames, encoding=encoding.name, notices=notices)


# pandas and lxml: HTML.


def open_html(path: Path, options: ReadOptions, source: str) -> FrameRecords:
    """Opens a table of a web page: the only one, or that of the number given as the sheet. Hidden cells are blank.

    Raises:
        InputError: lxml is missing, there is no table, or it is not said which.
    """
    try:
        from lxml import etree  # noqa: PLC0415 - an extra
    except ImportError:
        raise _missing(source, "html", "lxml", "formats") from None
    if path.stat().st_size > _MOST_HTML_BYTES:
        raise InputError(f"{source} is larger than 64 MiB, and is read as a whole.", "Export the table as .csv.")
    broken = (etree.LxmlError, ValueError, OSError, pd.errors.ParserError)
    try:
        tables = _html_tables(path, displayed_only=True)
        whole = _html_tables(path, displayed_only=False)
    except broken as error:
        raise InputError(f"{source} holds no table that can be read.", "Export the table as .csv.") from error
    if len(tables) != len(whole) or not all(map(pd.DataFrame.equals, tables, whole)):
        raise InputError(f"{source} holds a table with hidden cells or rows.", "Export the table as .csv.")
    number = _chosen(tables, options.sheet, source)
    frame = tables[number - 1]
    if frame.columns.nlevels > 1:
        raise InputError(f"{source}: the table has several rows of headings.", "Export it as .csv, with one.")
    opened = _Opened([str(name) for name in frame.columns], lambda _: iter([frame]), sheet=options.sheet)
    return _records("html", opened, source, broken)


def _html_tables(path: Path, *, displayed_only: bool) -> list[pd.DataFrame]:
    """The tables of a page as texts; the first row has the headings where none is marked as such."""
    exact: Any = {"flavor": "lxml", "keep_default_na": False, "na_values": [], "thousands": None}

    def read(header: int | None, converters: Any) -> list[pd.DataFrame]:  # noqa: ANN401 - pandas-stubs has no names
        return pd.read_html(path, header=header, converters=converters, displayed_only=displayed_only, **exact)

    # pandas makes numbers of all columns but those that are named, so the names are looked up first.
    marked, first = read(None, {}), read(0, {})
    as_text = {name: str for frame in (*marked, *first) for name in frame.columns if isinstance(name, str)}
    return [
        other if all(isinstance(name, int) for name in one.columns) else one
        for one, other in zip(read(None, as_text), read(0, as_text), strict=True)
    ]


def _chosen(tables: list[pd.DataFrame], sheet: str | None, source: str) -> int:
    """The number of the table that is meant, from 1."""
    if sheet is None and len(tables) == 1:
        return 1
    if sheet is not None and sheet.isdecimal() and 0 < int(sheet) <= len(tables):
        return int(sheet)
    shown = "; ".join(
        f"{number}: {', '.join(map(str, frame.columns[:4]))}" for number, frame in enumerate(tables[:9], 1)
    )
    raise InputError(
        f"{source} holds {len(tables):,} tables, with these headings: {quoted(shown, 400)}.",
        "Say the number of the one that is meant: --sheet 2.",
    )


# XML, row by row.


def open_xml(path: Path, options: ReadOptions, source: str) -> FrameRecords:  # noqa: ARG001 - it has none
    """Opens an XML file whose root has one element for each row: its attributes and elements are columns.

    What stands deeper has a dotted name, as in JSON Lines. `pandas.read_xml` makes blanks of texts such as `NA` and
    leaves out what is nested, both without a word, so only the frames are made by pandas.

    Raises:
        InputError: the file is damaged, or its root has elements of several kinds.
    """
    headings: dict[str, None] = {}
    broken = (ET.ParseError, RecursionError, OSError, ValueError)
    try:
        for row in _xml_rows(path, source):
            headings.update(dict.fromkeys(row))
            if len(headings) > MAX_COLUMNS:
                break
    except broken as error:
        raise _damaged(source, "xml") from error

    def frames(size: int) -> Iterator[pd.DataFrame]:
        rows = _xml_rows(path, source)
        while part := list(islice(rows, size)):
            yield pd.DataFrame(part, columns=[*headings], dtype=object)

    return _records("xml", _Opened([*headings], frames), source, broken)


def _xml_rows(path: Path, source: str) -> Iterator[dict[str, str]]:
    depth, number, kind = 0, 0, ""
    root: ET.Element | None = None
    # Expat reads no other file that a document names, and bounds what entities grow to.
    for event, element in ET.iterparse(path, events=("start", "end")):  # noqa: S314 - as said above
        depth += 1 if event == "start" else -1
        root = element if root is None else root
        if event == "start" or depth != 1:
            continue
        number += 1
        kind = kind or element.tag
        if element.tag != kind:
            kinds = f"{quoted(_tag(kind))} and {quoted(_tag(element.tag))}"
            raise InputError(
                f"{source}: its root has elements of several kinds, {kinds}.",
                "Each element below the root has to be a row of the table: export it so, or as .csv.",
            )
        row: dict[str, str] = {}
        _add_xml(element, "", row, f"{source}: row {number:,}")
        yield row
        root.clear()


def _add_xml(element: ET.Element, name: str, row: dict[str, str], where: str) -> None:
    """Puts an element's attributes, its text and the elements within under their names."""
    found = {_tag(key): text for key, text in element.items() if not key.startswith(_XSI)}
    texts = [(f"{name}.{key}" if name else key, text) for key, text in found.items()]
    if not len(element) and (name or not texts):
        texts.append((name or _tag(element.tag), element.text or ""))
    for key, text in texts:
        if key in row:
            raise InputError(
                f"{where}: {quoted(key)} stands in it twice, and a cell has one value.", "Export it as .csv."
            )
        row[key] = text
    for inner in element:
        tag = _tag(inner.tag)
        _add_xml(inner, f"{name}.{tag}" if name else tag, row, where)


_XSI = "{http://www.w3.org/2001/XMLSchema-instance}"


def _tag(name: str) -> str:
    """A name without its namespace; a dot in it is escaped, for a bare one goes deeper."""
    return escaped(name.rpartition("}")[2])


open_parquet, open_feather, open_orc = (partial(open_arrow, name) for name in ("parquet", "feather", "orc"))
open_stata, open_spss, open_sas7bdat, open_xpt = (partial(open_readstat, name) for name in _READSTAT)
