"""``python -m benchmarks.precision``: whether lower precisions change the results.

Runs one method of a grid with many seeds at each precision and compares the distributions of its
scores with those in float32: means in units of the difference's standard error, and the
two-sample Kolmogorov–Smirnov test.
"""

import math
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from scipy.stats import ks_2samp

from priorbench.bench.results import store
from priorbench.bench.study.beta import format_beta
from priorbench.bench.execution.experiment import PRECISIONS
from priorbench.command_line import make_app
from priorbench.errors import UserError

Option = typer.Option

SCORES = ("mig", "reconstruction", "elbo")


def main(
    grid: Annotated[
        str, Option(help="A grid of the project, or a .toml file.")
    ] = "dsprites_beta",
    profile: Annotated[str | None, Option(help="One of its profiles.")] = "demo",
    method: Annotated[str, Option(help="One of its methods.")] = "β-VAE",
    seeds: Annotated[int, Option(min=2, help="Seeds of every setting.")] = 50,
    device: Annotated[str, Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    precision: Annotated[
        list[str] | None, Option(help="Those compared with fp32.")
    ] = None,
    out: Annotated[
        Path, Option(help="Folder of the runs, one in it for each precision.")
    ] = Path("runs/precision"),
) -> None:
    """Train METHOD at every precision and compare the scores with float32's."""
    others = precision or [name for name in PRECISIONS if name != "fp32"]
    found = {}
    for name in ["fp32", *others]:
        command = [
            sys.executable,
            "-m",
            "bench.run",
            "--grid",
            grid,
            "--only",
            method,
            "--seeds",
            str(seeds),
            "--device",
            device,
            "--precision",
            name,
            "--out",
            str(out / name),
        ]
        done = subprocess.run(command + (["--profile", profile] if profile else []))
        if done.returncode:
            raise UserError(
                f"the runs in {name} did not end well (exit {done.returncode})"
            )
        folder = next(path for path in sorted((out / name).iterdir()) if path.is_dir())
        found[name] = [r for r in store.load_records(folder) if r.status == "finished"]
    table = Table(
        "β", "score", "precision", "mean", "s.e.", "difference / s.e.", "KS p", box=None
    )
    for beta in sorted({r.beta for r in found["fp32"]}):
        for score in SCORES:
            base = _select_values(found["fp32"], beta, score)
            for name, runs in found.items():
                table.add_row(
                    format_beta(beta),
                    score,
                    name,
                    *compare_scores(_select_values(runs, beta, score), base),
                )
    Console(width=100).print(table)


def _select_values(runs: list[store.Record], beta: float, score: str) -> np.ndarray:
    return np.array([r.scores[score] for r in runs if r.beta == beta])


def compare_scores(values: np.ndarray, base: np.ndarray) -> tuple[str, ...]:
    """Mean, its standard error, the difference of means over its own, and the test's p.

    Example:
        >>> compare_scores(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0]))
        ('2', '0.58', '+0.00', '1.00')
    """
    error = values.std(ddof=1) / math.sqrt(len(values))
    both = math.hypot(error, base.std(ddof=1) / math.sqrt(len(base)))
    return (
        f"{values.mean():.5g}",
        f"{error:.2g}",
        f"{(values.mean() - base.mean()) / both:+.2f}",
        f"{ks_2samp(values, base).pvalue:.2f}",
    )


app = make_app(main)

if __name__ == "__main__":
    app(prog_name="python -m benchmarks.precision")
