from __future__ import annotations

import socket
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from batchupdate.errors import ConfigError
from batchupdate.runs import cluster_certs
from batchupdate.runs.certificate_authority import make_certificates
from batchupdate.runs.cluster_certs import Certificates, join_command, split_address

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [
        ("tls://10.0.0.5:8786", "10.0.0.5", 8786),
        ("tls://run.example.com:1", "run.example.com", 1),
        ("tls://[fd00::5]:8786", "fd00::5", 8786),
        ("tls://0.0.0.0:8786", "0.0.0.0", 8786),  # noqa: S104 - an address like others
    ],
)
def test_an_address_has_a_host_and_a_port(address: str, host: str, port: int) -> None:
    assert split_address(address) == (host, port)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("tcp://10.0.0.5:8786", "does not begin with tls://"),
        ("tcp://127.0.0.1:8786", "does not begin with tls://"),
        ("https://10.0.0.5:8786", "does not begin with tls://"),
        ("10.0.0.5:8786", "not the address of a coordinator"),
        ("tls://10.0.0.5", "not the address of a coordinator"),
        ("tls://10.0.0.5:0", "not the address of a coordinator"),
        ("tls://:8786", "not the address of a coordinator"),
        ("tls://10.0.0.5:99999", "not the address of a coordinator"),
        ("tls://me@10.0.0.5:8786", "not the address of a coordinator"),
        ("tls://10.0.0.5:8786/run", "not the address of a coordinator"),
        ("tls://[fd00::5:8786", "not the address of a coordinator"),
        ("", "not the address of a coordinator"),
    ],
)
def test_what_is_no_address_is_refused_with_the_way_out(address: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as refused:
        split_address(address)
    assert "tls://" in refused.value.hint


def test_who_listens_everywhere_is_found_by_the_name_of_its_machine() -> None:
    assert join_command("tls://0.0.0.0:8786") == f"batchupdate worker tls://{socket.gethostname()}:8786 --certs DIR"
    assert join_command("tls://[::]:8786") == join_command("tls://0.0.0.0:8786")
    assert "tls://10.0.0.0:8786" in join_command("tls://10.0.0.0:8786")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
def test_each_side_gets_a_folder_that_only_its_owner_can_read_and_no_key_of_the_ca(tmp_path: Path) -> None:
    until = make_certificates(tmp_path / "certs", 30)
    assert timedelta(days=29) < until - datetime.now(UTC) <= timedelta(days=30)
    found = {path.relative_to(tmp_path).as_posix(): path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    files = {f"certs/{role}/{name}.pem": 0o600 for role in ("coordinator", "worker") for name in ("ca", "cert", "key")}
    assert found == {"certs": 0o700, "certs/coordinator": 0o700, "certs/worker": 0o700, **files}
    keys = {(tmp_path / name).read_text("ascii") for name in files if name.endswith("key.pem")}
    assert len(keys) == 2
    for role in ("coordinator", "worker"):
        assert Certificates.of(tmp_path / "certs", role, "--certs").key == tmp_path / "certs" / role / "key.pem"
        assert Certificates.of(tmp_path / "certs" / role, role, "--certs").key == tmp_path / "certs" / role / "key.pem"


def test_certificates_that_are_there_are_never_replaced(tmp_path: Path) -> None:
    make_certificates(tmp_path, 30)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.pem")}
    with pytest.raises(ConfigError, match="already"):
        make_certificates(tmp_path, 30)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.pem")} == before


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"can't be written to .*/file/certs"):
        make_certificates(tmp_path / "file" / "certs", 30)


def test_certificates_that_are_missing_mixed_up_or_expired_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="there are none") as refused:
        Certificates.of(None, "worker", "--certs")
    assert "batchupdate cluster-certs" in refused.value.hint
    with pytest.raises(ConfigError, match=r"has no ca\.pem and no cert\.pem and no key\.pem"):
        Certificates.of(tmp_path / "nowhere", "worker", "--certs")
    make_certificates(tmp_path, 30)
    own = tmp_path / "worker"

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:
            del tz
            return datetime.now(UTC) + timedelta(days=31)

    monkeypatch.setattr(cluster_certs, "datetime", Later)
    with pytest.raises(ConfigError, match="was valid until 20"):
        Certificates.of(own, "worker", "--certs")
    monkeypatch.undo()
    (own / "key.pem").write_bytes((tmp_path / "coordinator" / "key.pem").read_bytes())
    with pytest.raises(ConfigError, match="can't be used"):
        Certificates.of(own, "worker", "--certs")
    (own / "cert.pem").write_bytes(b"")
    with pytest.raises(ConfigError, match="can't be used"):
        Certificates.of(own, "worker", "--certs")
