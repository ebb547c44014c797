"""`--sample N`: how many rows to draw, and by which seed."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from batchupdate.errors import ConfigError
from batchupdate.validator.checkup import Sample

if TYPE_CHECKING:
    from batchupdate.config import Settings

SEEDS = 1_000_000
"""So many seeds are drawn from where none is given: few enough to be typed."""


def sample_of(settings: Settings) -> Sample | None:
    """The sample to draw; None for all rows.

    Raises:
        ConfigError: there is a seed, and nothing to draw.
    """
    if settings.sample is None:
        if settings.sample_seed is not None:
            raise ConfigError("--sample-seed means nothing without --sample.", "Say how many rows too: --sample 20")
        return None
    seed = settings.sample_seed
    return Sample(settings.sample, secrets.randbelow(SEEDS) if seed is None else seed)
