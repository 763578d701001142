"""Spheres: their coordinates, areas, directions and tangents."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

import torch
from torch import Tensor

from priorbench.priors.numerics.columns import pick_columns

LOG_PI = math.log(math.pi)

SMALL = 1e-12
"""Vectors shorter than this have no direction; the first axis stands in for it."""

TINY = 1e-30
"""Length of the axis that stands in for a tangent of length zero."""


@dataclass(frozen=True)
class Layout:
    """The arrangement of a product's spheres among the coordinates.

    Attributes:
        dims: dimension k of each sphere S^k, in k + 1 coordinates.
        groups: coordinates of each sphere.
        runs: neighbouring spheres of one size, each with the number of coordinates m
            and that of the spheres; what is computed for a run needs no loop over
            spheres.
    """

    dims: tuple[int, ...]
    groups: tuple[tuple[int, ...], ...]
    runs: tuple[tuple[int, int], ...]

    @property
    def latent_dim(self) -> int:
        """Number of coordinates."""
        return sum(self.dims) + len(self.dims)

    def split(self, points: Tensor) -> list[Tensor]:
        """Return the coordinates of each run.

        Args:
            points: (..., latent_dim).

        Returns:
            For each of ``runs`` a tensor (..., count, m).
        """
        parts = points.split([m * count for m, count in self.runs], dim=-1)
        return [
            part.unflatten(-1, (count, m))
            for part, (m, count) in zip(parts, self.runs, strict=True)
        ]

    def join(self, parts: Sequence[Tensor]) -> Tensor:
        """Return the coordinates side by side: the inverse of :meth:`split`."""
        first, *rest = [part.flatten(-2) for part in parts]
        return torch.cat([first, *rest], dim=-1) if rest else first

    def split_values(self, values: Tensor) -> tuple[Tensor, ...]:
        """Return the spheres' values, (..., spheres), of each run, (..., count)."""
        return values.split([count for _, count in self.runs], dim=-1)


@lru_cache
def make_layout(dims: tuple[int, ...]) -> Layout:
    """Return the layout of spheres of dimensions ``dims``, side by side."""
    groups = []
    start = 0
    for k in dims:
        groups.append(tuple(range(start, start + k + 1)))
        start += k + 1
    runs = tuple((k + 1, len(list(own))) for k, own in groupby(dims))
    return Layout(dims, tuple(groups), runs)


def log_surface_area(m: int) -> float:
    """Return the log of the surface area of the unit sphere in m >= 1 coordinates.

    Example:
        >>> round(math.exp(log_surface_area(3)) / math.pi, 6)
        4.0
    """
    return math.log(2) + 0.5 * m * LOG_PI - math.lgamma(0.5 * m)


def normalise_vectors(raw: Tensor) -> Tensor:
    """Scale vectors to length 1; the first axis stands in for those of length 0.

    Args:
        raw: (..., m).

    Returns:
        (..., m), float64.
    """
    raw = raw.double()
    zero = torch.zeros_like(raw)
    first = zero[..., :1] + 1
    axis = torch.cat([first, zero[..., 1:]], dim=-1)
    square = raw.square().sum(-1, keepdim=True)
    safe = torch.where(square <= SMALL**2, axis, raw)  # NaN stays NaN
    return _divide_by_length(safe)


def _divide_by_length(vectors: Tensor) -> Tensor:
    return vectors / vectors.square().sum(-1, keepdim=True).sqrt()


def split_tangent(
    noise: Tensor,
    direction: Tensor,
) -> tuple[Tensor, Tensor]:
    """Take standard normal noise apart: its component along a direction, and the rest.

    Args:
        noise: standard normal, (..., m).
        direction: unit vectors, (..., m).

    Returns:
        The component, standard normal, (...); the direction of the rest, uniform among
        the unit vectors orthogonal to ``direction`` and independent of the component,
        (..., m).
    """
    along = (noise * direction).sum(-1)
    # where nothing is left, the axis that the direction is least along stands in
    least = direction.abs().argmin(-1, keepdim=True)
    index = torch.arange(direction.shape[-1], device=direction.device)
    axis = (index == least).to(direction)
    rest = noise - along[..., None] * direction + TINY * axis
    for _ in range(2):  # the second time takes away what rounding left of the first
        rest = _divide_by_length(rest)
        overlap = (rest * direction).sum(-1, keepdim=True)
        rest = rest - overlap * direction
    return along, _divide_by_length(rest)


def check_directions(
    direction: Tensor,
    concentration: Tensor | float,
    dims: tuple[int, ...],
) -> tuple[Tensor, Tensor]:
    """Return directions and concentrations of spheres as tensors that fit each other.

    Args:
        direction: vectors side by side, (..., latent_dim).
        concentration: of each sphere, (..., spheres), or one for all.
        dims: dimension k >= 1 of each sphere.

    Returns:
        Directions (..., latent_dim) and concentrations (..., spheres).

    Raises:
        ValueError: a direction of length zero, a negative concentration, one of them
            not finite, or shapes that do not fit ``dims``.
    """
    direction = torch.as_tensor(direction)
    if not direction.is_floating_point():
        direction = direction.to(torch.get_default_dtype())
    layout = make_layout(dims)
    if layout.latent_dim != direction.shape[-1]:
        raise ValueError(
            f"'direction' must have k + 1 coordinates for each sphere of 'dims' "
            f"{dims}, k >= 1; got {direction.shape[-1]}"
        )
    shape = (*direction.shape[:-1], len(dims))
    concentration = torch.as_tensor(concentration, dtype=direction.dtype)
    if concentration.ndim and concentration.shape != shape:
        raise ValueError(
            f"'concentration' must be one number, or have shape {shape}; got "
            f"{tuple(concentration.shape)}"
        )
    good = torch.isfinite(concentration) & (concentration >= 0)
    wrong = concentration[~good]
    if len(wrong):
        raise ValueError(
            f"'concentration' must be finite and >= 0; got {wrong[0].item():g}"
        )
    for group in layout.groups:
        length = pick_columns(direction, group).norm(dim=-1)
        if not (length > SMALL).all():
            raise ValueError(
                f"'direction' must not be zero or NaN; it is in the sphere {group}"
            )
    return direction, concentration.expand(shape)
