"""The dictionary of columns."""

from pathlib import Path

from priorbench.bench.report.columns import COLUMNS, OTHER, describe_columns

ROOT = Path(__file__).parents[3]


def test_the_first_pattern_that_fits_counts():
    described = describe_columns(["mig_error", "mig_posX", "sap_groups", "mine"])
    assert described["mig_error"] == COLUMNS["mig_error"]
    assert described["mig_posX"] == COLUMNS["mig_*"]
    assert described["sap_groups"] == COLUMNS["*_groups"]
    assert described["mine"] == OTHER


def test_the_page_on_reports_has_the_same_words():
    text = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
    for name, words in COLUMNS.items():
        escaped = words.replace("|", r"\|")
        assert f"| `{name}` | {escaped} |" in text
