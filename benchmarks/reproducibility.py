"""``python -m benchmarks.reproducibility``: how equal runs of the same seeds are.

Trains one method of a grid three times, on one thread: twice alike, and once with the
processor's older instructions, which add up in another order, as other machines do.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.precision import train_method
from priorbench.bench.results.result import Result
from priorbench.bench.results.tables import list_headlines
from priorbench.bench.study.grid import load_grid
from priorbench.command_line import make_app

Option = typer.Option

FIRST = "first"
VARIANTS: Mapping[str, Mapping[str, str]] = {
    FIRST: {},
    "again": {},
    "AVX2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
    },
}
"""Variables of the environment with which each is trained."""

LINE = "{:10} {:>15} {:16} {:>12} {:>16}"


def main(
    grid: Annotated[
        str, Option(help="A grid of the project, or a .toml file.")
    ] = "dsprites_beta",
    profile: Annotated[str | None, Option(help="One of its profiles.")] = "laptop",
    method: Annotated[str, Option(help="One of its methods.")] = "ISA-VAE",
    beta: Annotated[float, Option(help="Its strength.")] = 4.0,
    seeds: Annotated[int, Option(min=2, help="Seeds that are trained.")] = 2,
    out: Annotated[Path, Option(help="Folder of the runs.")] = Path(
        "runs/reproducibility"
    ),
) -> None:
    """Train METHOD three times; print how far its scores are from the first ones.

    The differences of two scores are the largest over the seeds, beside the standard
    deviation over the seeds.
    """
    name = load_grid(grid, profile).name
    options = {
        "--grid": grid,
        "--only": method,
        "--set": f"beta=[{beta}]",
        "--seeds": str(seeds),
        "--device": "cpu",
        "--jobs": "1",
    }
    if profile:
        options["--profile"] = profile
    runs = {}
    for variant, environment in VARIANTS.items():
        folder = out / variant
        chosen = {"OMP_NUM_THREADS": "1", **environment}
        runs[variant] = train_method(
            {**options, "--out": str(folder)}, folder / name, chosen
        )
    typer.echo(
        LINE.format("run", "equal scores", "score", "difference", "sd over seeds")
    )
    for variant in list(VARIANTS)[1:]:
        for row in compare_runs(runs[FIRST], runs[variant]):
            typer.echo(LINE.format(variant, *row))


def compare_runs(
    first: list[Result], other: list[Result]
) -> list[tuple[str, str, str, str]]:
    """Compare the scores of the same seeds.

    Returns:
        For the first headline score and for the reconstruction: how many of all scores
        are equal bit by bit, the score's name, the largest difference over the seeds,
        and the standard deviation over the seeds of the first.
    """
    found = {run.id: run.scores for run in other}
    pairs = [
        (run.scores[score], found[run.id][score])
        for run in first
        for score in run.scores
    ]
    equal = sum(a == b or (a != a and b != b) for a, b in pairs)
    rows = []
    for score in (list_headlines(first)[0], "reconstruction"):
        values = np.array([run.scores[score] for run in first])
        others = np.array([found[run.id][score] for run in first])
        difference = np.abs(others - values).max()
        rows.append(
            (
                f"{equal} of {len(pairs)}",
                score,
                f"{difference:.2g}",
                f"{values.std(ddof=1):.2g}",
            )
        )
    return rows


app = make_app(main)

if __name__ == "__main__":
    app(prog_name="python -m benchmarks.reproducibility")
