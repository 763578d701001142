r"""Tables of zonal densities by angle and time, and of divergences by time.

What is tabulated is smooth: the log density less that of the circle's heat kernel of
the same time, which has all that is sharp at small times. The first coordinate of the
table is the log time; the second, u from 0 to 1, runs over the squared chord
:math:`s = \sin^2(\theta/2)`, stretched at both ends to the scales on which the density
varies there, the time at θ = 0 and its square at the antipode:

.. math::
    u \propto \log\Big(1 + \frac sN\Big) - \log\Big(1 - \frac s{1 + F}\Big), \qquad
    N = 2\tau, \quad F = \tau^2 / 20, \quad \tau = \frac t{1 + t}

Between the nodes: Lagrange's polynomial on 6 x 6 of them, of sixth order.

In the code: ``near`` N, ``far`` F, ``tau`` τ.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from priorbench.priors.numerics.columns import make_constant
from priorbench.priors.numerics.quadrature import lagrange_weights
from priorbench.priors.spheres.bessel import attach_slope
from priorbench.priors.spheres.zonal_series import Array

ORDER = 6
"""Nodes of the interpolating polynomial in each coordinate."""

SPACING, COLUMNS = 0.05, 256
"""Of the density's table: step in log time, and number of nodes across the angles."""

FINE = 0.03
"""Of the divergence's table: step in log time."""

NEAR, FAR = 2.0, 0.05
"""Scales of s at θ = 0, per time, and at the antipode, per squared time."""

FINEST = 1e-12
"""Added to the latter: s next to 1 is not known more closely in float64."""


