"""The journal → the files that people and programs read. Each of them can be rebuilt from the journal at any time."""

from batchupdate.reporter.plan_summary import Plan
from batchupdate.reporter.registry import write_reports
from batchupdate.reporter.report_html import RunDetails
from batchupdate.reporter.results_csv import iso
from batchupdate.reporter.summary import Retried, RunRows, Stopped, Summary, placed, write_summary
from batchupdate.reporter.verification import Verification

__all__ = [
    "Plan",
    "Retried",
    "RunDetails",
    "RunRows",
    "Stopped",
    "Summary",
    "Verification",
    "iso",
    "placed",
    "write_reports",
    "write_summary",
]
