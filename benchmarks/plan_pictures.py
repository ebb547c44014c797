"""Makes the pictures of docs/plan.md: what `plan` prints at 80 and at 200 columns, and its workbook in LibreOffice.

Needs the extra `bench` (Pillow comes with matplotlib), LibreOffice (`soffice`), `pdftoppm`, and a terminal's `script`.
"""

from __future__ import annotations

import asyncio
import csv
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFont
from rich.console import Console
from rich.text import Text

from batchupdate.sandbox import LANGDOCK_KEY, Sandbox

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
FONTS = Path("/usr/share/fonts/truetype/dejavu")
SIZE, EDGE = 15, 12
COLOURS = {1: "#c01c28", 2: "#1a7f37", 3: "#9a6700", 6: "#1b7c83"}
COMMAND = str(Path(sys.executable).with_name("batchupdate"))
DARK_COLOURS = {1: "#ff7b72", 2: "#3fb950", 3: "#d29922", 6: "#39c5cf"}
INK, PAPER, SOFT = "#24292f", "white", "#6e7781"
DARK_INK, DARK_PAPER, DARK_SOFT = "#e6edf3", "#0d1117", "#8d96a0"
MOST_BASIC = 15
DRAFTS = slice(20, 32)


def sheet(current: Path, edited: Path) -> None:
    """A pulled sheet with some edits."""
    with current.open(encoding="utf-8-sig", newline="") as file:
        headings, *rows = csv.reader(file)
    name, description = headings.index("name"), headings.index("description")
    rows[0][name] = "Slack Verkauf"
    rows[1][name] = "Jira Support DE"
    rows[1][description] = "Jira for the support team in Berlin and Munich"
    rows[2][name] += "  "
    rows[3][description] = "<null>"
    rows[4][name] = "HubSpot Law"
    rows[5][name] = "=1+1"
    rows[8][description] = "Contracts, offers and invoices of all regions"
    for row in rows:
        row[description] = "Archived" if row[description] == "Draft" else row[description]
    rows.append(
        ["e3c48b03-bd88-4404-897e-fb2b26838c99", "Payroll", "Payroll for everybody", *[""] * (len(headings) - 3)]
    )
    with edited.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([headings, *rows])


def shown(arguments: list[str], folder: Path, columns: int) -> str:
    """What a command prints on a terminal of so many columns, on standard output."""
    environ = {**os.environ, "LANGDOCK_API_KEY": LANGDOCK_KEY, "COLUMNS": str(columns), "FORCE_COLOR": "1"}
    environ["TERM"] = "xterm-256color"
    done = subprocess.run(
        [COMMAND, *arguments], cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False
    )
    return done.stdout.decode()


def draw(ansi: str, columns: int, path: Path, *, dark: bool = False) -> None:
    """Draws a terminal's text."""
    ink, paper, soft, colours = (DARK_INK, DARK_PAPER, DARK_SOFT, DARK_COLOURS) if dark else (INK, PAPER, SOFT, COLOURS)
    plain, bold = (
        ImageFont.truetype(str(FONTS / name), SIZE) for name in ("DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf")
    )
    wide, high = plain.getlength("m"), SIZE + 5
    lines = Text.from_ansi(ansi.rstrip()).split("\n", allow_blank=True)
    image = Image.new("RGB", (int(wide * columns) + 2 * EDGE, high * len(lines) + 2 * EDGE), paper)
    pen, console = ImageDraw.Draw(image), Console(width=columns)
    for number, line in enumerate(lines):
        x, y = float(EDGE), EDGE + high * number
        for segment in line.render(console):
            style = segment.style
            colour = ink
            if style and style.color:
                basic = style.color.number or 0
                colour = colours.get(basic, style.color.get_truecolor().hex if basic > MOST_BASIC else ink)
            if style and style.dim:
                colour = soft
            pen.text((x, y), segment.text.rstrip("\n"), fill=colour, font=bold if style and style.bold else plain)
            end = x + wide * len(segment.text.rstrip("\n"))
            if style and style.underline:
                pen.line((x, y + SIZE + 2, end, y + SIZE + 2), fill=colour)
            if style and style.strike:
                pen.line((x, y + SIZE // 2 + 2, end, y + SIZE // 2 + 2), fill=colour)
            x = end
    image.quantize(128).save(path, optimize=True)


def workbook(path: Path, folder: Path) -> None:
    """Draws the pages of a workbook."""
    subprocess.run(
        ["soffice", "--headless", "--convert-to", "pdf", "--outdir", folder, path], check=True, capture_output=True
    )
    subprocess.run(["pdftoppm", "-r", "110", "-png", folder / "plan.pdf", folder / "page"], check=True)
    for page, name in zip(sorted(folder.glob("page*.png")), ("sheet", "summary"), strict=False):
        image = Image.open(page).convert("RGB")
        left, top, right, bottom = ImageChops.difference(image, Image.new("RGB", image.size, "white")).getbbox() or (
            0,
            0,
            1,
            1,
        )
        cut = image.crop((left - 8, top - 8, right + 8, min(bottom, 1200) + 8))
        cut.quantize(64).save(PICTURES / f"plan-{name}.png", optimize=True)


async def main() -> None:
    """Plans against a sandbox in which somebody else has changed a record meanwhile."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with Sandbox() as sandbox:
            common = ["-t", "langdock-integration", "--base-url", sandbox.url]
            await asyncio.to_thread(shown, ["pull", "langdock-integration", *common[2:], "-o", "now.csv"], folder, 80)
            with (folder / "now.csv").open(encoding="utf-8-sig", newline="") as file:
                drafts = [row["integrationId"] for row in csv.DictReader(file) if not row["_locked"]][DRAFTS]
            text = "".join(f"{one},Draft\n" for one in drafts)
            (folder / "drafts.csv").write_text(f"id,description\n{text}", "utf-8")
            await asyncio.to_thread(shown, ["run", "drafts.csv", *common, "--yes"], folder, 80)
            await asyncio.to_thread(
                shown, ["pull", "langdock-integration", *common[2:], "-o", "now.csv", "--force"], folder, 80
            )
            sheet(folder / "now.csv", folder / "renames.csv")
            with (folder / "now.csv").open(encoding="utf-8-sig", newline="") as file:
                other = list(csv.DictReader(file))[4]["integrationId"]
            (folder / "other.csv").write_text(f"id,name\n{other},HubSpot Contracts\n", "utf-8")
            await asyncio.to_thread(shown, ["run", "other.csv", *common, "--yes"], folder, 80)
            for columns in (80, 200):
                text = await asyncio.to_thread(shown, ["plan", "renames.csv", *common], folder, columns)
                draw(text, columns, PICTURES / f"plan-{columns}.png")
        workbook(min(folder.glob("batchupdate-runs/*renames-plan*/plan.xlsx")), folder)  # noqa: ASYNC240 - nothing else waits


if __name__ == "__main__":
    asyncio.run(main())
