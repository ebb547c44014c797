"""The reader: a file becomes rows, as typed.

`registry` lists the formats; each has one file, and gives what `records` describes. `table` makes rows of any of them,
`multi_file` makes one table of several files, `files` gets at their bytes. Memory does not grow with a text file; a
workbook's sheet is loaded whole, and bounded.
"""

from batchupdate.reader.files.local_copy import STDIN, local_copy, source_name
from batchupdate.reader.opening import open_table
from batchupdate.reader.records import ReadOptions
from batchupdate.reader.table import Batch, Table

__all__ = ["STDIN", "Batch", "ReadOptions", "Table", "local_copy", "open_table", "source_name"]
