"""Whose turn it is: the rate, the burst, how many at once, and the one pause that holds everybody.

One idea a file; `limiter` puts them together, and is all that the rest of the program sees.
docs/limiter.md says how it works and shows what it does.
"""

from batchupdate.limiter.limiter import Lease, Limiter

__all__ = ["Lease", "Limiter"]
