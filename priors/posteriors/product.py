"""Posteriors side by side, for products of priors."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from priorbench.priors.posteriors.base import (
    Groups,
    Parts,
    Posterior,
    PosteriorFamily,
)


@dataclass(frozen=True)
class ProductFamily(PosteriorFamily):
    r"""Independent posteriors side by side, :math:`q(z|x) = \prod_i q_i(z_i|x)`.

    The raw parameters are those of the parts side by side, (..., num_params).

    Args:
        parts: of each part, its family and its number of latents.

    Example:
        >>> from priorbench.priors import Gaussian, VonMisesFisher
        >>> parts = ((Gaussian(), 3), (VonMisesFisher(dims=(1,)), 2))
        >>> ProductFamily(parts)(torch.zeros(4, 9)).representation.shape
        torch.Size([4, 5])
    """

    parts: tuple[tuple[PosteriorFamily, int], ...]

    def __post_init__(self) -> None:
        """Make the parts a tuple, whatever sequence was given."""
        parts = [(family, dim) for family, dim in self.parts]
        object.__setattr__(self, "parts", tuple(parts))

    def __call__(self, params: Tensor) -> "ProductPosterior":
        """Return the posteriors of raw parameters, (..., num_params)."""
        return ProductPosterior(params, self)

    @property
    def dims(self) -> tuple[int, ...]:
        """Number of latents of each part."""
        return tuple(dim for _, dim in self.parts)

    def num_params(self, latent_dim: int) -> int:
        """Return the parts' numbers of parameters together."""
        return sum(family.num_params(dim) for family, dim in self.parts)

    def noise_dim(self, latent_dim: int) -> int:
        """Return the parts' numbers of standard normal variates together."""
        return sum(family.noise_dim(dim) for family, dim in self.parts)


class ProductPosterior(Posterior):
    """Independent posteriors side by side, of a :class:`ProductFamily`.

    Attributes:
        parts: the posterior of each part.
        dims: number of latents of each part.
    """

    family: ProductFamily

    def __init__(self, params: Tensor, family: ProductFamily) -> None:
        super().__init__(params, family)
        self.dims = family.dims
        sizes = [part.num_params(dim) for part, dim in family.parts]
        shares = params.split(sizes, dim=-1)
        families = [part for part, _ in family.parts]
        self.parts = [part(own) for part, own in zip(families, shares, strict=True)]

    @property
    def representation(self) -> Tensor:
        """The parts' representations side by side, (..., latent_dim)."""
        return torch.cat([q.representation for q in self.parts], dim=-1)

    def split(self, z: Tensor) -> tuple[Tensor, ...]:
        """Return the latents of each part, (..., latent_dim) -> each (..., dim)."""
        return z.split(self.dims, dim=-1)

    def rsample(self, noise: Tensor) -> Tensor:
        """Return a reparameterised draw of each part from its own share of the noise.

        Args:
            noise: standard normal, (..., noise_dim).

        Returns:
            z, (..., latent_dim).
        """
        sizes = [part.noise_dim(dim) for part, dim in self.family.parts]
        shares = noise.split(sizes, dim=-1)
        draws = [q.rsample(own) for q, own in zip(self.parts, shares, strict=True)]
        return torch.cat(draws, dim=-1)

    def log_prob(self, z: Tensor) -> Tensor:
        """Return the log density in nats, z (..., latent_dim) -> (...)."""
        points = self.split(z)
        return sum(q.log_prob(own) for q, own in zip(self.parts, points, strict=True))

    def log_prob_groups(self, z: Tensor, groups: Groups) -> Tensor:
        """Return the log density of each group in nats, (..., groups).

        That of a group is the sum over the parts that it lies in.

        Raises:
            ValueError: a coordinate does not exist, or a part has no density of its
                share.
        """
        points = self.split(z)

        def unbind_part(i: int, shares: Groups) -> Iterator[Tensor]:
            columns = self.parts[i].log_prob_groups(points[i], shares)
            yield from columns.unbind(-1)

        columns = list(self._sum_parts(groups, unbind_part))
        return torch.stack(columns, dim=-1)

    def log_prob_pairs(self, z: Tensor, groups: Groups) -> Iterator[Tensor]:
        """Yield the log density of every z under every posterior, (S, N), in nats.

        Args:
            z: S points, (S, latent_dim).
            groups: coordinates of each group; each gives one array.

        Raises:
            ValueError: as :meth:`log_prob_groups`.
        """
        points = self.split(z)

        def pair_part(i: int, shares: Groups) -> Iterator[Tensor]:
            yield from self.parts[i].log_prob_pairs(points[i], shares)

        return self._sum_parts(groups, pair_part)

    def entropy(self) -> Tensor:
        """Return the differential entropy in nats, (...).

        Raises:
            NotImplementedError: a part has no closed form.
        """
        return sum(q.entropy() for q in self.parts)

    def independent_parts(self) -> Parts:
        """Return the independent parts of each part, one part after the other."""
        parts = []
        for q, first in zip(self.parts, first_coordinates(self.dims), strict=True):
            for own, columns in q.independent_parts():
                coordinates = tuple(first + column for column in columns)
                parts.append((own, coordinates))
        return parts

    def _sum_parts(
        self, groups: Groups, evaluate_part: Callable[[int, Groups], Iterator[Tensor]]
    ) -> Iterator[Tensor]:
        """Yield the sum over the parts that each group lies in.

        Args:
            groups: coordinates of each group.
            evaluate_part: of a part and the groups' shares in it, a value for each.
        """
        shares = [self._share_group(group) for group in groups]
        values = []
        for i in range(len(self.parts)):
            own = [share[i] for share in shares if i in share]
            values.append(evaluate_part(i, own))
        for share in shares:
            yield sum(self._next_value(values[i], i) for i in share)

    def _next_value(self, values: Iterator[Tensor], i: int) -> Tensor:
        """Return the next value of part i; an error names the part."""
        try:
            return next(values)
        except ValueError as error:
            first = first_coordinates(self.dims)[i]
            last = first + self.dims[i] - 1
            raise ValueError(
                f"part {i} of the product, coordinates {first} to {last} counted from "
                f"{first}: {error}"
            ) from error

    def _share_group(self, group: Sequence[int]) -> dict[int, list[int]]:
        """Return a group's coordinates by part, counted from the part's first."""
        latent_dim = sum(self.dims)
        if not group or not set(group) <= set(range(latent_dim)):
            raise ValueError(
                f"a group must hold coordinates 0 to {latent_dim - 1}; got "
                f"{tuple(group)}"
            )
        shares = {}
        for i, first in enumerate(first_coordinates(self.dims)):
            end = first + self.dims[i]
            share = [c - first for c in group if first <= c < end]
            if share:
                shares[i] = share
        return shares


def first_coordinates(dims: Sequence[int]) -> list[int]:
    """Return the first coordinate of each part.

    Example:
        >>> first_coordinates((3, 2, 4))
        [0, 3, 5]
    """
    *first, _ = accumulate(dims, initial=0)
    return first
