"""Makes the pictures of docs/results.md: the three sheets of a results.xlsx in LibreOffice.

Needs Pillow (it comes with matplotlib, in the extra `bench`), LibreOffice (`soffice`) and `pdftoppm`.
"""

from __future__ import annotations

import asyncio
import random
import subprocess
import tempfile
import zipfile
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import xlsxwriter
from PIL import Image, ImageChops

from batchupdate import load_settings, run_file
from batchupdate.sandbox import LANGDOCK_KEY, Sandbox, make_records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchupdate.sandbox import LangdockRecord

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
SHEETS = ("results", "failures", "summary")
ROWS, AS_IT_IS, TOO_LONG, TWICE = 26, 5, 8, 21
GONE = {12: "00000000-0000-4000-8000-000000000000", 17: "7d0c7b2e-93a5-4a0f-9d57-2f6b1c0e8a11"}


def workbook(path: Path, records: Sequence[LangdockRecord]) -> None:
    """A sheet of renames as an operations team keeps one."""
    chance = random.Random(2)
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("renames")
        book.add_worksheet("prices 2026").write(0, 0, "x")
        money, date = book.add_format({"num_format": "#,##0.00"}), book.add_format({"num_format": "d mmm yyyy"})
        for place, (heading, width) in enumerate(
            [("Integration ID", 38), ("Name", 28), ("Team", 7), ("Cost", 9), ("Since", 12)]
        ):
            sheet.set_column(place, place, width)
            sheet.write(0, place, heading, book.add_format({"bold": True}))
        for row, record in enumerate(records[:ROWS], 1):
            name = record.name if row == AS_IT_IS else f"{record.name.split()[-1]} – {record.name.split()[0]}"
            if row == TOO_LONG:
                name += " for all of the regional teams in Europe"
            sheet.write_string(row, 0, "f2c" if row == TWICE else GONE.get(row, record.id))
            sheet.write_string(row, 1, name)
            sheet.write_string(row, 2, f"{row % 7:03}")
            sheet.write_number(row, 3, chance.randint(900, 99_000) / 10, money)
            day = datetime(2025, 1 + row % 12, 1 + row)  # noqa: DTZ001 - cells have no time zone
            sheet.write_datetime(row, 4, day, date)


def moved(path: Path, folder: Path) -> Path:
    """A copy of a workbook, as if its run had been in somebody's home."""
    copy = folder / path.name
    with zipfile.ZipFile(path) as parts, zipfile.ZipFile(copy, "w") as copied:
        for name in parts.namelist():
            copied.writestr(name, parts.read(name).replace(str(folder).encode(), b"/home/ann"))
    return copy


def draw(path: Path, folder: Path) -> None:
    """Draws the sheets, each on a page of its own."""
    subprocess.run(
        ["soffice", "--headless", "--convert-to", "pdf", "--outdir", folder, path], check=True, capture_output=True
    )
    subprocess.run(["pdftoppm", "-r", "150", "-png", folder / "results.pdf", folder / "page"], check=True)
    for page, name in zip(sorted(folder.glob("page*.png")), SHEETS, strict=True):
        image = Image.open(page).convert("RGB")
        blank = Image.new("RGB", image.size, "white")
        left, top, right, bottom = ImageChops.difference(image, blank).getbbox() or (0, 0, 1, 1)
        cut = image.crop((left - 8, top - 8, right + 8, bottom + 8))
        cut.quantize(48).save(PICTURES / f"results-{name}.png", optimize=True)


async def main() -> None:
    """Runs a sheet of renames against a sandbox."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        workbook(folder / "renames.xlsx", make_records().langdock)
        async with Sandbox() as sandbox:
            settings = load_settings(
                {
                    "target": "langdock-integration",
                    "base_url": sandbox.url,
                    "runs_dir": folder / "batchupdate-runs",
                    "rate": "20/s",
                    "diff": "always",
                },
                environ={},
            )
            summary = await run_file(folder / "renames.xlsx", settings, environ={"LANGDOCK_API_KEY": LANGDOCK_KEY})
        draw(moved(summary.folder / "results.xlsx", folder), folder)


if __name__ == "__main__":
    asyncio.run(main())
