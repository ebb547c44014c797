"""Two machines for a test: network namespaces where it may make them, else two addresses of this one."""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_IP = shutil.which("ip", path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin")
_CLONE_NEWNET = 0x40000000
_IS_CONNECTED, _LISTENS = "01", "0A"


@dataclass(frozen=True, slots=True)
class Machine:
    """One of them: the address by which the other one reaches it, and its namespace, if it has one."""

    address: str
    namespace: str = ""

    def command(self, *words: str) -> list[str]:
        """What runs `batchupdate` there; the process is the one that is started."""
        there = [_IP or "ip", "netns", "exec", self.namespace] if self.namespace else []
        return [*there, sys.executable, "-m", "batchupdate", *words]

    def listen(self) -> socket.socket:
        """A socket of this process that listens there, at a free port."""
        found: list[socket.socket] = []

        def make() -> None:  # a socket stays in the namespace in which it was made
            if self.namespace:
                with open(f"/run/netns/{self.namespace}", "rb") as file:  # noqa: PTH123 - its number is needed
                    if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), _CLONE_NEWNET):
                        raise OSError(ctypes.get_errno(), "setns")
            found.append(socket.create_server((self.address, 0)))

        thread = Thread(target=make)
        thread.start()
        thread.join()
        return found[0]

    def free_port(self) -> int:
        """A port that nobody listens at there, just now."""
        with self.listen() as one:
            return int(one.getsockname()[1])


@contextmanager
def two_machines() -> Iterator[tuple[Machine, Machine]]:
    """Two that reach each other, and nobody else."""
    with ExitStack() as stack:
        yield _namespaces(stack) or (Machine("127.0.0.2"), Machine("127.0.0.3"))


def _ip(*words: str) -> bool:
    return subprocess.run([_IP or "ip", *words], capture_output=True, check=False).returncode == 0


def _namespaces(stack: ExitStack) -> tuple[Machine, Machine] | None:
    if _IP is None or sys.platform != "linux" or os.geteuid() != 0:
        return None
    one, other = (f"batchupdate-{os.getpid()}-{which}" for which in "ab")
    for name in (one, other):
        if not _ip("netns", "add", name):
            return None
        stack.callback(_ip, "netns", "del", name)
    made = _ip("-n", one, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", other)
    machines = (Machine("10.77.0.1", one), Machine("10.77.0.2", other))
    for machine in machines:
        made = made and _ip("-n", machine.namespace, "addr", "add", f"{machine.address}/24", "dev", "cable")
        made = made and all(_ip("-n", machine.namespace, "link", "set", link, "up") for link in ("lo", "cable"))
    return machines if made else None


def listening(pid: int) -> set[tuple[str, int]]:
    """Where a process listens, whichever namespace it is in."""
    return {own for own, _, state in _sockets(pid) if state == _LISTENS}


def connected(pid: int) -> set[tuple[str, int]]:
    """The other ends of a process's connections."""
    return {other for _, other, state in _sockets(pid) if state == _IS_CONNECTED}


def _sockets(pid: int) -> Iterator[tuple[tuple[str, int], tuple[str, int], str]]:
    links = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]
    mine = {name.removeprefix("socket:[").rstrip("]") for name in links}
    for name, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path(f"/proc/{pid}/net/{name}").read_text("ascii").splitlines()[1:]:
            _, own, other, state, *_, inode = line.split()[:10]
            if inode in mine:
                yield _place(own, family), _place(other, family), state


def _place(text: str, family: socket.AddressFamily) -> tuple[str, int]:
    host, port = text.split(":")
    words = [bytes.fromhex(host[at : at + 8])[::-1] for at in range(0, len(host), 8)]
    return socket.inet_ntop(family, b"".join(words)), int(port, 16)
