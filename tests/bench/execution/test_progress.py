"""Progress: the live table and the plain lines."""

import io

import pytest
from rich.console import Console

from priorbench.bench.execution import progress
from tests.bench.synthetic_results import make_result


def record(seed=0, **changes):
    fields = {
        "beta": 1.5,
        "mig": 0.25,
        "reconstruction": -31.5,
        "timings": {"train_seconds": 60.0, "evaluate_seconds": 2.0},
    }
    return make_result("ISA-VAE", seed=seed, **{**fields, **changes})


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_plain_lines_where_the_output_is_no_terminal(clock):
    text = io.StringIO()
    with progress.Display(4, Console(file=text, width=200)) as shown:
        clock[0] = 10.0
        shown.show_progress(("ISA-VAE β=1.5 seed 0", 1, 1, 4, 1500.0))
        assert text.getvalue() == ""
        clock[0] = 40.0
        shown.show_progress(("ISA-VAE β=1.5 seed 0", 1, 2, 4, 1500.0))
        shown.show_finished("ISA-VAE β=1.5 seed 0", [record()])
        shown.show_finished(
            "x", [record(1, status="failed", scores={}, reason="the loss became nan")]
        )
    assert text.getvalue().splitlines() == [
        # half of one of four runs took 40 s: seven halves are left
        "        ISA-VAE β=1.5 seed 0: epoch 2 of 4, 1,500 images/s; 4.7 min left",
        "[1/4] ISA-VAE β=1.5 seed 0: mig 0.25, reconstruction -31.5 (62 s)",
        "[2/4] ISA-VAE β=1.5 seed 1: failed: the loss became nan",
    ]


def test_a_beta_for_each_group():
    assert progress.describe_run(record(beta=(1.0, 1.0, 8.0))).startswith(
        "ISA-VAE β=1/1/8 seed 0: mig"
    )


def test_a_block_counts_for_all_its_runs(clock):
    shown = progress.Display(100, Console(file=io.StringIO()))
    clock[0] = 60.0
    shown.show_progress(("block", 50, 10, 20, 1.0))
    assert shown._estimate_left() == "3.0 min left"  # 25 of 100 runs in a minute


def test_live_table_on_a_terminal():
    text = io.StringIO()
    console = Console(file=text, width=120, force_terminal=True)
    with progress.Display(2, console) as shown:
        shown.show_progress(("ISA-VAE β=1.5 seed 0", 1, 3, 20, 1234.0))
        shown.live.refresh()
        shown.show_finished("ISA-VAE β=1.5 seed 0", [record()])
    assert "3/20" in text.getvalue()
    assert "1,234" in text.getvalue()
    assert "mig 0.25, reconstruction -31.5" in text.getvalue()


@pytest.mark.parametrize(
    ("headlines", "line"),
    [
        (("dci", "mig"), "dci 0.5, mig 0.25, reconstruction -31.5"),
        (("log_likelihood",), "log_likelihood -30, elbo -40"),
        ((), "reconstruction -31.5"),
    ],
)
def test_the_scores_that_lead_are_shown(headlines, line):
    """In the order of the grid, with the reconstruction or the bound behind them."""
    scores = {
        "mig": 0.25,
        "dci": 0.5,
        "reconstruction": -31.5,
        "elbo": -40.0,
        "log_likelihood": -30.0,
    }
    shown = progress.describe_run(record(headlines=headlines, scores=scores))
    assert shown == f"ISA-VAE β=1.5 seed 0: {line} (62 s)"


def test_no_more_than_three_headlines():
    names = ("a", "b", "c", "d")
    result = record(headlines=names, scores=dict.fromkeys(names, 0.5))
    assert ": a 0.5, b 0.5, c 0.5 (62 s)" in progress.describe_run(result)


def test_scores_that_failed_are_named():
    result = record()
    failed = {"status": "failed", "reason": "ValueError: no", "values": {}}
    result.records["mig"] = result.records["mig"].model_copy(update=failed)
    assert progress.describe_run(result).endswith("(62 s); mig failed: ValueError: no")
