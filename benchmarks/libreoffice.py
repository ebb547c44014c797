"""LibreOffice without its windows, as a second opinion on files: it opens them and saves them as something else."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PACKAGE = "libreoffice-calc-nogui"
SECONDS = 180
# Comma, quotes, the character set and the first line; no types of columns, the user's language, and whether dates and
# the like are looked for: what its dialogue proposes, and what it offers besides.
UTF_8 = "CSV:44,34,76,1,,0,false,false"
SPECIAL_NUMBERS = "CSV:44,34,76,1,,0,false,true"
WINDOWS_1252 = "CSV:44,34,1,1,,0,false,false"


def as_text(columns: int) -> str:
    """How a text file is opened with the type "Text" chosen for all its columns."""
    return f"CSV:44,34,76,1,{'/'.join(f'{number}/2' for number in range(1, columns + 1))}"


def program() -> str | None:
    """Where LibreOffice is, None if it is not installed."""
    return shutil.which("soffice") or shutil.which("libreoffice")


@dataclass(frozen=True, slots=True)
class LibreOffice:
    """One installation with a profile of its own, which only one process may use at a time."""

    program: str
    profile: Path

    def save_as(self, suffix: str, files: Sequence[Path], folder: Path, opened_as: str = "") -> list[Path]:
        """Opens files and saves them under the same name with another suffix.

        Args:
            suffix: what they become: "csv", "xlsx", "ods", "pdf".
            files: what to open.
            folder: where the new files go.
            opened_as: how a text file is opened; without that, as it is when nobody is asked.

        Raises:
            RuntimeError: a file was not made.
        """
        command = [self.program, f"-env:UserInstallation={self.profile.as_uri()}", "--headless", "--norestore"]
        opening = [f"--infilter={opened_as}"] if opened_as else []
        # In UTF-8 and without asking, for a CSV has no place that says it.
        to = f"{suffix}:Text - txt - csv (StarCalc):44,34,76,1" if suffix == "csv" else suffix
        done = subprocess.run(
            [*command, *opening, "--convert-to", to, "--outdir", str(folder), *map(str, files)],
            env={**os.environ, "HOME": str(self.profile.parent)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
        made = [folder / f"{file.stem}.{suffix}" for file in files]
        if missing := [path.name for path in made if not path.exists()]:
            raise RuntimeError(f"LibreOffice made no {', '.join(missing)}: {done.stderr.decode(errors='replace')}")
        return made


@contextmanager
def libreoffice() -> Iterator[LibreOffice]:
    """Gives LibreOffice with a new profile.

    Raises:
        RuntimeError: it is not installed.
    """
    found = program()
    if found is None:
        raise RuntimeError(f"This needs LibreOffice, for example: apt-get install --no-install-recommends {PACKAGE}")
    with tempfile.TemporaryDirectory() as folder:
        yield LibreOffice(found, Path(folder) / "profile")


def flat_sheet(rows: Sequence[Sequence[str]], sheet: str = "changes") -> str:
    """A flat OpenDocument file (.fods) of raw cells in XML, for LibreOffice to calculate and to save."""
    ns = "urn:oasis:names:tc:opendocument:xmlns:"
    body = "".join(f"<table:table-row>{''.join(cells)}</table:table-row>" for cells in rows)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document xmlns:office="{ns}office:1.0" '
        f'xmlns:text="{ns}text:1.0" xmlns:table="{ns}table:1.0" xmlns:of="{ns}of:1.2" office:version="1.3" '
        'office:mimetype="application/vnd.oasis.opendocument.spreadsheet"><office:body><office:spreadsheet>'
        f'<table:table table:name="{sheet}">{body}</table:table></office:spreadsheet></office:body></office:document>'
    )
