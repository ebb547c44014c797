"""Compressed inputs (gzip, Zstandard, a ZIP archive with one table): unpacked to a temporary file, within bounds."""

from __future__ import annotations

import gzip
import sys
import zipfile
import zlib
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, BinaryIO, NoReturn, cast

from batchupdate.errors import InputError
from batchupdate.reader.files.kind import UNPACK, is_zipped_document
from batchupdate.reader.files.temporary import temporary_file
from batchupdate.reader.registry import SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

MAX_UNPACKED_BYTES = 4 << 30
MAX_RATIO = 250
"""Tables seldom shrink to less than a fiftieth; what unfolds further than this is made to fill a disk."""
RATIO_MATTERS_FROM = 64 << 20
"""Bytes; less than that does no harm, however small it was."""

_CHUNK_BYTES = 1 << 20
_ANY_RATIO_BYTES = 4096
"""The same for what bzip2 or LZMA has packed: zipfile unpacks so many packed bytes in one go, whatever they give."""
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_ZIP = b"PK\x03\x04"


@contextmanager
def unpacked(path: Path, source: str) -> Iterator[tuple[Path, str]]:
    """Gives the file inside a compressed one, and what to call it; any other file as it is.

    The temporary file is removed at the end.

    Raises:
        InputError: it is damaged, unfolds too far, or holds several tables or none.
        OSError: it can't be read, or does not fit on the disk.
    """
    with path.open("rb") as file:
        head = file.read(4)
    if head.startswith(_GZIP) or head == _ZSTD:
        name = path.stem
    elif head == _ZIP and zipfile.is_zipfile(path) and not is_zipped_document(path, source):
        name = _only_table(path, source)
        source = f"{source} ({shown_name(name)})"
    else:
        yield path, source
        return
    with temporary_file(name) as (inside, out):
        _unpack(path, source, name, out)
        out.flush()
        yield inside, source


def shown_name(name: str) -> str:
    """A name inside an archive, without what could confuse a terminal."""
    return "".join(character if character.isprintable() else "?" for character in name)


def _only_table(path: Path, source: str) -> str:
    """The name of the one table in an archive; a Mac's and hidden files don't count."""
    with zipfile.ZipFile(path) as archive:
        files = [name for name in archive.namelist() if name and not name.endswith("/")]
    files = [
        name for name in files if not name.startswith("__MACOSX/") and not PurePosixPath(name).name.startswith(".")
    ]
    tables = [name for name in files if PurePosixPath(name).suffix.lower() in SUFFIXES] or files
    if len(tables) != 1:
        listed = ", ".join(map(shown_name, tables[:5])) + (", …" if len(tables) > 5 else "")  # noqa: PLR2004 - a few will do
        what = f"{len(tables):,} files ({listed})" if tables else "no file"
        raise InputError(f"{source} is a ZIP archive with {what}; exactly one table can be read.", UNPACK)
    return tables[0]


def _unpack(path: Path, source: str, name: str, out: IO[bytes]) -> None:
    bound = min(max(path.stat().st_size * MAX_RATIO, RATIO_MATTERS_FROM), MAX_UNPACKED_BYTES)
    try:
        with path.open("rb") as packed, _inside(packed, name) as (inside, at_once):
            _copy(inside, out, bound, source, at_once)
    except (gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError) as error:
        _damaged(source, error)
    except RuntimeError as error:  # so zipfile says that there is a password
        raise InputError(f"{source} is protected with a password, so it can't be read.", UNPACK) from error
    except Exception as error:
        if type(error).__name__ == "ZstdError":  # its module is only there where it is needed
            _damaged(source, error)
        raise


@contextmanager
def _inside(packed: BinaryIO, name: str) -> Iterator[tuple[IO[bytes], int]]:
    """The file inside, and how many bytes of it to read in one go."""
    head = packed.read(4)
    packed.seek(0)
    with ExitStack() as opened:
        if head.startswith(_GZIP):
            yield cast("IO[bytes]", opened.enter_context(gzip.GzipFile(fileobj=packed))), _CHUNK_BYTES
        elif head == _ZSTD:
            yield cast("IO[bytes]", opened.enter_context(_zstd().ZstdFile(packed))), _CHUNK_BYTES
        else:
            archive = opened.enter_context(zipfile.ZipFile(packed))
            deflated = archive.getinfo(name).compress_type in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
            yield opened.enter_context(archive.open(name)), _CHUNK_BYTES if deflated else _ANY_RATIO_BYTES


def _zstd() -> ModuleType:
    """The module for Zstandard, which Python has itself from 3.14 on."""
    return import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")


def _damaged(source: str, cause: Exception) -> NoReturn:
    raise InputError(
        f"{source} is damaged and can't be unpacked: it is cut off, or was changed on the way.",
        "Download or pack it again, or give the file inside.",
    ) from cause


def _copy(inside: IO[bytes], out: IO[bytes], bound: int, source: str, at_once: int) -> None:
    size = 0
    while chunk := inside.read(at_once):
        size += len(chunk)
        if size > bound:
            raise InputError(
                f"{source} unfolds to more than {bound:,} bytes, which is more than a compressed table should.",
                "If it is right, unpack it and give the file inside: a plain file may have any size.",
            )
        out.write(chunk)
