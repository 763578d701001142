r"""Tables of zonal laws on a sphere: densities by angle and time, divergences by time.

What is tabulated is smooth: the log density less that of the circle's heat kernel of the same
time, which has all that is sharp at small times. The first coordinate of the table is the log
time; the second runs over the squared chord s = sin²(θ/2), stretched at both ends to the scales
on which the law varies there, the time at θ = 0 and its square at the antipode. Between the
nodes: Lagrange's polynomial on 6 x 6 of them, of sixth order.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from torch import Tensor

from priorbench.priors.spheres.bessel import attach_slope
from priorbench.priors.spheres.geometry import make_constant
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
class Grid:
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
    def over(cls, low: float, high: float, step: float) -> "Grid":
        """Nodes from low to at least high."""
        return cls(low, step, int(np.ceil((high - low) / step)) + 1)

    @property
    def nodes(self) -> Array:
        """All nodes, (count,)."""
        return self.first + self.step * np.arange(self.count)

    def weights_at(self, time: Tensor) -> tuple[Tensor, list[Tensor]]:
        """As :meth:`weights` at the log of a time, clamped to that of the nodes."""
        low, high = np.exp(self.nodes[[0, -1]])
        return self.weights(torch.log(time.clamp(low, high)))

    def weights(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Index of the first of ``ORDER`` nodes about x, and the weight of each."""
        place = ((x - self.first) / self.step).clamp(0, self.count - 1)
        start = (place.detach().floor() - (ORDER // 2 - 1)).clamp(0, self.count - ORDER)
        offsets = [place - start - k for k in range(ORDER)]
        # of a time that is not a number the index is any, and the weights are not numbers
        return start.nan_to_num().long(), [
            _lagrange_weight(offsets, k) for k in range(ORDER)
        ]


def _lagrange_weight(offsets: list[Tensor], k: int) -> Tensor:
    """Lagrange's polynomial that is 1 at node k and 0 at the others."""
    others = [j for j in range(ORDER) if j != k]
    return prod(offsets[j] for j in others) / prod(k - j for j in others)


class DensityTable:
    """Log density of a zonal law relative to the uniform one, by angle and time.

    Args:
        law: (angles (rows, n), times (rows,)) -> log densities (rows, n).
        low: log of the lowest time.
        high: log of the highest time; times are clamped to these.
        device: where it is looked up.
    """

    def __init__(
        self,
        law: Callable[[Array, Array], Array],
        low: float,
        high: float,
        device: torch.device | str = "cpu",
    ) -> None:
        self.times = Grid.over(low, high, SPACING)
        self.places = Grid(0.0, 1.0 / (COLUMNS - 1), COLUMNS)
        time = np.exp(self.times.nodes)
        near, far = _end_scales(time[:, None])
        end = np.log1p(1 / near) + np.log1p(1 / far)
        grown = np.expm1(end * self.places.nodes)
        s = near * grown / (1 + (grown + 1) * near / (1 + far))
        s = np.clip(s, 0, 1)
        angle = 2 * np.arctan2(np.sqrt(s), np.sqrt(1 - s))
        circle = np.logaddexp.reduce(_image_exponents(angle, time[:, None]))
        self.values = make_constant((law(angle, time) - circle).flatten(), device)

    def __call__(self, chord: Tensor, time: Tensor) -> Tensor:
        """At squared distance ``chord`` in 0 ... 4 and ``time``, broadcast; float64."""
        time = time.clamp(*np.exp(self.times.nodes[[0, -1]]))
        s = (0.25 * chord).clamp(0, 1)
        near, far = _end_scales(time)
        place = torch.log1p(s / near) - torch.log1p(-s / (1 + far))
        place = place / (torch.log1p(1 / near) + torch.log1p(1 / far))
        row, down = self.times.weights_at(time)
        column, across = self.places.weights(place)
        first, total = row * COLUMNS + column, log_circle(s, time)
        for i, v in enumerate(down):
            line = sum(
                w * self._at(first, i * COLUMNS + j) for j, w in enumerate(across)
            )
            total = total + v * line
        return total

    def _at(self, first: Tensor, offset: int) -> Tensor:
        """Values ``offset`` behind the indices; an index into a slice costs no addition."""
        return self.values[offset:].index_select(0, first.flatten()).view(first.shape)


class DivergenceTable:
    """KL of a zonal law to the uniform distribution in nats, by time.

    Args:
        law: times (rows,) -> log KL (rows,).
        low: log of the lowest time.
        high: log of the highest time.
        device: where it is looked up.
    """

    def __init__(
        self,
        law: Callable[[Array], Array],
        low: float,
        high: float,
        device: torch.device | str = "cpu",
    ) -> None:
        self.times = Grid.over(low, high, FINE)
        self.values = make_constant(law(np.exp(self.times.nodes)), device)

    def __call__(self, time: Tensor) -> Tensor:
        """At each time; float64."""
        start, weights = self.times.weights_at(time)
        return torch.exp(sum(w * self.values[start + k] for k, w in enumerate(weights)))


def _end_scales(time: Tensor | Array) -> tuple:
    """Scales of s at both ends; at long times the law has no scale but the sphere's."""
    short = time / (1 + time)
    return NEAR * short, FAR * short**2 + FINEST


def _image_exponents(angle: Tensor | Array, time: Tensor | Array) -> list:
    """Exponents of the circle's heat kernel, of the angle and the next ones round the circle."""
    short = time / (1 + time)
    return [
        -((angle + turn) ** 2) / (2 * short) for turn in (0.0, -2 * np.pi, 2 * np.pi)
    ]


def log_circle(s: Tensor, time: Tensor) -> Tensor:
    """Log of the heat kernel of a circle but for a constant, at the time t / (1 + t).

    By s = sin²(θ/2), in which it is smooth where θ is not: at 0 and at the antipode.
    """
    fixed = s.detach()
    angle = 2 * torch.atan2(fixed.sqrt(), (1 - fixed).sqrt())
    short = (time / (1 + time)).detach()
    # both limits of the slope exist; this close to them it no longer changes
    inner = torch.minimum(angle.clamp(min=1e-6), np.pi - 1e-8 - 1e-4 * short)
    shares = torch.stack(_image_exponents(inner, time.detach())).softmax(0)
    turns = [inner, inner - 2 * np.pi, inner + 2 * np.pi]
    pull = sum(share * turn for share, turn in zip(shares, turns, strict=True))
    value = torch.stack(_image_exponents(angle, time)).logsumexp(0)
    return attach_slope(value, s, -2 * pull / (short * torch.sin(inner)))
