"""The report of a study: tables and figures of the records in a folder."""

from priorbench.bench.report.write import write_report

__all__ = ["write_report"]
