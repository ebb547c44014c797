"""A local nginx that answers every PATCH with 200, for the benchmarks."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIG = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 100000000; client_body_temp_path {folder}; proxy_temp_path {folder};
  fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{
    listen 127.0.0.1:{port}; default_type application/json;
    location / {{ return 200 '{{"integration":{{"id":"x","name":"x","description":"x"}}}}'; }}
  }}
}}
"""


@contextmanager
def nginx() -> Iterator[str]:
    """Starts nginx on a free port; gives its URL, and ends it."""
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if program is None:
        sys.exit("This benchmark needs nginx, for example: apt-get install nginx-light")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # noqa: S103, PTH101 - nginx drops root and must enter it
        config = Path(folder) / "nginx.conf"
        config.write_text(CONFIG.format(folder=folder, port=port), encoding="utf-8")
        server = subprocess.Popen([program, "-e", f"{folder}/error.log", "-c", str(config)], stderr=subprocess.DEVNULL)
        try:
            _wait(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait()


def _wait(port: int) -> None:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    sys.exit("nginx did not start")
