"""A server in a process of its own that answers every request with 200 and notes when each one came.

    python benchmarks/arrivals.py FILE [--latency MS]

It says its port on standard output. Each line on standard input is the port of a client whose requests take ten times
as long from then on. At the end of its input it writes the times (seconds, as binary doubles) to the file.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from array import array
from pathlib import Path
from typing import ClassVar, cast

import uvloop

ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 55\r\n\r\n"
    b'{"integration":{"id":"x","name":"x","description":"x"}}'
)
SLOWER = 10


class Arrivals(asyncio.Protocol):
    """One connection."""

    times = array("d")
    slow: ClassVar[set[int]] = set()
    latency_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begins."""
        self._transport, self._data = cast("asyncio.Transport", transport), b""
        self._port: int = transport.get_extra_info("peername")[1]

    def data_received(self, data: bytes) -> None:
        """Reads requests; each one counts when its head has come."""
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end].lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r")[0] or 0)
            if len(self._data) < end + 4 + length:
                return
            self._data = self._data[end + 4 + length :]
            self.times.append(time.monotonic())
            latency_s = self.latency_s * (SLOWER if self._port in self.slow else 1)
            asyncio.get_running_loop().call_later(latency_s, self._answer)

    def _answer(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(ANSWER)


async def serve(latency_s: float) -> None:
    """Serves until standard input ends."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    Arrivals.latency_s = latency_s
    server = await loop.create_server(Arrivals, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)

    def heard() -> None:
        line = sys.stdin.readline()
        if line:
            Arrivals.slow.add(int(line))
        else:
            ended.set()

    loop.add_reader(sys.stdin, heard)
    await ended.wait()


def main() -> None:
    """Serves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--latency", type=float, default=10.0, help="milliseconds from a request to its answer")
    options = parser.parse_args()
    uvloop.run(serve(options.latency / 1000))
    options.file.write_bytes(Arrivals.times.tobytes())


if __name__ == "__main__":
    main()
