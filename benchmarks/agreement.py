"""``python -m benchmarks.agreement``: steps on the GPU compared with those on the CPU.

Random numbers come by counter, so that both devices have the same data, noise and
start.
"""

import logging

import torch

from priorbench.bench.speed.training import PLAIN_LOOPS, Case, make_experiment

STEPS = 8
"""More than are taken before the step is recorded."""

BATCH = 256

TOLERANCE = {"fp32": 1e-4, "tf32": 2e-2, "bf16": 5e-2}
"""Largest relative difference of a loss."""


def compute_losses(case: Case, device: str) -> torch.Tensor:
    """Compute the losses of the first steps, (steps, seeds), in nats per image."""
    experiment = make_experiment(case)
    ensemble = experiment.make_ensemble(range(case.seeds), device)
    pixels = experiment.pixels(device)
    batch = min(BATCH, len(pixels))
    losses = []
    with experiment.set_precision():
        for position in range(STEPS):
            loss, _ = ensemble.step(pixels, batch, 0, position, 1)
            losses.append(loss)
        return torch.stack(losses).cpu()


def main(device: str = "cuda") -> None:
    """Print the largest difference of each objective and precision.

    Raises:
        SystemExit: with status 1 if a difference is too large, with 0 otherwise.
    """
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    failed = False
    for objective in PLAIN_LOOPS:
        expected = compute_losses(Case(objective, "cpu", 2), "cpu")
        for precision, tolerance in TOLERANCE.items():
            found = compute_losses(Case(objective, device, 2, precision), device)
            relative = (found - expected) / expected
            difference = relative.abs().max().item()
            failed |= not difference < tolerance
            print(
                f"{objective} {precision}: largest relative difference "
                f"{difference:.1e} (at most {tolerance:.0e})"
            )
    raise SystemExit(int(failed))


if __name__ == "__main__":
    main()
