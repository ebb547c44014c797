"""How Sphinx builds the docs: `make docs` writes them to build/docs.

The reference is made from the code, at each build: see reference.py beside this file.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))

import reference  # noqa: E402 - it stands beside this file

from batchupdate import __version__  # noqa: E402 - as above

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "batchupdate"
author = "the authors of batchupdate"
release = version = __version__
language = "en"

extensions = ["myst_parser"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 4
exclude_patterns = ["*.py"]

smartquotes = False  # options begin with two dashes, and quotes are typed as they stand

html_theme = "furo"
html_title = "batchupdate"
html_static_path = ["site"]
html_css_files = ["site.css"]
html_extra_path = ["config.schema.json", "target.schema.json"]
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
pygments_style = "default"
pygments_dark_style = "monokai"


def setup(app: Sphinx) -> dict[str, Any]:
    """Writes the reference before the pages are read."""
    app.connect("builder-inited", lambda app: reference.write(Path(app.srcdir) / "reference"))
    return {"parallel_read_safe": True}
