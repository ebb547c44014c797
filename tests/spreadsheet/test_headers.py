from __future__ import annotations

import pytest

from batchupdate.spreadsheet.headers import normalise_heading


@pytest.mark.parametrize(
    "heading", ["Integration ID", "integration_id", "integration-id", " INTEGRATIONID\t", "integrationId"]
)
def test_spellings_of_one_heading_are_equal(heading: str) -> None:
    assert normalise_heading(heading) == "integrationid"
