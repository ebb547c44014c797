"""A target's current records, page by page, into a sheet that can be edited and run."""

from batchupdate.roundtrip.pull.pull import Pulled, listing_of, pull_records

__all__ = ["Pulled", "listing_of", "pull_records"]
