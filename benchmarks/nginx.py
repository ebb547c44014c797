"""A local nginx that answers every PATCH with 200, at most so many a second if wanted, for the benchmarks."""

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
  {servers}
}}
"""

OPEN = """server {{
    listen 127.0.0.1:{port}; default_type application/json;
    location / {{ return 200 '{{"integration":{{"id":"x","name":"x","description":"x"}}}}'; }}
  }}"""

# `return` comes before the limit is looked at, so what it guards is a server of its own behind it.
LIMITED = """limit_req_zone all zone=all:1m rate={per_s}r/s; limit_req_status 429;
  upstream behind {{ server unix:{folder}/behind.sock; keepalive 64; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      limit_req zone=all burst={burst} nodelay;
      proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection "";
    }}
  }}
  server {{
    listen unix:{folder}/behind.sock; default_type application/json;
    location / {{ return 200 '{{"integration":{{"id":"x","name":"x","description":"x"}}}}'; }}
  }}"""


@contextmanager
def nginx(per_s: int | None = None, burst: int = 0) -> Iterator[str]:
    """Starts nginx on a free port; gives its URL, and ends it. With `per_s` it allows so many requests a second."""
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if program is None:
        sys.exit("This benchmark needs nginx, for example: apt-get install nginx-light")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # noqa: S103, PTH101 - nginx drops root and must enter it
        config = Path(folder) / "nginx.conf"
        servers = (OPEN if per_s is None else LIMITED).format(folder=folder, port=port, per_s=per_s, burst=burst)
        config.write_text(CONFIG.format(folder=folder, servers=servers), encoding="utf-8")
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
