"""Diffusion on a sphere: densities and divergences of the heat kernel and the walk.

Both are zonal, functions of the angle to where they begin; all times are those of
Brownian motion whose generator is half the Laplacian. Everything is looked up in tables
that are made when they are first asked for (a second each), so that a density costs the
same at every time; float64.

The numerics are in :mod:`priorbench.priors.spheres.heat_kernel` and
:mod:`priorbench.priors.spheres.random_walk`.
"""

import math
from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np
import torch
from torch import Tensor

from priorbench.priors.numerics.columns import make_constant
from priorbench.priors.spheres import heat_kernel, random_walk
from priorbench.priors.spheres.geometry import log_surface_area
from priorbench.priors.spheres.tables import (
    SPACING,
    DensityTable,
    DivergenceTable,
    EvenNodes,
)
from priorbench.priors.spheres.zonal_series import Array

LOWEST, HIGHEST = -14.0, 5.0
"""Logs of the shortest and the longest time.

Below, float32 hardly tells points apart (the density's width is 1e-3); above, the
density is uniform to 1e-30.
"""

FEWEST = 32
"""Fewest harmonics of a table."""


def log_heat_kernel(
    chord: Tensor,
    t: Tensor,
    d: int,
) -> Tensor:
    """Return the heat kernel's log density in nats, for the surface measure.

    Absolute error below 1e-7 for t >= 1e-3 at every angle, d up to 40 and more; of the
    slope in log t below 1e-5.

    Args:
        chord: squared distance 2 - 2 cos θ, in 0 ... 4.
        t: time, clamped to exp(-14) ... exp(5); broadcast against ``chord``.
        d: dimension of the sphere S^d, >= 1.

    Returns:
        Float64.

    Example:
        >>> chord, t = torch.tensor([0.0, 4.0]), torch.tensor(0.3)
        >>> log_heat_kernel(chord, t, 3)
        tensor([ -0.8009, -13.0945], dtype=torch.float64)
    """
    table = _make_table(DensityTable, heat_kernel.log_density, chord.device, d)
    relative = table(chord.double(), t.double())
    return relative - log_surface_area(d + 1)


def kl_heat(
    t: Tensor,
    d: int,
) -> Tensor:
    """Return the KL of the heat kernel to the uniform distribution, in nats.

    Relative error below 1e-8.

    Example:
        >>> kl_heat(torch.tensor(0.1, dtype=torch.float64), 10)
        tensor(2.4578, dtype=torch.float64)
    """
    table = _make_table(DivergenceTable, heat_kernel.log_kl, t.device, d)
    return table(t.double())


def log_walk(
    chord: Tensor,
    time: Tensor,
    d: int,
    steps: int,
) -> Tensor:
    """Return the random walk's log density in nats, for the surface measure.

    Absolute error below 1e-7 down to e^-24 of the peak, for times >= 1e-3. From about
    e^-29 on the log density goes on linearly in the squared angle
    (:func:`priorbench.priors.spheres.random_walk.log_density`): it falls throughout,
    but is off by 0.05 at e^-30, and far more towards the antipode, where the true one
    levels off at about e^(-L/2T), L steps of total time T: by 80 nats at e^-54 for one
    step of T = 0.02. In many dimensions much of the mass is there, half of it for d =
    60.

    Args:
        chord: squared distance 2 - 2 cos θ, in 0 ... 4.
        time: steps times the variance of one; broadcast against ``chord``.
        d: dimension of the sphere S^d, >= 1.
        steps: number of steps, >= 1.

    Returns:
        Float64.
    """
    table = _make_table(DensityTable, random_walk.log_density, chord.device, d, steps)
    relative = table(chord.double(), time.double())
    return relative - log_surface_area(d + 1)


def kl_walk(
    time: Tensor,
    d: int,
    steps: int,
) -> Tensor:
    """Return the KL of the random walk to the uniform distribution, in nats.

    In many dimensions at short times it has the error of :func:`log_walk`'s tail:
    below 1e-3 up to d = 40, 0.3 for d = 60 and one step of T = 0.01, 1.6 for d = 100
    and one of T = 0.02.
    """
    table = _make_table(DivergenceTable, random_walk.log_kl, time.device, d, steps)
    return table(time.double())


def walk_harmonics(
    time: Tensor,
    degree: int,
    d: int,
    steps: int,
) -> Tensor:
    """Return the means of the Gegenbauer polynomials under the walk, from degree 1 on.

    Args:
        time: steps times the variance of one, (...).
        degree: the highest degree, >= 1.
        d: dimension of the sphere S^d, >= 1.
        steps: number of steps, >= 1.

    Returns:
        (..., degree), float64.
    """
    count = (
        1 << max(degree - 1, FEWEST - 1).bit_length()
    )  # few tables serve all degrees
    times, table = _make_harmonics_table(count, d, steps, time.device)
    start, weights = times.interpolate_time(time.double())
    log_step = sum(
        weight[..., None] * table[start + k, :degree]
        for k, weight in enumerate(weights)
    )
    return torch.exp(steps * log_step)


@lru_cache
def _make_harmonics_table(
    count: int,
    d: int,
    steps: int,
    device: torch.device,
) -> tuple[EvenNodes, Tensor]:
    times = EvenNodes.cover_range(*_walk_range(steps), SPACING)
    variance = np.exp(times.positions) / steps
    values = random_walk.log_harmonics(variance, count, d + 1)
    return times, make_constant(values, device)


@lru_cache
def _make_table(
    table: type[DensityTable | DivergenceTable],
    function: Callable[..., Array],
    device: torch.device,
    d: int,
    steps: int | None = None,
) -> DensityTable | DivergenceTable:
    """Make a table of the heat kernel, or of a walk of so many steps."""
    if steps is None:
        return table(partial(function, d=d), LOWEST, HIGHEST, device)
    walk = partial(function, d=d, steps=steps)
    return table(walk, *_walk_range(steps), device)


def _walk_range(steps: int) -> tuple[float, float]:
    """Return the logs of the times of walks with either step, v = t / L and v = t²."""
    return math.log(steps) + 2 * LOWEST, math.log(steps) + 2 * HIGHEST
