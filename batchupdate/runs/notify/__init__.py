"""Tells people and programs of a run: when it begins, what it came to, and that it could not begin.

What is told comes from the journal, by way of the summary. Nothing that can't be delivered changes what a run does, nor
its exit code: it is said in the log, and in a notice.
"""

from batchupdate.runs.notify.announcer import Announcer

__all__ = ["Announcer"]
