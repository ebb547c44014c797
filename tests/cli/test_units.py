from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from batchupdate.cli.units import size, span, three_digits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    from batchupdate.sandbox import Sandbox

    Cli = Callable[..., Result]
    Renames = Callable[..., Path]
    Sandboxes = Callable[..., Sandbox]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (61, "1 min 01 s"), (3600, "1 h 00 min"), (7325, "2 h 02 min")],
)
def test_a_duration_reads_as_people_say_it(seconds: float, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0.25, "0.25"), (3.14159, "3.14"), (97.04, "97"), (999.6, "1,000"), (8000, "8,000")]
)
def test_a_rate_is_never_written_with_an_exponent(number: float, text: str) -> None:
    assert three_digits(number) == text


def test_a_size_reads_as_people_say_it(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 999)
    assert size(tmp_path) == "999 B"
    (tmp_path / "b").write_bytes(b"x" * 1_500_000)
    assert size(tmp_path) == "2 MB"
