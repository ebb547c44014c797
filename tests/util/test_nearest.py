"""What was probably meant, and what not."""

from __future__ import annotations

import pytest

from batchupdate.util.nearest import nearest


@pytest.mark.parametrize(
    ("word", "names", "meant"),
    [
        ("--force", ["--rate", "--target"], []),
        ("--sheet", ["--help"], []),
        ("--limt", ["--delimiter", "--limit", "--timeout"], ["--limit"]),
        ("file", ["title"], []),
        ("colour", ["color"], ["color"]),
        ("NAMES", ["name"], ["name"]),
        ("langdock", ["langdock-integration"], ["langdock-integration"]),
        ("la", ["langdock-integration"], []),
        ("renames", ["renames1", "renames2", "other"], ["renames2", "renames1"]),
    ],
)
def test_only_a_slip_or_a_beginning_is_taken_for_a_name(word: str, names: list[str], meant: list[str]) -> None:
    assert sorted(nearest(word, names, 2)) == sorted(meant)
