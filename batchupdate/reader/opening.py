"""Opens one input file as a table: fetched, unpacked, recognised, and read by its format."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from batchupdate.errors import InputError
from batchupdate.reader.files.kind import find_format
from batchupdate.reader.files.local_copy import local_copy, source_name, unreadable
from batchupdate.reader.files.own import without_what_is_said_of_others
from batchupdate.reader.files.unpack import unpacked
from batchupdate.reader.records import ReadOptions
from batchupdate.reader.registry import FORMATS
from batchupdate.reader.table import Table

_DEFAULT = ReadOptions()


def open_table(path: Path | str, options: ReadOptions = _DEFAULT, *, source: str | None = None) -> Table:
    """Opens a file, finds out how it is written, and reads its header.

    Args:
        path: a file of any format of the `registry`, compressed or not, or its URL; what it is, is found out from its
            content. '-' is standard input.
        options: what the user said about it.
        source: what to call the file in a sentence; its path, unless said otherwise.

    Raises:
        InputError: it can't be read as a table; every reason comes with the way out.
    """
    name = source or source_name(path)
    with ExitStack() as opened:
        local = given = opened.enter_context(local_copy(path))
        try:
            local, name = opened.enter_context(unpacked(local, name))
            found = find_format(local, name)
            options = without_what_is_said_of_others(options, local, found)
            if options.widths and found.name == "csv":
                found = FORMATS["fwf"]
            options = found.fitting(options) if options.mixed else options
            records = found.open(local, options, name)
            opened.callback(records.close)
            table = Table(records, name, options)
        except OSError as error:
            raise unreadable(error, local, name) from error
        except UnicodeError as error:
            raise InputError(f"{name} was changed while it was being read.", "Start again.") from error
        table.owns(opened.pop_all(), light=found.streamed and local == Path(path) == given)
        return table
