"""The run's truth: one SQLite file a run, written in group commits, with intent before action."""

from batchupdate.journal.records import Copy, Entry, Session
from batchupdate.journal.store import Journal

__all__ = ["Copy", "Entry", "Journal", "Session"]
