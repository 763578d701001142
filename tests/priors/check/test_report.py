"""The report of a check, printed."""

from priorbench.priors.check import Report, Result


def test_the_report_prints_figures_and_what_to_look_at():
    results = (
        Result("E[x]", False, 0.25, 0.001, look="the [scale]"),
        Result("shapes", True),
        Result("entropy", None, note="no closed form"),
    )
    report = Report("mine[1]", results)
    printed = str(report)
    for part in (
        "mine[1]",
        "E[x]: 0.25 is above 0.001. Look at the [scale].",
        "FAILS",
        "holds",
        "entropy: not checked, no closed form",
    ):
        assert part in printed
    assert not report.passed
    assert [r.name for r in report.unchecked] == ["entropy"]
