"""Spheres: their coordinates, areas, directions and tangents."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from priorbench.priors.numerics.columns import pick_columns

LOG_PI = math.log(math.pi)

SMALL = 1e-12
"""Vectors shorter than this have no direction; the first axis stands in for it."""

TINY = 1e-30
"""Length of the axis that stands in for a tangent of length zero."""


Batch = tuple[int, tuple[int, ...], tuple[int, ...]]
"""Spheres of one size: number of coordinates, which spheres, their coordinates."""


@dataclass(frozen=True)
class Layout:
    """The arrangement of a product's spheres among the coordinates.

    Attributes:
        dims: dimension k of each sphere S^k, in k + 1 coordinates.
        groups: coordinates of each sphere.
        batches: for each number of coordinates m, the spheres that have it and all
            their coordinates; what is computed for a batch needs no loop over spheres.
    """

    dims: tuple[int, ...]
    groups: tuple[tuple[int, ...], ...]
    batches: tuple[Batch, ...]

    @property
    def latent_dim(self) -> int:
        """Number of coordinates."""
        return sum(self.dims) + len(self.dims)

    def split(self, points: Tensor) -> list[Tensor]:
        """Return the coordinates by size of sphere.

        Args:
            points: (..., latent_dim).

        Returns:
            For each of ``batches`` a tensor (..., count, m).
        """
        parts = []
        for m, spheres, columns in self.batches:
            part = pick_columns(points, columns)
            parts.append(part.unflatten(-1, (len(spheres), m)))
        return parts

    def join(self, parts: Sequence[Tensor]) -> Tensor:
        """Return the coordinates in their order again: the inverse of :meth:`split`."""
        return _restore_order(
            [part.flatten(-2) for part in parts],
            [columns for _, _, columns in self.batches],
        )

    def by_size(self, values: Tensor) -> list[Tensor]:
        """Return one value per sphere by size of sphere.

        Args:
            values: (..., spheres).

        Returns:
            For each of ``batches`` a tensor (..., count).
        """
        return [pick_columns(values, spheres) for _, spheres, _ in self.batches]

    def in_order(self, values: Sequence[Tensor]) -> Tensor:
        """Return the spheres' values in their order: the inverse of :meth:`by_size`."""
        return _restore_order(values, [spheres for _, spheres, _ in self.batches])


@lru_cache
def make_layout(dims: tuple[int, ...]) -> Layout:
    """Return the layout of spheres of dimensions ``dims``, side by side."""
    groups = []
    start = 0
    for k in dims:
        groups.append(tuple(range(start, start + k + 1)))
        start += k + 1
    batches = []
    for k in sorted(set(dims)):
        spheres = tuple(i for i, other in enumerate(dims) if other == k)
        columns = tuple(c for i in spheres for c in groups[i])
        batches.append((k + 1, spheres, columns))
    return Layout(dims, tuple(groups), tuple(batches))


def _restore_order(
    parts: Sequence[Tensor],
    columns: Sequence[tuple[int, ...]],
) -> Tensor:
    """Concatenate along the last dimension so that each column is where it belongs.

    Args:
        parts: each (..., n_i).
        columns: for each part, where its columns belong.
    """
    order = [column for own in columns for column in own]
    inverse = sorted(range(len(order)), key=order.__getitem__)
    joined = torch.cat(list(parts), dim=-1)
    return pick_columns(joined, tuple(inverse))


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
    safe = torch.where(square > SMALL**2, raw, axis)
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
