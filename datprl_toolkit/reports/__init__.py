"""Pictures and pages from results, for a person to look at."""

from datprl_toolkit.reports.page import check_report, write_report
from datprl_toolkit.reports.preview import write_preview
from datprl_toolkit.reports.report import Part, Report

__all__ = ["Part", "Report", "check_report", "write_preview", "write_report"]
