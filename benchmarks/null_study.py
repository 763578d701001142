"""``python -m benchmarks.null_study STUDY``: how often one method beats itself.

The seeds of each setting are split at random into two halves, as if they were of two
methods, and these are compared as the report compares methods. Whatever verdict is not
"not distinguishable" is wrong: it should be so in at most 5% of the splits.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from priorbench.bench.report.comparisons import Pair, compare_pairs
from priorbench.bench.report.study import make_study
from priorbench.bench.results.load import load_results
from priorbench.bench.results.manifest import read_manifest
from priorbench.bench.study.beta import format_beta
from priorbench.command_line import make_app
from priorbench.errors import UserError

FEWEST = 12
"""Seeds of a setting from which two halves can be told apart at all."""

LINE = "{:30} {:>5} {:>10}"


def main(
    study: Annotated[Path, typer.Argument(help="Folder of a study, runs/<grid>.")],
    score: Annotated[str, typer.Option(help="Column of a score.")] = "mig",
    splits: Annotated[int, typer.Option(min=1, help="Splits of each setting.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the splits.")] = 0,
) -> None:
    """Compare random halves of a setting's seeds; print how often they differ."""
    loaded = make_study(read_manifest(study), load_results(study))
    generator = np.random.default_rng(seed)
    rates = []
    typer.echo(LINE.format("setting", "seeds", "wrong"))
    for method, beta in dict.fromkeys((r.method, r.beta) for r in loaded.results):
        values = loaded.list_values(method, beta, score)
        if len(values) < FEWEST:
            continue
        rates.append(measure_wrong_verdicts(values, splits, generator))
        label = f"{method} β={format_beta(beta)}"
        typer.echo(LINE.format(label, len(values), f"{rates[-1]:.1%}"))
    if not rates:
        raise UserError(
            f"{study}: no setting has {FEWEST} seeds with the score {score!r}; run "
            "more of them (--seeds)"
        )
    typer.echo(f"{np.mean(rates):.1%} of the verdicts are wrong")


def measure_wrong_verdicts(
    values: np.ndarray, splits: int, generator: np.random.Generator
) -> float:
    """Return the share of random halves that are called better or worse.

    Args:
        values: of the seeds of one setting, (n,).
        splits: number of them.
        generator: draws the halves.
    """
    half = len(values) // 2
    wrong = 0
    for _ in range(splits):
        mixed = generator.permutation(values)
        pair = Pair("one half", "the other", mixed[:half], mixed[half : 2 * half])
        wrong += compare_pairs([pair])[0]["verdict"] != "not distinguishable"
    return wrong / splits


app = make_app(main)

if __name__ == "__main__":
    app(prog_name="python -m benchmarks.null_study")
