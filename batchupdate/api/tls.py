"""What vouches for a server, and for us: the system's trust store, and the files that the settings add."""

from __future__ import annotations

import ssl
import sys
from typing import TYPE_CHECKING

from batchupdate.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from batchupdate.config import Settings

REFUSALS = {
    "certificate required": "it wants a client certificate; name yours with 'client_cert'",
    "bad certificate": "it does not accept this client certificate",
    "unsupported certificate": "it does not accept client certificates of this kind",
    "certificate revoked": "the client certificate was revoked",
    "certificate expired": "the client certificate has expired",
    "certificate unknown": "it does not accept this client certificate",
    "unknown ca": "it does not know who issued the client certificate",
    "access denied": "this client certificate has no access",
    "handshake failure": "it may want a client certificate, which 'client_cert' names",
}
"""The alerts by which a server refuses a handshake for good (RFC 8446, section 6.2), and what each says to a user."""


def tls_context(settings: Settings) -> ssl.SSLContext:
    """Trusts what the system trusts, as browsers do, and the certificates in `ca_file`; shows `client_cert`.

    Raises:
        ConfigError: a file can't be read, or does not hold what it should.
    """
    context = _system_context()
    if settings.ca_file is not None:
        _check(settings.ca_file, "ca_file")
        try:
            context.load_verify_locations(cafile=settings.ca_file)
        except ssl.SSLError as error:
            raise ConfigError(f"'ca_file' ({settings.ca_file}) holds no certificates in PEM format.") from error
    if settings.client_key is not None and settings.client_cert is None:
        raise ConfigError("'client_key' is set without 'client_cert', the certificate that it belongs to.")
    if settings.client_cert is not None:
        _load_own(context, settings.client_cert, settings.client_key)
    return context


def _system_context() -> ssl.SSLContext:
    """On Linux OpenSSL reads the system's store itself: there truststore would read it anew for every connection."""
    if sys.platform in {"darwin", "win32"}:
        import truststore  # noqa: PLC0415 - for these two systems alone

        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return ssl.create_default_context()


def _load_own(context: ssl.SSLContext, cert: Path, key: Path | None) -> None:
    _check(cert, "client_cert")
    if key is not None:
        _check(key, "client_key")
    try:
        context.load_cert_chain(cert, key, password=_refuse_password)
    except _EncryptedError as error:
        hint = "Write it without one, readable to you alone: openssl pkey -in KEY -out PLAIN-KEY"
        raise ConfigError(f"The key of the client certificate ({key or cert}) has a password.", hint) from error
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigError(f"'client_key' ({key or cert}) is not the key of 'client_cert' ({cert}).") from error
        message = f"'client_cert' ({cert}) must hold a certificate in PEM format, and "
        message += f"'client_key' ({key}) its key." if key else "its key, unless 'client_key' names a file with that."
        raise ConfigError(message) from error


class _EncryptedError(Exception):
    """A private key has a password, and OpenSSL would ask for it at the terminal."""


def _refuse_password() -> str:
    raise _EncryptedError


def _check(path: Path, setting: str) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise ConfigError(f"'{setting}' ({path}) can't be read: {error.strerror or error}.") from error


def refusal_of(error: BaseException | None) -> str:
    """Why a server refused the handshake for good; empty where that is not what happened.

    A server that speaks TLS 1.3 says so only after the client has taken the handshake for finished.
    """
    while error is not None:
        reason = getattr(error, "reason", None) if isinstance(error, ssl.SSLError) else None  # aiohttp's own have none
        if reason and "_ALERT_" in reason:
            return REFUSALS.get(reason.partition("_ALERT_")[2].replace("_", " ").lower(), "")
        error = error.__cause__ or error.__context__
    return ""
