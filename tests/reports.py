"""What reports are made of in tests that have no whole run."""

from __future__ import annotations

from batchupdate.reporter import RunDetails

NO_DETAILS = RunDetails(["Id"], [], [], pace=list, durations=lambda: (0, []), rows=lambda _: iter(()))
"""Of a page about a run of which nothing but the summary is known."""
