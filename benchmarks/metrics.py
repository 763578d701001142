"""``python -m benchmarks.metrics``: what each metric costs, and what it gives noise.

Codes of pure noise stand in for those of a model on dSprites. What a metric gives them
is its chance level: the value that a model must exceed to have learnt anything.
"""

import time
from dataclasses import replace
from math import log, prod
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from priorbench.command_line import make_app
from priorbench.errors import prefix_errors
from priorbench.metrics.base import Codes, registry
from priorbench.metrics.table import choose_metrics, score_all
from priorbench.priors.normal import Normal

Option = typer.Option

FACTORS = {"shape": 3, "scale": 6, "orientation": 40, "posX": 32, "posY": 32}
"""The factors of dSprites, and how many values each has."""

ROWS = prod(FACTORS.values())

SCALE = 0.1
"""Standard deviation of the posteriors; that of their means is 1."""

LINE = "{:19} {:26} {:>9} {:>9} {:>8} {:>8}"


def main(
    metric: Annotated[
        list[str] | None,
        Option(help="A metric or a preset; may be repeated. All without."),
    ] = None,
    rows: Annotated[
        int, Option(min=100, max=ROWS, help="Data points, out of the whole grid.")
    ] = ROWS,
    latents: Annotated[int, Option(min=1, help="Latents of the codes.")] = 10,
    group_size: Annotated[
        int, Option(min=1, help="Latents in a group of the prior.")
    ] = 1,
    seed: Annotated[int, Option(help="Seed of the noise.")] = 0,
) -> None:
    """Score codes of pure noise with dSprites' factors; print values and seconds.

    Metrics that read the same mutual informations compute them once: their cost is
    what they add to that of the metrics above them. On a shared machine the time of the
    CPU tells more than the seconds, and only with OMP_NUM_THREADS=1: threads that wait
    count too.
    """
    with prefix_errors("--metric"):
        chosen = choose_metrics(metric or list_all_metrics())
    codes = make_noise(rows, latents, group_size, seed)
    typer.echo(LINE.format("metric", "column", "value", "error", "seconds", "CPU"))
    total = total_cpu = 0.0
    for entry, arguments in chosen:
        start = time.process_time()
        table = score_all(codes, [{"name": entry.name, **arguments}])
        cpu_seconds = time.process_time() - start
        typer.echo(format_scores(table, cpu_seconds))
        total += table["seconds"].max()
        total_cpu += cpu_seconds
    typer.echo(f"{total:.1f} seconds in all, {total_cpu:.1f} of the CPU")


def list_all_metrics() -> list[str]:
    """Return the names of all metrics, those of the preset "default" first."""
    default = [metric.name for metric, _ in choose_metrics("default")]
    others = [name for name in registry.names() if name not in default]
    return default + others


def make_noise(rows: int, latents: int, group_size: int = 1, seed: int = 0) -> Codes:
    """Return codes that do not depend on the factors.

    Args:
        rows: data points, drawn from the complete grid of factors without replacement.
        latents: their number; the means are standard normal.
        group_size: latents in each group of the prior; the last may have fewer.
        seed: of means, draws and rows.

    Example:
        >>> codes = make_noise(rows=1000, latents=3, group_size=2)
        >>> codes.representation.shape, codes.factor_sizes, codes.groups
        (torch.Size([1000, 3]), (3, 6, 40, 32, 32), [[0, 1], [2]])
    """
    generator = np.random.default_rng(seed)
    points = np.sort(generator.choice(ROWS, rows, replace=False))
    values = np.stack(np.unravel_index(points, tuple(FACTORS.values())), axis=1)
    means = generator.standard_normal((rows, latents))
    first_latents = range(0, latents, group_size)
    codes = Codes.from_arrays(
        means,
        values,
        np.full_like(means, log(SCALE)),
        factor_names=list(FACTORS),
        groups=[
            list(range(first, min(first + group_size, latents)))
            for first in first_latents
        ],
        seed=seed,
    )
    return replace(
        codes,
        log_prior=Normal(latents).log_prob(codes.z),
        excluded=("shape",),
        cyclic=("orientation",),
    )


def format_scores(table: pd.DataFrame, cpu_seconds: float) -> str:
    """Return a line for each column of a metric, the reason where there is no value.

    Args:
        table: of one metric, as :func:`priorbench.metrics.table.score_all` makes it.
        cpu_seconds: that the CPU spent on it.

    Example:
        >>> row = {"metric": "mig", "column": "mig", "value": 0.25, "error": 0.0}
        >>> table = pd.DataFrame([{**row, "seconds": 1.5, "note": ""}])
        >>> format_scores(table, 1.25).split()
        ['mig', 'mig', '0.2500', '0.0000', '1.50', '1.25']
    """
    lines = []
    for row in table.itertuples():
        value, error = (
            "" if np.isnan(number) else f"{number:.4f}"
            for number in (row.value, row.error)
        )
        times = f"{row.seconds:.2f}", f"{cpu_seconds:.2f}"
        line = LINE.format(row.metric, row.column, value, error, *times)
        lines.append(f"{line}  {row.note}".rstrip())
    return "\n".join(lines)


app = make_app(main)

if __name__ == "__main__":
    app(prog_name="python -m benchmarks.metrics")
