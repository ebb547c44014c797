"""How long to wait before the next try."""

from __future__ import annotations

import random

BASE_DELAY_S = 1.0
MAX_DELAY_S = 60.0


def retrying(message: str, patience_s: float) -> str:
    """The sentence for a person who waits while nothing gets through, for the reason of `message`."""
    return f"{message[:1].upper()}{message[1:]}; trying again, for up to {patience_s:.0f} s (--give-up-after)."


def delay_s(attempt: int, *, base_s: float = BASE_DELAY_S, cap_s: float = MAX_DELAY_S) -> float:
    """Seconds to wait after the n-th failure in a row (from 1): exponential, with a cap and full jitter.

    Full jitter, so that many workers or many runs don't come back at the same moment.
    """
    ceiling = min(cap_s, base_s * 2.0 ** min(attempt - 1, 32))
    return random.uniform(0.0, ceiling)  # noqa: S311 - jitter, no secret
