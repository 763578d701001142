"""``python -m benchmarks.precision``: whether lower precisions change the results.

Runs one method of a grid with many seeds at each precision and compares the
distributions of its scores with those in float32: means in units of the difference's
standard error, and the two-sample Kolmogorov–Smirnov test.
"""

import math
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from scipy.stats import ks_2samp

from priorbench.bench.results.load import load_results
from priorbench.bench.results.result import Result
from priorbench.bench.results.tables import list_headlines
from priorbench.bench.study.beta import Beta, format_beta, make_sort_key
from priorbench.bench.study.grid import load_grid
from priorbench.bench.training.experiment import PRECISIONS
from priorbench.command_line import make_app
from priorbench.errors import UserError

Option = typer.Option

BASE = "fp32"
SCORES = ("reconstruction", "elbo")
"""Scores that are compared beside the headlines."""


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
    study = load_grid(grid, profile)
    others = precision or [name for name in PRECISIONS if name != BASE]
    runs = {}
    for name in [BASE, *others]:
        options = {
            "--grid": grid,
            "--only": method,
            "--seeds": str(seeds),
            "--device": device,
            "--precision": name,
            "--out": str(out / name),
        }
        if profile:
            options["--profile"] = profile
        runs[name] = train_method(options, out / name / study.name)
    Console(width=100).print(_make_table(runs))


def train_method(
    options: Mapping[str, str],
    folder: Path,
    environment: Mapping[str, str] | None = None,
) -> list[Result]:
    """Run ``bench.run`` and return the finished runs of a study.

    Args:
        options: of the command, with their values.
        folder: of the study.
        environment: variables that the command has beside those of this process.

    Raises:
        UserError: the command ends with an error.
    """
    words = [word for option in options.items() for word in option]
    done = subprocess.run(
        [sys.executable, "-m", "bench.run", *words],
        check=False,
        env={**os.environ, **(environment or {})},
    )
    if done.returncode:
        raise UserError(
            f"the runs in {folder} did not end well (exit {done.returncode})"
        )
    return [run for run in load_results(folder) if run.status == "finished"]


def _make_table(runs: dict[str, list[Result]]) -> Table:
    """Make a table with a row for each β, score and precision."""
    table = Table(
        "β", "score", "precision", "mean", "s.e.", "difference / s.e.", "KS p", box=None
    )
    scores = dict.fromkeys([*list_headlines(runs[BASE]), *SCORES])
    for beta in sorted({run.beta for run in runs[BASE]}, key=make_sort_key):
        for score in scores:
            base = _select_values(runs[BASE], beta, score)
            for name, results in runs.items():
                compared = compare_scores(_select_values(results, beta, score), base)
                table.add_row(format_beta(beta), score, name, *compared)
    return table


def _select_values(results: list[Result], beta: Beta, score: str) -> np.ndarray:
    return np.array([r.scores[score] for r in results if r.beta == beta])


def compare_scores(values: np.ndarray, base: np.ndarray) -> tuple[str, ...]:
    """Compare the scores of one precision with those of another.

    Returns:
        Mean, its standard error, the difference of means over its standard error, and
        the test's p, as text.

    Example:
        >>> compare_scores(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0]))
        ('2', '0.58', '+0.00', '1.00')
    """
    error = values.std(ddof=1) / math.sqrt(len(values))
    both = math.hypot(error, base.std(ddof=1) / math.sqrt(len(base)))
    difference = (values.mean() - base.mean()) / both
    p = ks_2samp(values, base).pvalue
    return f"{values.mean():.5g}", f"{error:.2g}", f"{difference:+.2f}", f"{p:.2f}"


app = make_app(main)

if __name__ == "__main__":
    app(prog_name="python -m benchmarks.precision")
