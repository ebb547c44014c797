"""Makes the pictures of docs/reports.md: a `report.html` in Chromium, light, dark, on a phone and on paper.

Needs the extras `test` and `bench` (Playwright, Pillow), Chromium, and `pdftoppm`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from PIL import Image, ImageOps
from playwright.sync_api import sync_playwright
from report_html import make_run

from batchupdate.runs.folder import RUNS_DIR, RunFolder
from batchupdate.runs.history import rebuild_reports

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"


def keep(image: Image.Image, name: str) -> None:
    """Few colours make a small file."""
    framed = ImageOps.expand(image.convert("RGB"), 1, "#d0d7de")
    framed.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
        PICTURES / f"report-{name}.png", optimize=True
    )


def main() -> None:
    """Makes them all."""
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        run = make_run(Path(RUNS_DIR), 20_000, hostile="a record with this name exists")
        rebuild_reports(RunFolder(run.path))
        url, path = (Path(scratch) / run.path / "report.html").as_uri(), Path(scratch)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            for scheme in ("light", "dark"):
                page = browser.new_page(color_scheme=scheme, viewport={"width": 1180, "height": 900})
                page.goto(url)
                page.screenshot(path=path / f"{scheme}.png", full_page=True)
                whole = Image.open(path / f"{scheme}.png")
                at = page.locator("#figures").bounding_box()
                assert at is not None
                middle = round(at["y"]) - 40
                if scheme == "light":
                    keep(whole.crop((0, 0, whole.width, middle)), "top")
                else:
                    keep(whole.crop((0, middle, whole.width, middle + 1150)), "charts-dark")
            page.emulate_media(media="print")
            page.pdf(path=path / "print.pdf", format="A4")
            phone = browser.new_page(viewport={"width": 390, "height": 844}, device_scale_factor=1.5)
            phone.goto(url)
            phone.screenshot(path=path / "phone.png")
            phone.locator("#rows-title").scroll_into_view_if_needed()
            phone.evaluate("document.getElementById('rows-title').scrollIntoView()")
            phone.screenshot(path=path / "phone-rows.png")
            browser.close()
        pages = [Image.open(path / name) for name in ("phone.png", "phone-rows.png")]
        beside = Image.new("RGB", (pages[0].width * 2 + 30, pages[0].height), "white")
        for index, one in enumerate(pages):
            beside.paste(one, (index * (one.width + 30), 0))
        keep(beside, "phone")
        subprocess.run(["pdftoppm", "-r", "70", "-png", "-l", "2", "print.pdf", "print"], check=True)
        paper = [Image.open(one) for one in sorted(path.glob("print-*.png"))]
        beside = Image.new("RGB", (sum(one.width for one in paper) + 20, paper[0].height), "#d0d7de")
        for index, one in enumerate(paper):
            beside.paste(one, (index * (one.width + 20), 0))
        keep(beside, "paper")


if __name__ == "__main__":
    main()
