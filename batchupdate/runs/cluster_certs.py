"""The certificates by which a coordinator and worker processes of other machines know each other."""

from __future__ import annotations

import re
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from batchupdate.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

COORDINATOR, WORKER = "coordinator", "worker"
CA, CERT, KEY = "ca.pem", "cert.pem", "key.pem"

_MAKE = "Make them with: batchupdate cluster-certs DIR"


def split_address(address: str) -> tuple[str, int]:
    """Host and port of a coordinator's address, `tls://HOST:PORT`.

    Raises:
        ConfigError: it is none.
    """
    hint = "Give it as tls://HOST:PORT, for example tls://10.0.0.5:8786."
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"{address!r} is not the address of a coordinator: {error}.", hint) from error
    if parts.scheme in {"tcp", "ws", "wss", "http", "https"} or (parts.scheme != "tls" and host):
        message = f"{address!r} does not begin with tls://. Over an open connection, anybody could run code here."
        raise ConfigError(message, "Only tls:// with certificates is accepted; see docs/scale-out.md.")
    if parts.scheme != "tls" or not host or not port or parts.path or parts.query or parts.username:
        raise ConfigError(f"{address!r} is not the address of a coordinator.", hint)
    return host, port


@dataclass(frozen=True, slots=True)
class Certificates:
    """The files of one side: the CA that it trusts, its own certificate and the key to it."""

    ca: Path
    cert: Path
    key: Path

    @classmethod
    def of(cls, folder: Path | None, role: str, option: str) -> Self:
        """Finds those of a role: in its own folder, or in the one that has the folders of both roles.

        Raises:
            ConfigError: they are not there, don't fit together, or are expired.
        """
        if folder is None:
            message = "Processes of other machines are spoken to with certificates only, and there are none."
            raise ConfigError(message, f"{_MAKE}; then give {option} DIR/{role}.")
        folder = folder.expanduser()
        if (folder / role).is_dir():
            folder /= role
        found = cls(folder / CA, folder / CERT, folder / KEY)
        if missing := [path.name for path in (found.ca, found.cert, found.key) if not path.is_file()]:
            raise ConfigError(f"The folder {folder} has no {' and no '.join(missing)}.", f"{_MAKE}.")
        found._check()
        return found

    def _check(self) -> None:
        from cryptography import x509  # noqa: PLC0415 - of the extra, and slow

        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_verify_locations(self.ca)
            context.load_cert_chain(self.cert, self.key)
            until = x509.load_pem_x509_certificate(self.cert.read_bytes()).not_valid_after_utc
        except (OSError, ValueError) as error:  # an SSLError is an OSError
            message = f"The certificates in {self.cert.parent} can't be used: {error}."
            raise ConfigError(re.sub(r"\.+$", ".", message), f"{_MAKE}.") from error
        if until < datetime.now(UTC):
            message = f"The certificate {self.cert} was valid until {until:%Y-%m-%d}."
            raise ConfigError(message, "Make new ones for all machines, in a new folder: batchupdate cluster-certs DIR")


def join_command(address: str, certs: str = "DIR") -> str:
    """What is typed on another machine, so that a worker process comes to a coordinator."""
    for anywhere in ("0.0.0.0", "[::]"):  # noqa: S104 - listens at all addresses, and is none to connect to
        address = address.replace(f"//{anywhere}:", f"//{socket.gethostname()}:")
    return f"batchupdate worker {address} --certs {certs}"
