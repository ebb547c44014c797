"""Makes the picture of the docs site: its first page, and a page of the reference in the dark.

Needs the extras `docs`, `test` and `bench` (Sphinx, Playwright, Pillow), and Chromium.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright
from report_pictures import PICTURES

DOCS = PICTURES.parent
PAGES = {"light": "tutorial", "dark": "reference/problem_codes"}


def main() -> None:
    """Builds the site, and opens it."""
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        site = Path(scratch) / "site"
        subprocess.run([sys.executable, "-m", "sphinx", "-q", "-b", "html", DOCS, site], check=True)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        shots = []
        for scheme, page in PAGES.items():
            opened = browser.new_page(color_scheme=scheme, viewport={"width": 1280, "height": 760})
            opened.goto((site / f"{page}.html").as_uri())
            shots.append(Path(scratch) / f"{scheme}.png")
            opened.screenshot(path=shots[-1])
        browser.close()
        pictures = [Image.open(shot).convert("RGB") for shot in shots]
        beside = Image.new("RGB", (pictures[0].width * 2 + 16, pictures[0].height), "white")
        for index, picture in enumerate(pictures):
            beside.paste(picture, (index * (picture.width + 16), 0))
        small = beside.resize((beside.width * 5 // 8, beside.height * 5 // 8), Image.Resampling.LANCZOS)
        small.quantize(128).save(PICTURES / "site.png", optimize=True)


if __name__ == "__main__":
    main()
