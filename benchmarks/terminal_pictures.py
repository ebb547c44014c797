"""Makes the pictures of a run on a terminal: while it sends, and at its end; 80 columns in the light, 200 in the dark.

Needs the extra `bench` (Pillow comes with matplotlib).
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import struct
import subprocess
import tempfile
import termios
from pathlib import Path

from plan_pictures import COMMAND, PICTURES, draw

from batchupdate.sandbox import LANGDOCK_KEY, Sandbox, make_records

ROWS = 150
GONE, TOO_LONG = 15, 37
"""Each so many rows there is one."""
HOST = "https://api.langdock.com"
LIVE_AT = 0.6
"""Of the lines that renew each other, this one is shown."""


def sheet(path: Path) -> None:
    """Renames, a few of them wrong."""
    lines = ["Integration ID,Name"]
    for number, record in enumerate(make_records(langdock=ROWS).langdock[:ROWS], 1):
        identity = record.id if number % GONE else f"0000{record.id[4:]}"
        name = f"{record.name} {'EMEA' if number % TOO_LONG else 'of all the teams in Europe and Africa'}"
        lines.append(f"{identity},{name}")
    path.write_text("\n".join([*lines, ""]), "utf-8")


def printed(folder: Path, url: str, columns: int) -> str:
    """What a terminal of so many columns gets of a run."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environ = {**os.environ, "LANGDOCK_API_KEY": LANGDOCK_KEY, "TERM": "xterm-256color", "BATCHUPDATE_BASE_URL": url}
    environ |= {"BATCHUPDATE_TARGET": "langdock-integration"}
    command = [COMMAND, "run", "renames.csv", "--yes", "--rate", "30/s"]
    process = subprocess.Popen(command, cwd=folder, env=environ, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    text = b""
    try:
        while piece := os.read(ours, 65536):
            text += piece
    except OSError:  # the terminal of a process that has ended
        pass
    process.wait()
    return text.decode().replace("\r\n", "\n").replace(url, HOST)


def seen(text: str) -> str:
    """What stands on the terminal while the run sends, and below that its end."""
    cursor = r"\x1b\[(?:\?25[lh]|1A|2K)"
    live = re.findall(r"\x1b\[2K(sending [^\r\n]*)", text)
    before, _, after = re.sub(rf"{cursor}|\r", "\0", text).partition("\0sending ")
    head, end = (
        [line for line in (line.split("\0")[-1] for line in part.splitlines()) if not re.match(r"\w+ing .*━", line)]
        for part in (before, after)
    )
    return "\n".join(
        ["$ batchupdate run renames.csv --yes --rate 30/s", *head, live[round(len(live) * LIVE_AT)], "", *end]
    )


async def main() -> None:
    """Runs the same sheet twice, against a new sandbox each time."""
    for columns, dark in ((80, False), (200, True)):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            sheet(folder / "renames.csv")
            async with Sandbox(langdock=ROWS, limit="20/s", headers="retry-after") as sandbox:
                text = await asyncio.to_thread(printed, folder, sandbox.url, columns)
        shown = re.sub(r"\n{2,}", "\n\n", "\n".join(line.rstrip() for line in seen(text).split("\n")))
        draw(shown, columns, PICTURES / f"run-{columns}.png", dark=dark)


if __name__ == "__main__":
    asyncio.run(main())
