"""``python -m benchmarks.agreement``: steps on the GPU held against the same steps on the CPU.

Random numbers come by counter, so that both devices have the same data, noise and start.
"""

import logging

import torch

from priorbench.bench.execution import worker, experiment
from priorbench.bench.execution.worker import Block
from priorbench.bench.speed.training import METHODS, Case, make_jobs

STEPS = 8
"""More than are taken before the step is recorded."""

TOLERANCE = {"fp32": 1e-4, "tf32": 2e-2, "bf16": 5e-2}
"""Largest relative difference of a loss."""


def compute_losses(case: Case, device: str) -> torch.Tensor:
    """Losses of the first steps, (steps, seeds), in nats per image."""
    own = make_jobs(case)
    pixels = experiment.load_pixels(own[0], device)
    ensemble = worker.make_ensemble(Block(own), device)
    batch = min(256, len(pixels))
    with experiment.set_precision(case.precision):
        return torch.stack(
            [ensemble.step(pixels, batch, 0, i, 1)[0] for i in range(STEPS)]
        ).cpu()


def main(device: str = "cuda") -> None:
    """Print the largest difference of each objective and precision; exit 1 if one is too large."""
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    failed = False
    for objective in METHODS:
        expected = compute_losses(Case(objective, "cpu", 2), "cpu")
        for precision, tolerance in TOLERANCE.items():
            got = compute_losses(Case(objective, device, 2, precision), device)
            difference = ((got - expected) / expected).abs().max().item()
            failed |= not difference < tolerance
            print(
                f"{objective} {precision}: largest relative difference {difference:.1e} "
                f"(at most {tolerance:.0e})"
            )
    raise SystemExit(int(failed))


if __name__ == "__main__":
    main()
