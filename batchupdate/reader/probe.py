"""Lets another process read a file first, where a library believes what a damaged file says.

Sizes and pointers of binary formats stand all over; a few changed bytes make a library ask for terabytes, go in
circles or crash, which would end or hang this process, and no `except` could catch that.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

from batchupdate.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

MAX_SECONDS = 120
MIN_SECONDS = 15
"""What the smallest file gets: most of it is for starting Python on a busy machine."""
BYTES_PER_SECOND = 100_000
"""A file gets a second more for so many bytes; the slowest of these formats is read twenty times as fast."""

_LIMITS = """
import sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]),) * 2)
except (ImportError, ValueError, OSError):
    pass
"""

_WORKBOOK = """
from python_calamine import CalamineError, CalamineWorkbook
try:
    with open(sys.argv[1], "rb") as file:
        book = CalamineWorkbook.from_filelike(file)
        for name in book.sheet_names:
            for row in book.get_sheet_by_name(name).iter_rows():
                pass
except (CalamineError, OSError):
    pass
"""

_ARROW = """
import pyarrow
try:
    if sys.argv[3] == "parquet":
        import pyarrow.parquet
        file = pyarrow.parquet.ParquetFile(sys.argv[1], pre_buffer=False, buffer_size=1 << 20)
        batches = file.iter_batches(batch_size=1000, use_threads=False)
    elif sys.argv[3] == "feather":
        file = pyarrow.ipc.open_file(pyarrow.OSFile(sys.argv[1]))
        batches = map(file.get_batch, range(file.num_record_batches))
    else:
        import pyarrow.orc
        file = pyarrow.orc.ORCFile(sys.argv[1])
        batches = map(file.read_stripe, range(file.nstripes))
    for batch in batches:
        batch.validate(full=True)
except (pyarrow.ArrowException, OSError, ValueError):
    pass
"""

_READSTAT = """
import pyreadstat
try:
    for _ in pyreadstat.read_file_in_chunks(getattr(pyreadstat, sys.argv[3]), sys.argv[1], chunksize=50000):
        pass
except Exception:
    pass
"""

_WORKBOOK_BYTES = 192 << 20
"""What Python and calamine need of address space, however small the workbook."""
_LIBRARY_BYTES = 2 << 30
"""The same for pyarrow and pyreadstat, which reserve far more than they use."""
_MAX_BYTES = 4 << 30
_BYTES_FOR_EACH = 20
"""Bytes of memory for each byte of a file, unpacked."""
_PACKED = 10
"""How much smaller than its content a file of these formats mostly is."""


def survives_workbook(path: Path, source: str, bytes_for_each: int = _BYTES_FOR_EACH) -> bool:
    """Whether calamine gets through a workbook without ending its process.

    Args:
        path: the workbook.
        source: what to call it in a sentence.
        bytes_for_each: so many bytes of memory it may take for each byte of the workbook, unpacked.

    Raises:
        InputError: it takes too long.
    """
    return _survives(_WORKBOOK, path, _WORKBOOK_BYTES, source, bytes_for_each=bytes_for_each)


def survives_arrow(name: str, path: Path, source: str) -> bool:
    """Whether pyarrow gets through a file of a format (`parquet`, `feather`, `orc`) without ending its process.

    Raises:
        InputError: it takes too long.
    """
    return _survives(_ARROW, path, _LIBRARY_BYTES, source, name)


def survives_readstat(function: str, path: Path, source: str) -> bool:
    """Whether a function of pyreadstat's gets through a file without ending its process.

    Raises:
        InputError: it takes too long.
    """
    return _survives(_READSTAT, path, _LIBRARY_BYTES, source, function)


def _unpacked_bytes(path: Path) -> int:
    """A workbook's parts were weighed before, and are as large as they say."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return sum(part.file_size for part in archive.infolist())
    return path.stat().st_size * _PACKED


def _survives(
    program: str, path: Path, needed: int, source: str, *more: str, bytes_for_each: int = _BYTES_FOR_EACH
) -> bool:
    size = _unpacked_bytes(path)
    room = min(needed + bytes_for_each * size, _MAX_BYTES)
    seconds = min(MIN_SECONDS + size // BYTES_PER_SECOND, MAX_SECONDS)
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and program; the path is an argument, not a command
            [sys.executable, "-P", "-c", _LIMITS + program, str(path.absolute()), str(room), *more],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(
            f"{source} can't be read within {seconds} seconds: it is damaged, or far too large.",
            "Open it in the program that it comes from, and save it as .xlsx or .csv.",
        ) from error
    return done.returncode == 0
