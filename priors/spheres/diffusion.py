"""Diffusion on a sphere: densities and divergences of the heat kernel and of the random walk.

Both are zonal, functions of the angle to where they begin; all times are those of Brownian motion
whose generator is half the Laplacian. Everything is looked up in tables that are made when they
are first asked for (a second each), so that a density costs the same at every time; float64.
"""

import math
from functools import lru_cache, partial

import numpy as np
import torch
from torch import Tensor

from priorbench.priors.spheres import heat_kernel, random_walk
from priorbench.priors.spheres.geometry import make_constant, log_surface_area
from priorbench.priors.spheres.tables import (
    SPACING,
    DensityTable,
    DivergenceTable,
    Grid,
)

LOWEST, HIGHEST = -14.0, 5.0
"""Logs of the shortest and the longest time. Below, float32 hardly tells points of the law apart
(its width is 1e-3); above, the law is uniform to 1e-30."""


def log_heat_kernel(chord: Tensor, t: Tensor, d: int) -> Tensor:
    """Log density in nats with respect to the surface measure; see :mod:`priorbench.priors.spheres.heat_kernel`.

    Absolute error below 1e-7 for t >= 1e-3 at every angle, d up to 40 and more; of the slope in
    log t below 1e-5.

    Args:
        chord: squared distance 2 - 2 cos θ, in 0 ... 4.
        t: time, clamped to exp(-14) ... exp(5); broadcast against ``chord``.
        d: dimension of the sphere S^d, >= 1.

    Example:
        >>> chord, t = torch.tensor([0.0, 4.0]), torch.tensor(0.3)
        >>> log_heat_kernel(chord, t, 3)
        tensor([ -0.8009, -13.0945], dtype=torch.float64)
    """
    return _heat_density(d, chord.device)(
        chord.double(), t.double()
    ) - log_surface_area(d + 1)


def kl_heat(t: Tensor, d: int) -> Tensor:
    """KL of the heat kernel to the uniform distribution in nats; relative error below 1e-8.

    Example:
        >>> kl_heat(torch.tensor(0.1, dtype=torch.float64), 10)
        tensor(2.4578, dtype=torch.float64)
    """
    return _heat_divergence(d, t.device)(t.double())


def log_walk(chord: Tensor, time: Tensor, d: int, steps: int) -> Tensor:
    """Log density in nats of the random walk, with respect to the surface measure.

    Absolute error below 1e-7 down to e^-24 of the peak, for times >= 1e-3. From about e^-29 on the
    log density goes on linearly in the squared angle (:mod:`priorbench.priors.spheres.random_walk`): it falls throughout,
    but is off by 0.05 at e^-30, and far more towards the antipode, where the true one levels off
    at about e^(-L/2T), L steps of total time T: by 80 nats at e^-54 for one step of T = 0.02.
    In many dimensions much of the mass is there, half of it for d = 60.

    Args:
        chord: squared distance 2 - 2 cos θ, in 0 ... 4.
        time: steps times the variance of one; broadcast against ``chord``.
        d: dimension of the sphere S^d, >= 1.
        steps: number of steps, >= 1.
    """
    law = _walk_density(d, steps, chord.device)
    return law(chord.double(), time.double()) - log_surface_area(d + 1)


def kl_walk(time: Tensor, d: int, steps: int) -> Tensor:
    """KL of the random walk to the uniform distribution, nats."""
    return _walk_divergence(d, steps, time.device)(time.double())


def walk_harmonics(time: Tensor, degree: int, d: int, steps: int) -> Tensor:
    """Means of the Gegenbauer polynomials of degrees 1 ... degree under the walk, (..., degree)."""
    count = 1 << max(degree - 1, 31).bit_length()  # few tables serve all degrees
    grid, table = _walk_harmonics(count, d, steps, time.device)
    start, weights = grid.weights_at(time.double())
    return torch.exp(
        steps
        * sum(w[..., None] * table[start + k, :degree] for k, w in enumerate(weights))
    )


@lru_cache
def _heat_density(d: int, device: torch.device) -> DensityTable:
    return DensityTable(partial(heat_kernel.log_density, d=d), LOWEST, HIGHEST, device)


@lru_cache
def _heat_divergence(d: int, device: torch.device) -> DivergenceTable:
    return DivergenceTable(partial(heat_kernel.log_kl, d=d), LOWEST, HIGHEST, device)


def _walk_range(steps: int) -> tuple[float, float]:
    """Logs of the times that steps of either kind have, v = t / L and v = t²."""
    return math.log(steps) + 2 * LOWEST, math.log(steps) + 2 * HIGHEST


@lru_cache
def _walk_density(d: int, steps: int, device: torch.device) -> DensityTable:
    law = partial(random_walk.log_density, d=d, steps=steps)
    return DensityTable(law, *_walk_range(steps), device)


@lru_cache
def _walk_divergence(d: int, steps: int, device: torch.device) -> DivergenceTable:
    law = partial(random_walk.log_kl, d=d, steps=steps)
    return DivergenceTable(law, *_walk_range(steps), device)


@lru_cache
def _walk_harmonics(
    count: int, d: int, steps: int, device: torch.device
) -> tuple[Grid, Tensor]:
    grid = Grid.over(*_walk_range(steps), SPACING)
    variance = np.exp(grid.nodes) / steps
    return grid, make_constant(
        random_walk.log_harmonics(variance, count, d + 1), device
    )
