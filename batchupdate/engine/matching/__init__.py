"""Ids that are found by other fields: what the API lists, or finds, is compared with what rows say."""

from batchupdate.engine.matching.finder import finder_for

__all__ = ["finder_for"]
