"""The input formats. To add one, write one new file with a class like `Records`, and add one line to `FORMATS`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from batchupdate.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from batchupdate.reader.records import ReadOptions, Records

_HEADER = frozenset({"header_row"})
_TEXT = _HEADER | {"encoding", "delimiter"}
_SHEET = _HEADER | {"sheet"}
_FIXED = _HEADER | {"encoding", "widths"}
OPTIONS = _TEXT | _SHEET | _FIXED
"""The options of `ReadOptions` that mean something for some formats only."""


_SAS7BDAT = bytes(12) + bytes.fromhex("c2ea8160b31411cfbd92080009c7318c181f1011")


class _Opener(Protocol):
    def __call__(self, path: Path, options: ReadOptions, source: str) -> Records: ...


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file that can be read.

    Attributes:
        name: as `Table.format` gives it; also the suffix of such a file's usual name.
        what: what such a file is, in a sentence.
        implementation: the class that reads it, as `module:name` inside this package. It is imported when the first
            such file is opened, so that a run loads only what it needs.
        suffixes: how the names of such files end.
        options: the options that mean something for it.
        magic: the bytes that such files begin with. Without them the format is recognised in `files.kind`.
        streamed: whether an open table of it occupies no memory and no file handle between two passes.
        workbook: whether it is a spreadsheet program's own.
    """

    name: str
    what: str
    implementation: str
    suffixes: tuple[str, ...]
    options: frozenset[str] = frozenset()
    magic: bytes = b""
    streamed: bool = False
    workbook: bool = False

    def fitting(self, options: ReadOptions) -> ReadOptions:
        """The options without those that mean nothing for this format."""
        return replace(options, **dict.fromkeys(OPTIONS - self.options))  # type: ignore[arg-type] # they all may be None

    def open(self, path: Path, options: ReadOptions, source: str) -> Records:
        """Opens a file of this format.

        Args:
            path: a regular file.
            options: what the user said about it.
            source: what to call it in a sentence.

        Raises:
            InputError: it can't be read, or an option means nothing for it.
        """
        for name in sorted(OPTIONS - self.options):
            if getattr(options, name) is not None:
                option = option_name(name)
                raise InputError(f"{source} is {self.what}, for which {option} means nothing.", f"Leave {option} out.")
        module, _, name = self.implementation.partition(":")
        opener = cast("_Opener", getattr(import_module(f"{__package__}.{module}"), name))
        return opener(path, options, source)


FORMATS: dict[str, Format] = {
    each.name: each
    for each in (
        Format("csv", "a text file", "csv:CsvRecords", (".csv", ".tsv", ".tab", ".txt"), _TEXT, streamed=True),
        Format(
            "jsonl",
            "a JSON Lines file",
            "json_lines:JsonLinesRecords",
            (".jsonl", ".ndjson"),
            frozenset({"encoding"}),
            streamed=True,
        ),
        Format("xlsx", "an Excel workbook", "excel.xlsx:open_xlsx", (".xlsx", ".xlsm"), _SHEET, workbook=True),
        Format("xlsb", "an Excel workbook", "excel.xlsb:open_xlsb", (".xlsb",), _SHEET, workbook=True),
        Format("xls", "an Excel workbook", "excel.xls:open_xls", (".xls",), _SHEET, workbook=True),
        Format("ods", "an OpenDocument spreadsheet", "excel.ods:open_ods", (".ods",), _SHEET, workbook=True),
        Format("fwf", "a text file with columns of fixed width", "pandas_formats:open_fixed_width", (".fwf",), _FIXED),
        Format("parquet", "a Parquet file", "pandas_formats:open_parquet", (".parquet",), magic=b"PAR1"),
        Format("feather", "a Feather file", "pandas_formats:open_feather", (".feather", ".arrow"), magic=b"ARROW1"),
        Format("orc", "an ORC file", "pandas_formats:open_orc", (".orc",), magic=b"ORC"),
        Format("stata", "a Stata file", "pandas_formats:open_stata", (".dta",), magic=b"<stata_dta>"),
        Format("spss", "an SPSS file", "pandas_formats:open_spss", (".sav", ".zsav"), magic=b"$FL"),
        Format("sas7bdat", "a SAS file", "pandas_formats:open_sas7bdat", (".sas7bdat",), magic=_SAS7BDAT),
        Format("xpt", "a SAS file", "pandas_formats:open_xpt", (".xpt",), magic=b"HEADER RECORD*******"),
        Format("html", "a web page (HTML)", "pandas_formats:open_html", (".html", ".htm"), frozenset({"sheet"})),
        Format("xml", "an XML file", "pandas_formats:open_xml", (".xml",)),
    )
}

SUFFIXES = frozenset(suffix for each in FORMATS.values() for suffix in each.suffixes)
"""How the names of files end that can be read."""


def option_name(name: str) -> str:
    """An attribute of `ReadOptions` as it is typed on the command line."""
    return f"--{name.replace('_', '-')}"
