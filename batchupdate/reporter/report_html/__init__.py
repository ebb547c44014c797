"""`report.html`: one page to look at, in a single file that asks nobody for anything."""

from batchupdate.reporter.report_html.page import RunDetails, write_report_html

__all__ = ["RunDetails", "write_report_html"]
