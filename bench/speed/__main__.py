"""``python -m bench.speed``: how fast training, scoring and storage are here, side by side.

What is compared is timed in turn within one run. Each process has a core and trains seeds of its
own, as the runner does, and so has the plain loop.
"""

import json
import statistics
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import joblib
import torch
import typer
from rich.console import Console
from rich.table import Table

from priorbench.bench.execution import experiment, plan
from priorbench.command_line import make_app
from priorbench.errors import UserError, prefix_errors
from priorbench.bench.speed import machine, scoring, storage, table, training
from priorbench.bench.speed.training import Case

Option = typer.Option

SUBJECTS = ("training", "mig", "images", "records")
ADDED = ("images_per_second", "flops")
"""Figures that processes add up to; of the others the median is taken."""


def main(
    device: Annotated[str, Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    seeds: Annotated[
        int | None, Option(min=1, help="Seeds of a block; 1 on a CPU, 50 on a GPU.")
    ] = None,
    objective: Annotated[
        list[str] | None, Option(help="beta_vae or beta_tcvae; may be repeated.")
    ] = None,
    precision: Annotated[
        list[str] | None, Option(help="fp32, tf32, bf16; may be repeated.")
    ] = None,
    only: Annotated[list[str] | None, Option(help=f"Of {', '.join(SUBJECTS)}.")] = None,
    rounds: Annotated[int, Option(min=1, help="Times that each thing is timed.")] = 9,
    jobs: Annotated[
        int | None, Option(min=1, help="Processes; a core each by default.")
    ] = None,
    out: Annotated[
        Path | None, Option("--json", help="Write the figures there.")
    ] = None,
    debug: Annotated[
        bool, Option("--debug", help="Show the traceback of an error.")
    ] = False,
) -> None:
    """Measure the project's speed on this machine and print the ratios."""
    with prefix_errors("--device"):
        where = plan.pick_device(device)
    subjects = _check_names("--only", only, SUBJECTS)
    cases = [
        Case(name, where, seeds or (1 if where == "cpu" else 50), kind, rounds)
        for name in _check_names("--objective", objective, training.METHODS)
        for kind in _check_names(
            "--precision", precision or ["fp32"], experiment.PRECISIONS
        )
    ]
    workers = (
        jobs or plan.plan_machine([None] * 10**6, where, None, []).workers
        if where == "cpu"
        else 1
    )
    figures: dict[str, Any] = {
        "machine": machine.describe_machine(where, 1, workers),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    for subject, figure in _measure_subjects(subjects, cases, where, workers):
        figures[subject] = (
            [*figures.get(subject, []), figure] if subject == "training" else figure
        )
        if out is not None:  # at once: what has been measured is not lost
            with prefix_errors(f"cannot write {out}"):
                out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    _show_figures(figures)


def _measure_subjects(
    subjects: Sequence[str], cases: Sequence[Case], device: str, workers: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each subject's figures, of training those of each case, as they are measured."""
    if "training" in subjects:
        yield from (("training", _measure_training(case, workers)) for case in cases)
    torch.set_num_threads(workers)
    others = {
        "mig": lambda: scoring.measure_scoring(torch.device(device)),
        "images": storage.measure_images,
        "records": storage.measure_records,
    }
    for name, measure in others.items():
        if name in subjects:
            yield name, measure()


def _check_names(
    option: str, asked: Sequence[str] | None, known: Sequence[str]
) -> list[str]:
    for name in asked or []:
        if name not in known:
            raise UserError(
                f"'{option}' must be one of {', '.join(known)}; got {name!r}"
            )
    return list(asked or known)


def _measure_training(case: Case, workers: int) -> dict[str, Any]:
    """Figures of a case, measured by all processes at once."""
    found = joblib.Parallel(n_jobs=workers)(
        joblib.delayed(_measure_alone)(case) for _ in range(workers)
    )
    figures = {
        name: (sum if name in ADDED else statistics.median)(f[name] for f in found)
        for name in found[0]
    }
    return {
        "objective": case.objective,
        "precision": case.precision,
        "seeds": case.seeds,
        **figures,
    }


def _measure_alone(case: Case) -> dict[str, float]:
    torch.set_num_threads(1)
    return training.measure_training(case)


def _show_figures(figures: dict[str, Any]) -> None:
    console = Console()
    console.print(
        ", ".join(f"{k}: {v}" for k, v in figures["machine"].items()), highlight=False
    )
    shown = Table("what", "measured", box=None, pad_edge=False)
    for what, value in table.list_rows(figures):
        shown.add_row(what, value)
    console.print(shown)


app = make_app(main)

if __name__ == "__main__":
    app(prog_name="python -m bench.speed")
