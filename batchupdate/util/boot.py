"""Which start of the machine this is."""

from __future__ import annotations

import platform
import subprocess
from functools import cache
from pathlib import Path

_LINUX = Path("/proc/sys/kernel/random/boot_id")
_MACOS = ("/usr/sbin/sysctl", "-n", "kern.bootsessionuuid")
_WAIT_S = 5.0


@cache
def boot_id() -> str:
    """A text that is another one after every start of the machine; empty where the system has none.

    Linux and macOS have one. Windows has none: its time since the start drifts against the clock.
    """
    try:
        if platform.system() == "Linux":
            return _LINUX.read_text("ascii").strip()
        if platform.system() == "Darwin":
            told = subprocess.run(_MACOS, capture_output=True, check=True, text=True, timeout=_WAIT_S)  # noqa: S603 - our own words
            return told.stdout.strip()
    except (OSError, ValueError, subprocess.SubprocessError):
        pass
    return ""
