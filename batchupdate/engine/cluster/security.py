"""Which certificates Dask shows and trusts."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from distributed.security import Security

if TYPE_CHECKING:
    from batchupdate.runs.cluster_certs import Certificates


def security_of(certificates: Certificates) -> Security:
    """The same files for all that a process does; every process shows its own, and trusts none of another CA."""
    cert, key = str(certificates.cert), str(certificates.key)
    roles = {
        f"tls_{role}_{what}": path
        for role in ("client", "scheduler", "worker")
        for what, path in (("cert", cert), ("key", key))
    }
    return Security(  # type: ignore[no-untyped-call]
        require_encryption=True,
        tls_ca_file=str(certificates.ca),
        tls_min_version=ssl.TLSVersion.TLSv1_3,
        **roles,
    )
