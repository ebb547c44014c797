"""What reports say of outcomes, and which rows they list as failures."""

from __future__ import annotations

from batchupdate.model import SUCCEEDED, Outcome

MEANINGS = {
    Outcome.UPDATED: "the API confirmed the change",
    Outcome.ACCEPTED: "the API will do it later",
    Outcome.UNCHANGED: "nothing was to be done",
    Outcome.INVALID: "breaks a rule; never sent",
    Outcome.CONFLICT: "the record is not as expected; nothing was written",
    Outcome.FAILED: "the API refused it, or kept failing",
    Outcome.UNKNOWN: "sent, and no answer came: may or may not be applied",
    Outcome.NOT_ATTEMPTED: "the run stopped before it",
}

NO_FAILURES = SUCCEEDED | {Outcome.NOT_ATTEMPTED}
"""The outcomes of rows that nothing went wrong with."""
