import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from priorbench.bench.speed import __main__ as speed
from priorbench.bench.speed import table

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--objective", "beta_va"],
            "'--objective' must be one of beta_vae, beta_tcvae; got",
        ),
        (
            ["--precision", "fp64"],
            "'--precision' must be one of fp32, tf32, bf16; got 'fp64'",
        ),
        (
            ["--only", "mug"],
            "'--only' must be one of training, scoring, images, records; got 'mug'",
        ),
        (
            ["--set", "training.epoch=5", "--only", "training", "--jobs", "1"],
            "unknown key; did you mean 'epochs'?",
        ),
        (
            ["--set", "methods.0.prior=isa", "--objective", "beta_vae", "--jobs", "1"],
            "no method of grid 'dsprites_beta' has the prior 'normal'",
        ),
        (["--plugin", "none.py"], "plug-in 'none.py': there is no such file"),
        (
            ["--device", "gpu"],
            "--device: '--device' must be auto, cpu, cuda or cuda:N; got 'gpu'",
        ),
    ],
)
def test_bad_input_is_one_line(arguments, message):
    done = CliRunner().invoke(speed.app, arguments)
    assert done.exit_code == 2
    assert message in done.output


def test_measurements_are_written_and_shown(tmp_path, monkeypatch):
    case = {
        "seconds": 0.5,
        "images_per_second": 4096.0,
        "images_per_second_per_seed": 4096.0,
        "times_plain": 1.25,
        "product_share": 1.1,
        "flops": 3e11,
        "times_published": 4.04,
        "part_data": 0.015,
        "part_estimator": 0.5,
    }
    monkeypatch.setattr(speed, "_measure_alone", lambda c, plugins: dict(case))
    out = tmp_path / "speed.json"
    done = CliRunner().invoke(
        speed.app,
        [
            "--device",
            "cpu",
            "--only",
            "training",
            "--objective",
            "beta_vae",
            "--jobs",
            "1",
            "--json",
            str(out),
        ],
    )
    assert done.exit_code == 0, done.output
    assert "4.0 times faster" in done.output
    figures = json.loads(out.read_text())
    assert figures["machine"]["processes"] == 1
    assert figures["training"] == [
        {"objective": "beta_vae", "precision": "fp32", "seeds": 1, **case}
    ]


def test_a_file_that_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr(
        speed.storage,
        "measure_records",
        lambda: {"scan_seconds": 1, "report_seconds": 1},
    )
    done = CliRunner().invoke(
        speed.app,
        [
            "--device",
            "cpu",
            "--only",
            "records",
            "--json",
            str(tmp_path / "no" / "speed.json"),
        ],
    )
    assert done.exit_code == 2
    assert "cannot write" in done.output


def test_processes_add_up_to_images_and_not_to_ratios(monkeypatch):
    monkeypatch.setattr(
        speed,
        "_measure_alone",
        lambda c, plugins: {"images_per_second": 10.0, "times_plain": 2.0},
    )
    monkeypatch.setattr(
        speed.joblib,
        "Parallel",
        lambda n_jobs: lambda tasks: [function(*args) for function, args, _ in tasks],
    )
    found = speed._measure_training(speed.Case("beta_vae", "cpu"), 3, [])
    assert (found["images_per_second"], found["times_plain"]) == (30.0, 2.0)


def test_the_readmes_table_is_what_was_measured():
    figures = json.loads((ROOT / "benchmarks" / "results" / "cpu.json").read_text())
    assert table.format_table(figures) in (ROOT / "README.md").read_text(
        encoding="utf-8"
    )
