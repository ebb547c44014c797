"""Whose turn it is: the rate, the burst, how many at once, and the one pause that holds everybody.

One idea a file: `gate` keeps a rate exactly, `pause` holds everybody, `told` reads what replies say of one limit,
`ledger` of all, `trust` says how far to believe it, `balance` counts what is given back at a rate that is not told,
`history` what was let in, `controller` finds the rate that an API allows, `in_flight` finds how many requests it takes
at once, `breaker` notices that it is down. `limiter` puts them together, and is all that the rest of the program sees.
docs/limiter.md says how it works and shows what it does.
"""

from batchupdate.limiter.limiter import Limiter
from batchupdate.limiter.pause import SHORTEST_HOLD_S

__all__ = ["SHORTEST_HOLD_S", "Limiter"]
