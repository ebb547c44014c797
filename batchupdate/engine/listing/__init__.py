"""A target's records by its list: page by page, each asked for until it is there, and never anywhere else."""

from batchupdate.engine.listing.page_client import RECORD, PageClient
from batchupdate.engine.listing.pager import Pager
from batchupdate.engine.listing.pages import Page, record_pages, unfit

__all__ = ["RECORD", "Page", "PageClient", "Pager", "record_pages", "unfit"]
