"""Posteriors side by side, for products of priors."""

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

import torch
from torch import Tensor

from priorbench.priors.posteriors.base import Family, Groups, Posterior

Part = tuple[type[Posterior] | Family, int]


def first_coordinates(dims: Sequence[int]) -> list[int]:
    """The first coordinate of each part.

    Example:
        >>> first_coordinates((3, 2, 4))
        [0, 3, 5]
    """
    return list(accumulate(dims, initial=0))[:-1]


class ProductPosterior(Posterior):
    r"""Independent posteriors side by side, :math:`q(z|x) = \prod_i q_i(z_i|x)`.

    Args:
        params: raw parameters of the parts side by side, (..., num_params).
        parts: of each part, its family and its number of latents.

    Attributes:
        parts: the posterior of each part.

    Example:
        >>> from priorbench.priors import Gaussian, VonMisesFisher
        >>> parts = ((Gaussian, 3), (VonMisesFisher.family(dims=(1,)), 2))
        >>> ProductPosterior(torch.zeros(4, 9), parts=parts).representation.shape
        torch.Size([4, 5])
    """

    def __init__(self, params: Tensor, parts: Sequence[Part]) -> None:
        super().__init__(params, parts=tuple(parts))
        self.dims = tuple(dim for _, dim in parts)
        sizes = [family.num_params(dim) for family, dim in parts]
        self.parts = [
            family(raw)
            for (family, _), raw in zip(parts, params.split(sizes, dim=-1), strict=True)
        ]

    @staticmethod
    def num_params(latent_dim: int, parts: Sequence[Part] = ()) -> int:
        """The parts' numbers of parameters together."""
        return sum(family.num_params(dim) for family, dim in parts)

    @staticmethod
    def noise_dim(latent_dim: int, parts: Sequence[Part] = ()) -> int:
        """The parts' numbers of standard normal variates together."""
        return sum(family.noise_dim(dim) for family, dim in parts)

    @property
    def representation(self) -> Tensor:
        """The parts' representations side by side, (..., latent_dim)."""
        return torch.cat([q.representation for q in self.parts], dim=-1)

    def split(self, z: Tensor) -> tuple[Tensor, ...]:
        """The latents of each part, (..., latent_dim) -> each (..., its latents)."""
        return z.split(self.dims, dim=-1)

    def rsample(self, noise: Tensor) -> Tensor:
        """Reparameterised draw of each part from its own share of the noise, (..., latent_dim)."""
        sizes = [family.noise_dim(dim) for family, dim in self.settings["parts"]]
        return torch.cat(
            [
                q.rsample(own)
                for q, own in zip(self.parts, noise.split(sizes, dim=-1), strict=True)
            ],
            dim=-1,
        )

    def log_prob(self, z: Tensor) -> Tensor:
        """Log density, z (..., latent_dim) -> (...), in nats."""
        return sum(
            q.log_prob(own) for q, own in zip(self.parts, self.split(z), strict=True)
        )

    def log_prob_groups(self, z: Tensor, groups: Groups) -> Tensor:
        """Log density of each group, (..., groups), in nats: the sum over the parts it lies in.

        Raises:
            ValueError: coordinates that are not there, or a part has no density of its share.
        """

        def of_part(i: int, own: Groups) -> Iterator[Tensor]:
            yield from self.parts[i].log_prob_groups(self.split(z)[i], own).unbind(-1)

        return torch.stack(list(self._over_parts(groups, of_part)), dim=-1)

    def log_prob_pairs(self, z: Tensor, groups: Groups) -> Iterator[Tensor]:
        """Log density of every z under every posterior, one group at a time: each (S, N), nats.

        Raises:
            ValueError: as :meth:`log_prob_groups`.
        """

        def of_part(i: int, own: Groups) -> Iterator[Tensor]:
            yield from self.parts[i].log_prob_pairs(self.split(z)[i], own)

        return self._over_parts(groups, of_part)

    def entropy(self) -> Tensor:
        """Differential entropy (...), in nats.

        Raises:
            NotImplementedError: a part has no closed form.
        """
        return sum(q.entropy() for q in self.parts)

    def blocks(self) -> list[tuple[Posterior, tuple[int, ...]]]:
        """The parts' blocks, one after the other."""
        return [
            (block, tuple(first + c for c in columns))
            for q, first in zip(self.parts, first_coordinates(self.dims), strict=True)
            for block, columns in q.blocks()
        ]

    def _over_parts(
        self, groups: Groups, of_part: Callable[[int, Groups], Iterator[Tensor]]
    ) -> Iterator[Tensor]:
        """Sum over the parts that each group lies in; ``of_part`` goes through a part's groups."""
        shares = [self._shares(group) for group in groups]
        streams = {
            i: of_part(i, [share[i] for share in shares if i in share])
            for i in range(len(self.parts))
        }
        for share in shares:
            yield sum(self._next(streams[i], i) for i in share)

    def _next(self, stream: Iterator[Tensor], i: int) -> Tensor:
        try:
            return next(stream)
        except ValueError as error:
            first = first_coordinates(self.dims)[i]
            raise ValueError(
                f"part {i} of the product, coordinates {first} to "
                f"{first + self.dims[i] - 1} counted from {first}: {error}"
            ) from error

    def _shares(self, group: Sequence[int]) -> dict[int, list[int]]:
        """A group's coordinates by part, counted from the part's first."""
        if not group or not set(group) <= set(range(sum(self.dims))):
            raise ValueError(
                f"a group must hold coordinates 0 to {sum(self.dims) - 1}; "
                f"got {tuple(group)}"
            )
        shares = {
            i: [c - first for c in group if first <= c < first + dim]
            for i, (first, dim) in enumerate(
                zip(first_coordinates(self.dims), self.dims, strict=True)
            )
        }
        return {i: share for i, share in shares.items() if share}
