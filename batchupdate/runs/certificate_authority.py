"""Makes the certificates of `runs.cluster_certs`; it loads cryptography, of the extra `cluster`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from batchupdate.errors import ConfigError
from batchupdate.runs.cluster_certs import CA, CERT, COORDINATOR, KEY, WORKER
from batchupdate.util.private_file import open_new

if TYPE_CHECKING:
    from pathlib import Path

_CA = "batchupdate CA"
_EARLIER = timedelta(hours=1)
"""The clocks of machines may differ by so much."""


def make_certificates(folder: Path, days: int) -> datetime:
    """Makes a CA, and with it certificates for a coordinator and for workers; returns until when they are valid.

    Each gets a folder of its own below `folder`. The CA's key is not kept: nothing needs it any more, and whoever found
    it could make further certificates.

    Raises:
        ConfigError: there is such a folder already, or it can't be made.
    """
    folder = folder.expanduser()
    if any((folder / role).exists() for role in (COORDINATOR, WORKER)):
        message = f"There are certificates in {folder} already, which machines may be using."
        raise ConfigError(message, "Name another folder, or remove those first.")
    now = datetime.now(UTC).replace(microsecond=0)
    until = now + timedelta(days=days)
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca = _certificate(_CA, ca_key.public_key(), ca_key, now, until)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for role in (COORDINATOR, WORKER):
            key = ec.generate_private_key(ec.SECP256R1())
            own = folder / role
            own.mkdir(mode=0o700)
            _write(own / CA, ca.public_bytes(Encoding.PEM))
            _write(
                own / CERT,
                _certificate(f"batchupdate {role}", key.public_key(), ca_key, now, until).public_bytes(Encoding.PEM),
            )
            _write(own / KEY, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    except OSError as error:
        message = f"The certificates can't be written to {folder}: {error.strerror or error}."
        raise ConfigError(message, "Name another folder.") from error
    return until


def _certificate(
    name: str, key: ec.EllipticCurvePublicKey, ca_key: ec.EllipticCurvePrivateKey, now: datetime, until: datetime
) -> x509.Certificate:
    """One that the CA signs; the one of its own name is the CA's."""
    is_ca = name == _CA
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _CA)]))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=0 if is_ca else None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=not is_ca, key_cert_sign=is_ca, crl_sign=is_ca, **usage), critical=True
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
    )
    if not is_ca:  # each side both connects and listens
        both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.ExtendedKeyUsage(both), critical=False)
        names = [x509.DNSName(name.replace(" ", "-"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(ca_key, hashes.SHA256())


def _write(path: Path, pem: bytes) -> None:
    with open_new(path, encoding="ascii") as file:
        file.write(pem.decode("ascii"))
