"""The file that XlsxWriter writes a workbook to.

When the disk is full, XlsxWriter leaves its ZIP archive open, and Python tries to finish it later, fails once more, and
shows the user a traceback that nobody can catch. So a file that has failed once takes everything, and keeps nothing but
the position: the archive computes the size of its directory from that.
"""

from __future__ import annotations

import io
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from _typeshed import ReadableBuffer


class _File(io.BufferedWriter):
    failed = False
    _position = 0  # bytes, once it has failed

    def write(self, content: ReadableBuffer, /) -> int:
        if not self.failed:
            return super().write(content)
        size = memoryview(content).nbytes
        self._position += size
        return size

    def flush(self) -> None:
        if not self.failed:
            super().flush()

    def seek(self, offset: int, whence: int = 0, /) -> int:
        if not self.failed:
            return super().seek(offset, whence)
        self._position = offset if whence == io.SEEK_SET else self._position + offset
        return self._position

    def tell(self) -> int:
        return self._position if self.failed else super().tell()


@contextmanager
def workbook_file(path: Path) -> Iterator[io.BufferedWriter]:
    """A file for `xlsxwriter.Workbook`, whose mode stays as it is; it is written to the disk when the context ends.

    Raises:
        OSError: it can't be written; also where XlsxWriter gives the system's error another type.
    """
    from xlsxwriter.exceptions import XlsxWriterException  # noqa: PLC0415 - slow

    file = _File(io.FileIO(path, "w"))
    try:
        yield file
        file.flush()
    except BaseException as error:
        file.failed = True
        if isinstance(error, XlsxWriterException):  # of the disk: it is full, or gone
            cause = error.args[0] if error.args else None
            raise (cause if isinstance(cause, OSError) else OSError(str(error))) from error
        raise
    finally:
        with suppress(OSError):
            file.raw.close()
