"""``python -m benchmarks.layers``: a block's step with our layers and with PyTorch's.

Both train the same seeds in turn; the ratio is the median over the rounds.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Annotated

import torch
import typer

from priorbench.bench.execution.plan import pick_device
from priorbench.bench.models.grey_convolution import GreyConvolution
from priorbench.bench.models.linear import Linear
from priorbench.bench.speed.timing import compute_ratio, time_interleaved
from priorbench.bench.speed.training import Case, make_experiment, make_stepper
from priorbench.bench.training.cuda_graph import CALLS_BEFORE_RECORDING
from priorbench.command_line import make_app, parse_settings
from priorbench.errors import prefix_errors

Option = typer.Option

LINE = "{:9} {:>5} {:>9} {:>9} {:>6}"


def main(
    device: Annotated[str, Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    seeds: Annotated[int, Option(min=1, help="Seeds of the block.")] = 2,
    precision: Annotated[
        list[str] | None, Option(help="fp32, tf32, bf16; may be repeated.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        Option("--set", metavar="KEY=VALUE", help="A key of the grid."),
    ] = None,
    rounds: Annotated[int, Option(min=1, help="Steps of each that are timed.")] = 9,
) -> None:
    """Print seconds of a step with both, and how many times faster ours is."""
    with prefix_errors("--device"):
        place = pick_device(device)
    overrides = parse_settings(settings or [])
    typer.echo(LINE.format("precision", "seeds", "PyTorch's", "ours", "ratio"))
    for name in precision or ["fp32", "bf16"]:
        case = Case("beta_vae", place, seeds, name, rounds, overrides)
        theirs, ours = time_layers(case)
        ratio = compute_ratio(theirs, ours)
        times = [f"{median(times):.3f} s" for times in (theirs, ours)]
        typer.echo(LINE.format(name, seeds, *times, f"{ratio:.2f}"))


def time_layers(case: Case) -> tuple[list[float], list[float]]:
    """Return the seconds of steps with PyTorch's layers and with ours, in turn."""
    experiment = make_experiment(case)
    pixels, batch = experiment.pixels(case.device), experiment.batch_size

    def make_step() -> Callable[[], object]:
        ensemble = experiment.make_ensemble(range(case.seeds), case.device)
        return make_stepper(ensemble, pixels, batch)

    step, plain_step = make_step(), make_step()

    def take_plain_step() -> None:
        with use_plain_layers():
            plain_step()

    actions = {"theirs": take_plain_step, "ours": step}
    warm_up = CALLS_BEFORE_RECORDING + 1
    with experiment.set_precision():
        found = time_interleaved(
            actions, case.rounds, torch.device(case.device), warm_up
        )
    return found["theirs"], found["ours"]


@contextmanager
def use_plain_layers() -> Iterator[None]:
    """Have our layers run as those of PyTorch that they replace."""
    kinds = (Linear, GreyConvolution)
    ours = [kind.forward for kind in kinds]
    for kind in kinds:
        kind.forward = kind.__base__.forward
    try:
        yield
    finally:
        for kind, forward in zip(kinds, ours, strict=True):
            kind.forward = forward


app = make_app(main)

if __name__ == "__main__":
    app(prog_name="python -m benchmarks.layers")
