"""The GPU's check goes on after a step that fails, and keeps what there is."""

import itertools
import json
import subprocess
import sys

import pytest
import typer

from benchmarks import gpu_check, gpu_steps
from priorbench import priors
from priorbench.bench import objectives
from priorbench.bench.training.experiment import PRECISIONS


def yield_rows(device, size):
    yield {"device": device, "rounds": size.rounds}
    yield {"passed": False}
    raise RuntimeError("the device failed")


def test_rows_are_kept_of_a_step_that_fails(tmp_path, monkeypatch):
    mine = gpu_steps.Measurement(yield_rows, 60)
    monkeypatch.setitem(gpu_check.MEASUREMENTS, "mine", mine)
    out = tmp_path / "rows.json"
    with pytest.raises(RuntimeError, match="the device failed"):
        gpu_check.measure_step("mine", "cpu", True, out)
    rows = json.loads(out.read_text())
    assert rows == [{"device": "cpu", "rounds": 2}, {"passed": False}]


@pytest.mark.parametrize(
    ("name", "ends", "passed"),
    [
        ("speed", 0, True),
        ("speed", 1, False),
        ("speed", -9, False),
        ("speed", None, False),
        ("combinations", None, True),
        ("combinations", 1, False),
    ],
)
def test_how_a_step_ends(tmp_path, monkeypatch, name, ends, passed):
    """Of the combinations alone there are more than can be reached in time."""
    out = tmp_path / "check.json"

    def run(command, timeout, check):
        assert command[:3] == [sys.executable, "-m", "benchmarks.gpu_check"]
        assert "--small" in command
        path = command[command.index("--json") + 1]
        gpu_check.write_json(tmp_path / path, [{"passed": True}])
        if ends is None:
            raise subprocess.TimeoutExpired(command, timeout)
        return subprocess.CompletedProcess(command, ends)

    monkeypatch.setattr(subprocess, "run", run)
    step = gpu_check.run_step(name, "cpu", True, out)
    assert (step["passed"], step["rows"]) == (passed, [{"passed": True}])
    assert not list(tmp_path.iterdir())


def test_every_step_is_run_whatever_the_others_do(tmp_path, monkeypatch):
    out = tmp_path / "check.json"
    asked = []

    def run_step(name, *_):
        asked.append(name)
        passed = name != "speed"
        return {"status": "exit 1", "seconds": 1.0, "passed": passed, "rows": []}

    monkeypatch.setattr(gpu_check, "run_step", run_step)
    with pytest.raises(typer.Exit) as ended:
        gpu_check.main(device="cpu", small=True, only=None, out=out, step=None)
    assert ended.value.exit_code == 1
    assert asked == list(gpu_check.MEASUREMENTS)
    found = json.loads(out.read_text())
    assert found["steps"].keys() == gpu_check.MEASUREMENTS.keys()


def test_all_together_take_nine_minutes():
    measurements = gpu_check.MEASUREMENTS.values()
    assert sum(measurement.seconds for measurement in measurements) <= 9 * 60


@pytest.mark.parametrize(
    ("device", "recorded", "uncompiled", "passed"),
    [
        ("cuda", True, set(), True),
        ("cuda", False, set(), False),
        ("cuda", True, {"priors.log_bessel"}, False),
        ("cpu", False, set(), True),
    ],
)
def test_slow_steps_do_not_pass(monkeypatch, device, recorded, uncompiled, passed):
    monkeypatch.setattr(gpu_steps.compiled, "_failed", uncompiled)
    row = gpu_steps.judge_speed(device, recorded)
    assert row["passed"] == passed
    assert not gpu_steps.judge_speed(device, recorded, right=False)["passed"]


def test_every_prior_and_objective_is_compared():
    methods = gpu_steps.list_methods()
    prior, objective, precision = methods[0]
    first = prior["name"], objective["name"], precision
    assert first == ("normal", "beta_vae", "fp32")
    found = {(p["name"], o["name"], precision) for p, o, precision in methods}
    names = priors.registry.names(), objectives.registry.names(), PRECISIONS
    assert found == set(itertools.product(*names))