@dataclass(frozen=True)
class EvenNodes:
    """Equally spaced nodes.

    Attributes:
        first: the lowest.
        step: between neighbours.
        count: number of nodes.
    """

    first: float
    step: float
    count: int

    @classmethod
    def cover_range(
        cls,
        low: float,
        high: float,
        step: float,
    ) -> "EvenNodes":
        """Return the nodes from ``low`` to at least ``high``."""
        intervals = int(np.ceil((high - low) / step))
        return cls(low, step, intervals + 1)

    @property
    def positions(self) -> Array:
        """All nodes, (count,)."""
        return self.first + self.step * np.arange(self.count)

    def clamp_time(self, time: Tensor) -> Tensor:
        """Clamp a time to those of the nodes, which are log times."""
        low, high = np.exp(self.positions[[0, -1]])
        return time.clamp(low, high)

    def interpolate_time(self, time: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return what :meth:`interpolate` does, at the log of a time, clamped."""
        return self.interpolate(torch.log(self.clamp_time(time)))

    def interpolate(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the index of the first of ``ORDER`` nodes about x, and all weights."""
        position = (x - self.first) / self.step
        position = position.clamp(0, self.count - 1)
        below = ORDER // 2 - 1
        start = position.detach().floor() - below
        start = start.clamp(0, self.count - ORDER)
        weights = lagrange_weights(position - start, range(ORDER))
        # a time that is not a number has any index, and weights that are not numbers
        return start.nan_to_num().long(), weights


class DensityTable:
    """Log density relative to the uniform one, by angle and time.

    Args:
        log_density: (angles (rows, n), times (rows,)) -> log densities (rows, n).
        low: log of the lowest time.
        high: log of the highest time; times are clamped to these.
        device: where it is looked up.
    """

    def __init__(
        self,
        log_density: Callable[[Array, Array], Array],
        low: float,
        high: float,
        device: torch.device | str = "cpu",
    ) -> None:
        self.times = EvenNodes.cover_range(low, high, SPACING)
        self.columns = EvenNodes(0.0, 1.0 / (COLUMNS - 1), COLUMNS)
        time = np.exp(self.times.positions)
        near, far = _end_scales(time[:, None])
        length = np.log1p(1 / near) + np.log1p(1 / far)
        grown = np.expm1(length * self.columns.positions)
        s = near * grown / (1 + (grown + 1) * near / (1 + far))
        s = np.clip(s, 0, 1)
        angle = 2 * np.arctan2(np.sqrt(s), np.sqrt(1 - s))
        circle = np.logaddexp.reduce(_image_exponents(angle, time[:, None]))
        smooth = log_density(angle, time) - circle
        self.values = make_constant(smooth.flatten(), device)

    def __call__(
        self,
        chord: Tensor,
        time: Tensor,
    ) -> Tensor:
        """Look up the log density, in nats.

        Args:
            chord: squared distance, 0 ... 4.
            time: broadcast against ``chord``.

        Returns:
            Float64.
        """
        time = self.times.clamp_time(time)
        s = (0.25 * chord).clamp(0, 1)
        near, far = _end_scales(time)
        stretched = torch.log1p(s / near) - torch.log1p(-s / (1 + far))
        length = torch.log1p(1 / near) + torch.log1p(1 / far)
        u = stretched / length
        row, row_weights = self.times.interpolate(torch.log(time))
        column, column_weights = self.columns.interpolate(u)
        index = row * COLUMNS + column
        total = log_circle(s, time)
        for i, row_weight in enumerate(row_weights):
            line = sum(
                weight * self._pick_values(index, i * COLUMNS + j)
                for j, weight in enumerate(column_weights)
            )
            total = total + row_weight * line
        return total

    def _pick_values(
        self,
        index: Tensor,
        offset: int,
    ) -> Tensor:
        """Return the values ``offset`` behind an index; a slice costs no addition."""
        behind = self.values[offset:]
        return behind.index_select(0, index.flatten()).view(index.shape)


class DivergenceTable:
    """KL of a zonal density to the uniform one in nats, by time.

    Args:
        log_kl: times (rows,) -> log KL (rows,).
        low: log of the lowest time.
        high: log of the highest time.
        device: where it is looked up.
    """

    def __init__(
        self,
        log_kl: Callable[[Array], Array],
        low: float,
        high: float,
        device: torch.device | str = "cpu",
    ) -> None:
        self.times = EvenNodes.cover_range(low, high, FINE)
        values = log_kl(np.exp(self.times.positions))
        self.values = make_constant(values, device)

    def __call__(self, time: Tensor) -> Tensor:
        """Look up the KL at each time; float64."""
        start, weights = self.times.interpolate_time(time)
        log_kl = sum(
            weight * self.values[start + k] for k, weight in enumerate(weights)
        )
        return torch.exp(log_kl)


def _end_scales(time: Tensor | Array) -> tuple:
    """Return N and F; at long times the density has no scale but the sphere's."""
    tau = time / (1 + time)
    return NEAR * tau, FAR * tau**2 + FINEST


def _image_exponents(
    angle: Tensor | Array,
    time: Tensor | Array,
) -> list:
    """Return exponents of the circle's heat kernel at an angle and once round it."""
    tau = time / (1 + time)
    images = [angle + turn for turn in (0.0, -2 * np.pi, 2 * np.pi)]
    return [-(image**2) / (2 * tau) for image in images]


def log_circle(
    s: Tensor,
    time: Tensor,
) -> Tensor:
    r"""Return the log of a circle's heat kernel, but for a constant, at the time τ.

    By :math:`s = \sin^2(\theta/2)`, in which it is smooth where θ is not: at 0 and at
    the antipode.
    """
    fixed = s.detach()
    angle = 2 * torch.atan2(fixed.sqrt(), (1 - fixed).sqrt())
    value = torch.stack(_image_exponents(angle, time)).logsumexp(0)
    tau = (time / (1 + time)).detach()
    # both limits of the slope exist; this close to them it no longer changes
    furthest = np.pi - 1e-8 - 1e-4 * tau
    inner = torch.minimum(angle.clamp(min=1e-6), furthest)
    shares = torch.stack(_image_exponents(inner, time.detach())).softmax(0)
    images = [inner, inner - 2 * np.pi, inner + 2 * np.pi]
    pairs = zip(shares, images, strict=True)
    mean = sum(share * image for share, image in pairs)
    slope = -2 * mean / (tau * torch.sin(inner))
    return attach_slope(value, s, slope)
