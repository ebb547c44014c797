"""A CSV of made-up Langdock changes: five columns, about 145 bytes a row, the same at every call."""

from __future__ import annotations

import csv
import random
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

HEADER = ["integrationId", "name", "description", "iconUrl", "color"]


def write_rows(path: Path, count: int) -> None:
    """Writes `count` valid rows with ids that all differ."""
    chance = random.Random(1)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for number in range(count):
            writer.writerow(
                [
                    str(uuid.UUID(int=chance.getrandbits(128), version=4)),
                    f"Integration {number}",
                    f"Syncs the records of team {number % 97} every night",
                    f"https://cdn.example.com/icons/{number}.png",
                    f"#{chance.getrandbits(24):06x}",
                ]
            )
