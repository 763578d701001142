"""Spheres: where they lie among the coordinates, their areas, directions and tangents."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

LOG_PI = math.log(math.pi)
SMALL = 1e-12
"""Vectors shorter than this have no direction; the first axis stands in for it."""


@dataclass(frozen=True)
class Layout:
    """Where the spheres of a product lie among the coordinates.

    Attributes:
        dims: dimension k of each sphere S^k, in k + 1 coordinates.
        groups: coordinates of each sphere.
        batches: for each number of coordinates m, the spheres that have it and all their
            coordinates; what is computed for a batch needs no loop over spheres.
    """

    dims: tuple[int, ...]
    groups: tuple[tuple[int, ...], ...]
    batches: tuple[tuple[int, tuple[int, ...], tuple[int, ...]], ...]

    @property
    def latent_dim(self) -> int:
        """Number of coordinates."""
        return sum(self.dims) + len(self.dims)

    def split(self, points: Tensor) -> list[Tensor]:
        """Coordinates (..., latent_dim) by size of sphere: for each batch (..., count, m)."""
        return [
            pick_columns(points, columns).unflatten(-1, (len(spheres), m))
            for m, spheres, columns in self.batches
        ]

    def join(self, parts: Sequence[Tensor]) -> Tensor:
        """The inverse of :meth:`split`."""
        return _restore_order(
            [part.flatten(-2) for part in parts],
            [columns for _, _, columns in self.batches],
        )

    def by_size(self, values: Tensor) -> list[Tensor]:
        """One value per sphere, (..., spheres): for each batch (..., count)."""
        return [pick_columns(values, spheres) for _, spheres, _ in self.batches]

    def in_order(self, values: Sequence[Tensor]) -> Tensor:
        """The inverse of :meth:`by_size`."""
        return _restore_order(values, [spheres for _, spheres, _ in self.batches])


@lru_cache
def make_layout(dims: tuple[int, ...]) -> Layout:
    """The layout of spheres of dimensions ``dims``, side by side."""
    first = [sum(dims[:i]) + i for i in range(len(dims))]
    groups = tuple(tuple(range(a, a + k + 1)) for a, k in zip(first, dims, strict=True))
    batches = []
    for k in sorted(set(dims)):
        spheres = tuple(i for i, other in enumerate(dims) if other == k)
        batches.append((k + 1, spheres, tuple(c for i in spheres for c in groups[i])))
    return Layout(dims, groups, tuple(batches))


def _restore_order(
    parts: Sequence[Tensor], places: Sequence[tuple[int, ...]]
) -> Tensor:
    """Concatenate along the last dimension, each column to its place."""
    order = [place for own in places for place in own]
    back = tuple(sorted(range(len(order)), key=order.__getitem__))
    return pick_columns(torch.cat(list(parts), dim=-1), back)


def pick_columns(values: Tensor, columns: tuple[int, ...]) -> Tensor:
    """Columns of the last dimension; neighbours in order are a view, which costs no copy."""
    first = columns[0]
    if columns == tuple(range(first, first + len(columns))):
        return values[..., first : first + len(columns)]
    return values[..., _index_tensor(columns, values.device)]


@lru_cache
def _index_tensor(columns: tuple[int, ...], device: torch.device) -> Tensor:
    """An index on the device: made once, since a transfer would make the device wait."""
    return make_constant(columns, device)


def make_constant(values: Any, device: torch.device | str) -> Tensor:
    """A tensor to keep, fit for autograd even if it is made in inference mode."""
    with torch.inference_mode(False):
        return torch.as_tensor(values).to(device)


def log_surface_area(m: int) -> float:
    """Log of the surface area of the unit sphere in m >= 1 coordinates.

    Example:
        >>> round(math.exp(log_surface_area(3)) / math.pi, 6)
        4.0
    """
    return math.log(2) + 0.5 * m * LOG_PI - math.lgamma(0.5 * m)


def normalise_vectors(raw: Tensor) -> Tensor:
    """Vectors (..., m) scaled to length 1, float64; the first axis where their length is 0."""
    raw = raw.double()
    axis = torch.zeros_like(raw[..., :1])
    axis = torch.cat([axis + 1, torch.zeros_like(raw[..., 1:])], dim=-1)
    safe = torch.where((raw.square().sum(-1, keepdim=True) > SMALL**2), raw, axis)
    return safe / safe.square().sum(-1, keepdim=True).sqrt()


def split_tangent(noise: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """Take standard normal noise apart, (..., m): its component along a direction, and the rest.

    Returns:
        The component, standard normal, (...); the direction of the rest, uniform among the unit
        vectors orthogonal to ``direction`` and independent of the component, (..., m).
    """
    along = (noise * direction).sum(-1)
    # where nothing is left, the axis that the direction is least along stands in
    least = direction.abs().argmin(-1, keepdim=True)
    axis = (torch.arange(direction.shape[-1], device=direction.device) == least).to(
        direction
    )
    rest = noise - along[..., None] * direction + 1e-30 * axis
    for _ in range(2):  # the second time takes away what rounding left of the first
        rest = rest / rest.square().sum(-1, keepdim=True).sqrt()
        rest = rest - (rest * direction).sum(-1, keepdim=True) * direction
    return along, rest / rest.square().sum(-1, keepdim=True).sqrt()


def check_directions(
    direction: Tensor, concentration: Tensor | float, dims: Sequence[int] | None
) -> tuple[Tensor, Tensor, tuple[int, ...]]:
    """Directions and concentrations of spheres as tensors that fit each other.

    Args:
        direction: vectors side by side, (..., latent_dim).
        concentration: of each sphere, (..., spheres), or one for all.
        dims: dimension of each sphere; None for one sphere of all coordinates.

    Returns:
        Directions (..., latent_dim), concentrations (..., spheres) and dimensions.

    Raises:
        ValueError: see :meth:`priors.spherical.Spherical.of`.
    """
    direction = torch.as_tensor(direction)
    if not direction.is_floating_point():
        direction = direction.to(torch.get_default_dtype())
    dims = (direction.shape[-1] - 1,) if dims is None else tuple(dims)
    spheres = make_layout(dims)
    if min(dims, default=0) < 1 or spheres.latent_dim != direction.shape[-1]:
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
    wrong = concentration[~(torch.isfinite(concentration) & (concentration >= 0))]
    if len(wrong):
        raise ValueError(
            f"'concentration' must be finite and >= 0; got {wrong[0].item():g}"
        )
    for group in spheres.groups:
        if not (pick_columns(direction, group).norm(dim=-1) > SMALL).all():
            raise ValueError(
                f"'direction' must not be zero nor NaN; it is in the sphere {group}"
            )
    return direction, concentration.expand(shape), dims
