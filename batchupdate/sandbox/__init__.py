"""A local API server that behaves like the built-in targets, with limits and faults on demand, and a record of it all.

It is for trying the product without a key, for tests, and for benchmarks. It checks requests by its own hand-written
reading of the API pages, so that it disagrees with the product when the product is wrong.

Names are loaded when they are first used: pytest imports this package at every start, in every project that has
batchupdate installed, and must not pay for a web server there.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batchupdate.sandbox.faults import Fault, Faults, Kind
    from batchupdate.sandbox.ledger import Applied, Counts, Seen
    from batchupdate.sandbox.records import ContactRecord, LangdockRecord, NairiRecord, Records, make_records
    from batchupdate.sandbox.server import Sandbox, run_in_thread, serve
    from batchupdate.sandbox.settings import CONTACTS_KEY, LANGDOCK_KEY, NAIRI_KEY, Options, Settings

__all__ = [
    "CONTACTS_KEY",
    "LANGDOCK_KEY",
    "NAIRI_KEY",
    "Applied",
    "ContactRecord",
    "Counts",
    "Fault",
    "Faults",
    "Kind",
    "LangdockRecord",
    "NairiRecord",
    "Options",
    "Records",
    "Sandbox",
    "Seen",
    "Settings",
    "make_records",
    "run_in_thread",
    "serve",
]

_HOMES = {
    "faults": ("Fault", "Faults", "Kind"),
    "ledger": ("Applied", "Counts", "Seen"),
    "records": ("ContactRecord", "LangdockRecord", "NairiRecord", "Records", "make_records"),
    "server": ("Sandbox", "run_in_thread", "serve"),
    "settings": ("CONTACTS_KEY", "LANGDOCK_KEY", "NAIRI_KEY", "Options", "Settings"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
