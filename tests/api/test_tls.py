from __future__ import annotations

import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from pydantic import SecretStr

from batchupdate.api.client import Client
from batchupdate.config import Secrets, Settings
from batchupdate.errors import ConfigError
from batchupdate.model import Fault, FaultKind, Reply
from batchupdate.util.clock import SystemClock
from tests.raw_server import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
KEY = "sk-tls-0123456789"
BOTH = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture(scope="module")
def company() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def files(company: trustme.CA, tmp_path: Path) -> Path:
    """A company's authority, and a client certificate that it issued."""
    mine = company.issue_cert("ann@example.com")
    company.cert_pem.write_to_path(tmp_path / "ca.pem")
    mine.private_key_and_cert_chain_pem.write_to_path(tmp_path / "client.pem")
    mine.private_key_pem.write_to_path(tmp_path / "client.key")
    mine.cert_chain_pems[0].write_to_path(tmp_path / "client.crt")
    return tmp_path


def server_side(company: trustme.CA, version: ssl.TLSVersion, *, wants_client: trustme.CA | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = version
    company.issue_cert("127.0.0.1").configure_cert(context)
    if wants_client is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        wants_client.configure_trust(context)
    return context


async def send(port: int, method: str = "PATCH", **settings: object) -> Reply | Fault:
    url = f"https://127.0.0.1:{port}"
    own, secrets = Settings.model_validate(settings), Secrets([SecretStr(KEY)])
    headers = {"Authorization": f"Bearer {KEY}"}
    async with Client(url, method, headers, own, concurrency=2, clock=SystemClock(), secrets=secrets) as client:
        return await client.send("/things/1", b"{}")


@pytest.mark.parametrize("version", BOTH)
async def test_a_companys_own_authority_is_trusted_where_ca_file_names_it(
    company: trustme.CA, files: Path, version: ssl.TLSVersion
) -> None:
    async with serving(OK, tls=server_side(company, version, wants_client=None)) as server:
        untrusted = await send(server.port)
        trusted = await send(server.port, ca_file=files / "ca.pem")
    assert isinstance(untrusted, Fault)
    assert untrusted.kind is FaultKind.CERTIFICATE
    assert isinstance(trusted, Reply)
    assert len(server.heads) == 1


class PickyServer:
    """A server whose handshakes fail as OpenSSL lets them fail: with an alert, which asyncio's servers keep back."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.received: list[bytes] = []

    def serve(self) -> None:
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            plain.settimeout(10)
            with (
                suppress(OSError),
                plain.dup() as kept,
            ):  # open beyond a failed handshake, or a reset overtakes the alert
                with suppress(ssl.SSLError), self.context.wrap_socket(plain, server_side=True) as connection:
                    self.received.append(connection.recv(65536))
                    connection.sendall(OK)
                kept.shutdown(socket.SHUT_WR)
                while kept.recv(65536):
                    pass


@contextmanager
def picky(context: ssl.SSLContext) -> Iterator[PickyServer]:
    server = PickyServer(context)
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        server.listener.shutdown(socket.SHUT_RDWR)
        server.listener.close()
        thread.join(10)


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("key", [None, "client.key"])
async def test_a_client_certificate_is_shown(
    company: trustme.CA, files: Path, version: ssl.TLSVersion, key: str | None
) -> None:
    own = {"client_cert": files / "client.crt", "client_key": files / key} if key else {}
    with picky(server_side(company, version, wants_client=company)) as server:
        answer = await send(server.port, **{"ca_file": files / "ca.pem", "client_cert": files / "client.pem", **own})
    assert isinstance(answer, Reply)


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
async def test_a_handshake_refused_for_want_of_a_client_certificate_says_so_and_leaves_nothing_open(
    company: trustme.CA, files: Path, version: ssl.TLSVersion, method: str
) -> None:
    with picky(server_side(company, version, wants_client=company)) as server:
        answer = await send(server.port, method, ca_file=files / "ca.pem")
    assert isinstance(answer, Fault)
    assert answer.kind is FaultKind.CERTIFICATE
    assert answer.message.startswith("127.0.0.1 refuses the TLS handshake: it ")
    assert "client_cert" in answer.message
    assert not answer.ambiguous
    assert server.received == []


@pytest.mark.parametrize("version", BOTH)
async def test_a_client_certificate_that_the_server_does_not_accept_is_named(
    company: trustme.CA, files: Path, version: ssl.TLSVersion
) -> None:
    with picky(server_side(company, version, wants_client=trustme.CA())) as server:
        answer = await send(server.port, ca_file=files / "ca.pem", client_cert=files / "client.pem")
    assert isinstance(answer, Fault)
    assert answer.kind is FaultKind.CERTIFICATE
    assert "does not know who issued the client certificate" in answer.message


def written(path: Path, text: bytes) -> Path:
    path.write_bytes(text)
    return path


def encrypted_key(files: Path) -> Path:
    key = serialization.load_pem_private_key((files / "client.key").read_bytes(), None)
    locked = serialization.BestAvailableEncryption(b"a password")
    form = serialization.PrivateFormat.PKCS8
    return written(files / "locked.key", key.private_bytes(serialization.Encoding.PEM, form, locked))


WITHOUT_KEY = (
    "'client_cert' ({}/client.crt) must hold a certificate in PEM format, and its key, unless 'client_key' names a "
    "file with that."
)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"ca_file": "missing.pem"}, "'ca_file' ({}/missing.pem) can't be read: No such file or directory."),
        ({"ca_file": "."}, "'ca_file' ({}) can't be read: Is a directory."),
        ({"ca_file": "client.key"}, "'ca_file' ({}/client.key) holds no certificates in PEM format."),
        ({"client_cert": "missing.pem"}, "'client_cert' ({}/missing.pem) can't be read: No such file or directory."),
        (
            {"client_cert": "client.pem", "client_key": "missing.key"},
            "'client_key' ({}/missing.key) can't be read: No such file or directory.",
        ),
        ({"client_cert": "client.crt"}, WITHOUT_KEY),
        (
            {"client_key": "client.key"},
            "'client_key' is set without 'client_cert', the certificate that it belongs to.",
        ),
        (
            {"client_cert": "client.crt", "client_key": "other.key"},
            "'client_key' ({}/other.key) is not the key of 'client_cert' ({}/client.crt).",
        ),
        (
            {"client_cert": "client.crt", "client_key": "locked.key"},
            "The key of the client certificate ({}/locked.key) has a password.",
        ),
    ],
)
async def test_a_file_that_is_no_certificate_or_key_is_named(
    files: Path, settings: dict[str, str], sentence: str
) -> None:
    trustme.CA().issue_cert("b@example.com").private_key_pem.write_to_path(files / "other.key")
    encrypted_key(files)
    with pytest.raises(ConfigError) as refused:
        await send(1, **{name: files / file for name, file in settings.items()})
    assert refused.value.message == sentence.format(files, files)
