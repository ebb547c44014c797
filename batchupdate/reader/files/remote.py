"""Inputs that lie elsewhere (https://, s3://, gs://, …): fetched through fsspec, which is an extra; only ever read."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, cast
from urllib.parse import urlsplit

from batchupdate.errors import InputError
from batchupdate.util.loopback import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# One letter before the colon is a drive. A `Path` makes one slash of two.
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/{1,2}(?!/)(.+)", re.DOTALL)


def url_of(path: Path | str) -> str | None:
    """The URL that a path is, None if it is none."""
    found = _URL.fullmatch(str(path))
    return f"{found[1].lower()}://{found[2]}" if found else None


def is_database(path: Path | str) -> bool:
    """Whether a path is the URL of a database: `sql+postgresql://…`."""
    return str(path).startswith("sql+")


def public_name(url: str) -> str:
    """A URL for use in a sentence: without user, password, query and fragment, each of which can be a credential."""
    scheme, _, rest = url.partition("://")
    place = re.split(r"[?#]", rest, maxsplit=1)[0]
    host, slash, path = place.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


@contextmanager
def fetched(url: str) -> Iterator[IO[bytes]]:
    """Opens what a URL names.

    Raises:
        InputError: fsspec or its part for this kind of place is missing, or it can't be read. No message shows more
            of the URL than `public_name`, and none what a library said, for that could hold a credential.
    """
    name = public_name(url)
    _refuse_plain_http(url, name)
    try:
        import fsspec  # noqa: PLC0415 - an extra
    except ImportError:
        hint = "Install it with: pip install 'batchupdate[remote]'; or download the file, and give that."
        raise InputError(f"{name} lies elsewhere, and the fsspec library is not installed.", hint) from None
    try:
        opened = fsspec.open(url, "rb").open()
    except ImportError:
        scheme = url.partition(":")[0]
        hint = "Install the library that fsspec names for it (s3fs, gcsfs, adlfs, …), or download the file."
        raise InputError(f"{name} can't be read: fsspec needs another library for {scheme}://.", hint) from None
    except Exception as error:  # noqa: BLE001 - each kind of place has errors of its own
        raise _unreadable(name, error) from None
    with opened:
        yield cast("IO[bytes]", _Fetched(opened, name))


def _refuse_plain_http(url: str, name: str) -> None:
    if url.startswith("http://") and urlsplit(url).hostname not in LOOPBACK:
        raise InputError(
            f"{name} would be read without encryption, so that anyone on the way could change it.", "Use https://."
        )


class _Fetched:
    """What a URL names, while it is read."""

    def __init__(self, opened: IO[bytes], name: str) -> None:
        self._opened, self._name = opened, name

    def read(self, size: int) -> bytes:
        try:
            return self._opened.read(size)
        except Exception as error:  # noqa: BLE001 - as above
            raise _unreadable(self._name, error) from None


def _unreadable(name: str, error: Exception) -> InputError:
    if isinstance(error, FileNotFoundError):
        return InputError(f"There is no file {name}, or its place can't be reached.", "Check the URL.")
    if isinstance(error, PermissionError):
        return InputError(f"{name} can't be read: permission denied.", "Check the credentials in the environment.")
    if isinstance(error, ValueError):
        return InputError(f"{name} can't be read: its kind of URL is not known.", "Download the file, and give that.")
    return InputError(f"{name} can't be read ({type(error).__name__}).", "Check the URL, or download the file.")
