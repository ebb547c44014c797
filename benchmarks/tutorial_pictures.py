"""Makes the pictures of docs/tutorial.md: what `plan` and `run` print, in colour.

Needs the extra `bench` (Pillow comes with matplotlib), and a terminal's `script`.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import subprocess
import tempfile
from pathlib import Path

from plan_pictures import COMMAND, PICTURES, draw

from batchupdate.sandbox import LANGDOCK_KEY, Sandbox

PAGE = (Path(__file__).parent.parent / "docs" / "tutorial.md").read_text("utf-8")
COLUMNS = 80


def shown(arguments: list[str], folder: Path, url: str) -> str:
    """What a command prints on a terminal, with the question answered."""
    environ = {**os.environ, "LANGDOCK_API_KEY": LANGDOCK_KEY, "BATCHUPDATE_BASE_URL": url}
    environ |= {"BATCHUPDATE_TARGET": "langdock-integration", "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}
    command = f"stty columns {COLUMNS}; sleep 1; exec {shlex.join([COMMAND, *arguments])}"
    done = subprocess.run(
        ["script", "--quiet", "--command", command, "/dev/null"],
        cwd=folder,
        env=environ,
        input=b"y\n",
        stdout=subprocess.PIPE,
        check=False,
    )
    text = done.stdout.decode().replace("\r\n", "\n").removeprefix("y\n")
    text = re.sub(r"\x1b\[2K(reading|planning|sending|reporting|\x1b\[\?25[lh])[^\n]*\n?", "", text)
    text = re.sub(r"\x1b\[\?25[lh]|\r|\x1b\[2K", "", text)
    text = re.sub(r"(?<=\[y/N\]: )y?\s*", "y\n", text)  # the answer was typed before the question came
    return text.replace(str(folder), "/home/ann").replace(url, "http://127.0.0.1:8765")


async def main() -> None:
    """Does what the tutorial does with its first file."""
    (sheet,) = re.findall(r"<!-- file: renames.csv -->\n```text\n(.*?)```", PAGE, re.DOTALL)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "renames.csv").write_text(sheet.replace(" Department", ""), "utf-8")
        async with Sandbox() as sandbox:
            for command in ("plan", "run"):
                text = await asyncio.to_thread(shown, [command, "renames.csv"], folder, sandbox.url)
                draw(f"$ batchupdate {command} renames.csv\n{text}", COLUMNS, PICTURES / f"tutorial-{command}.png")


if __name__ == "__main__":
    asyncio.run(main())
