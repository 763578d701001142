"""``python -m bench.speed``: the speed of training, scoring and storage here.

What is compared is timed in turn within one run. Each process has a core and trains
seeds of its own, as the runner does, and so does the plain loop.
"""

import json
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import joblib
import torch
import typer
from rich.console import Console
from rich.table import Table

from priorbench.bench.execution.plan import count_cores, pick_device
from priorbench.bench.speed import counts, scoring, storage, table, training
from priorbench.bench.speed.machine import describe_machine
from priorbench.bench.speed.training import Case
from priorbench.bench.training.experiment import PRECISIONS
from priorbench.command_line import Debug, Plugins, make_app, parse_settings
from priorbench.errors import UserError, prefix_errors
from priorbench.plugins import load_plugins

Option = typer.Option

SUBJECTS = ("training", "scoring", "images", "records")
BLOCK = 50
"""Seeds of a block on a GPU."""

ADDED = ("images_per_second", "flops")
"""Measurements that processes add up to; of the others the median is taken."""


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
    settings: Annotated[
        list[str] | None,
        Option(
            "--set",
            metavar="KEY=VALUE",
            help="A key of the grid that is timed, like training.batch_size=512.",
        ),
    ] = None,
    only: Annotated[list[str] | None, Option(help=f"Of {', '.join(SUBJECTS)}.")] = None,
    count: Annotated[
        bool,
        Option(
            "--count",
            help="Count the kernels and bytes of a GPU's steps; needs no GPU.",
        ),
    ] = False,
    rounds: Annotated[int, Option(min=1, help="Times that each thing is timed.")] = 9,
    jobs: Annotated[
        int | None, Option(min=1, help="Processes; one for each core by default.")
    ] = None,
    out: Annotated[
        Path | None, Option("--json", help="File to write the measurements to.")
    ] = None,
    plugin: Plugins = None,
    debug: Debug = False,
) -> None:
    """Measure the project's speed on this machine and print the ratios."""
    load_plugins(plugin or [])
    overrides = parse_settings(settings or [])
    with prefix_errors("--device"):
        where = pick_device(device)
    subjects = _check_names("--only", only, SUBJECTS)
    objectives = _check_names("--objective", objective, list(training.PLAIN_LOOPS))
    usual = ["fp32", "bf16"] if count else ["fp32"]
    precisions = _check_names("--precision", precision or usual, PRECISIONS)
    if count:
        counted = list(counts.list_counts(objectives, precisions, seeds or BLOCK))
        _print_rows(("a step", "kernels and bytes"), table.list_count_rows(counted))
        if out is not None:
            _write_json(out, {"counts": counted})
        return
    block = seeds or (1 if where == "cpu" else BLOCK)
    cases = [
        Case(name, where, block, kind, rounds, overrides)
        for name in objectives
        for kind in precisions
    ]
    workers = (jobs or count_cores()) if where == "cpu" else 1
    measured: dict[str, Any] = {
        "machine": describe_machine(where, 1, workers),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    for subject, found in _measure_subjects(subjects, cases, workers, plugin or []):
        if subject == "training":
            measured.setdefault(subject, []).append(found)
        else:
            measured[subject] = found
        if out is not None:  # at once: what has been measured is not lost
            _write_json(out, measured)
    machine = ", ".join(f"{key}: {value}" for key, value in measured["machine"].items())
    Console().print(machine, highlight=False)
    _print_rows(("what", "measured"), table.list_rows(measured))


def _write_json(out: Path, measured: Mapping[str, Any]) -> None:
    with prefix_errors(f"cannot write {out}"):
        out.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")


def _print_rows(titles: tuple[str, str], rows: Iterable[tuple[str, str]]) -> None:
    shown = Table(*titles, box=None, pad_edge=False)
    for row in rows:
        shown.add_row(*row)
    Console().print(shown)


def _check_names(
    option: str, asked: Sequence[str] | None, known: Sequence[str]
) -> list[str]:
    """Return the names that are asked for, or all."""
    for name in asked or []:
        if name not in known:
            raise UserError(
                f"'{option}' must be one of {', '.join(known)}; got {name!r}"
            )
    return list(asked or known)


def _measure_subjects(
    subjects: Sequence[str],
    cases: Sequence[Case],
    workers: int,
    plugins: Sequence[str],
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each subject and what was measured; of training each case."""
    if "training" in subjects:
        for case in cases:
            yield "training", _measure_training(case, workers, plugins)
    torch.set_num_threads(workers)
    if "scoring" in subjects:
        yield "scoring", scoring.measure_scoring(torch.device(cases[0].device))
    if "images" in subjects:
        yield "images", storage.measure_images()
    if "records" in subjects:
        yield "records", storage.measure_records()


def _measure_training(
    case: Case, workers: int, plugins: Sequence[str]
) -> dict[str, Any]:
    """Measure a case by all processes at once."""
    parallel = joblib.Parallel(n_jobs=workers)
    found = parallel(
        joblib.delayed(_measure_alone)(case, plugins) for _ in range(workers)
    )
    measured: dict[str, Any] = {
        "objective": case.objective,
        "precision": case.precision,
        "seeds": case.seeds,
    }
    for name in found[0]:
        combine = sum if name in ADDED else statistics.median
        measured[name] = combine(one[name] for one in found)
    return measured


def _measure_alone(case: Case, plugins: Sequence[str]) -> dict[str, float]:
    """Measure a case in this process, with one thread."""
    load_plugins(plugins)
    torch.set_num_threads(1)
    return training.measure_training(case)


app = make_app(main)

if __name__ == "__main__":
    app(prog_name="python -m bench.speed")
