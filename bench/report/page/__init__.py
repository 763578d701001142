"""The report as one page that opens without a network: ``report.html``."""

from priorbench.bench.report.page.build import make_page

__all__ = ["make_page"]
