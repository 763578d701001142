"""The report of a study: tables and figures of its results."""

from priorbench.bench.report.write import write_report

__all__ = ["write_report"]
