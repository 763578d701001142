"""The cost and the chance level of metrics."""

import torch
from typer.testing import CliRunner

from benchmarks.metrics import FACTORS, app, list_all_metrics, make_noise
from priorbench import metrics


def invoke(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_each_metric_has_its_scores_and_its_time():
    done = invoke(
        "--rows", 1000, "--latents", 3, "--metric", "mcc", "--metric", "d_lsbd"
    )
    assert done.exit_code == 0, done.output
    head, *rows, total = done.output.splitlines()
    assert head.split() == ["metric", "column", "value", "error", "seconds", "CPU"]
    assert [row.split()[:2] for row in rows] == [
        ["mcc", "mcc"],
        ["mcc", "mcc_spearman"],
        ["d_lsbd", "d_lsbd"],
    ]
    assert "complete grid" in rows[-1]
    assert total.endswith("of the CPU")


def test_an_unknown_metric_is_a_users_error():
    done = invoke("--rows", 100, "--metric", "mgi")
    assert (done.exit_code, done.stderr) == (
        2,
        "error: --metric: unknown metric 'mgi'; did you mean 'mig'?\n",
    )


def test_the_default_preset_comes_first():
    names = list_all_metrics()
    default = list(metrics.PRESETS["default"])
    assert names[: len(default)] == default
    assert sorted(names) == metrics.registry.names()


def test_noise_has_all_that_metrics_need():
    codes = make_noise(rows=2000, latents=4, group_size=2)
    assert all(need.is_met(codes) for need in metrics.base.NEEDS.values())
    assert codes.factor_names == tuple(FACTORS)
    assert codes.groups == [[0, 1], [2, 3]]
    assert len(torch.unique(codes.factors, dim=0)) == 2000
    assert codes.representation.mean().abs() < 0.05
    again = make_noise(rows=2000, latents=4, group_size=2)
    assert torch.equal(codes.z, again.z)
