from __future__ import annotations

import pytest

from batchupdate.spreadsheet.headers import normalise_heading


@pytest.mark.parametrize(
    "heading", ["Integration ID", "integration_id", "integration-id", " INTEGRATIONID\t", "integrationId"]
)
def test_spellings_of_one_heading_are_equal(heading: str) -> None:
    assert normalise_heading(heading) == "integrationid"


def test_headings_match_whatever_their_case_spaces_underscores_and_hyphens() -> None:
    same = ("integrationId", "Integration ID", "integration_id", " INTEGRATION-ID ", "integration\u00a0id")
    assert {normalise_heading(text) for text in same} == {"integrationid"}
    assert normalise_heading("Straße") == normalise_heading("STRASSE")
    assert normalise_heading("name") != normalise_heading("name2")
