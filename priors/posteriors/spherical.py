"""Posteriors on products of spheres: what von Mises–Fisher and the others share."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn.functional import softplus

from priorbench.priors.spheres.inversion import Polar
from priorbench.priors.spheres.geometry import (
    check_directions,
    make_layout,
    log_surface_area,
    pick_columns,
    split_tangent,
    normalise_vectors,
)
from priorbench.priors.posteriors.base import Groups, Posterior


class Spherical(Posterior):
    """Independent densities on spheres, each a function of the angle to its direction.

    A family defines the hooks below, elementwise in the concentration and in float64. Densities
    are with respect to the surface measure.

    Args:
        params: directions side by side, one raw concentration per sphere behind them,
            (..., sum(dims) + 2 * len(dims)).
        dims: dimension k >= 1 of each sphere S^k.
        settings: the family's own.

    Attributes:
        direction: of each sphere, unit vectors side by side, float64 (..., latent_dim).
        concentration: of each sphere, >= 0, float64 (..., spheres); 0 is uniform.
    """

    def __init__(
        self, params: Tensor, dims: Sequence[int] = (), **settings: Any
    ) -> None:
        super().__init__(params, dims=tuple(dims), **settings)
        if not dims:
            name = type(self).__name__
            raise ValueError(
                f"{name} needs 'dims', the dimension of each sphere, like "
                f"posterior = {name}.family(dims=(2,))"
            )
        self.layout = make_layout(tuple(dims))
        size = self.layout.latent_dim
        self._check_width("params", params, size + len(dims))
        vectors = self.layout.split(params[..., :size])
        self.direction = self.layout.join([normalise_vectors(raw) for raw in vectors])
        self.concentration = self.positive(params[..., size:].double())

    @staticmethod
    def num_params(latent_dim: int, dims: Sequence[int] = (), **settings: Any) -> int:
        """A direction and a concentration for each sphere."""
        return latent_dim + len(dims)

    @classmethod
    def of(
        cls,
        direction: Tensor,
        concentration: Tensor | float,
        dims: Sequence[int] | None = None,
        **settings: Any,
    ) -> Self:
        """Posteriors with given directions and concentrations.

        Args:
            direction: vectors of any length but zero, side by side, (..., latent_dim).
            concentration: of each sphere, >= 0, (..., spheres) or one for all.
            dims: dimension of each sphere; one sphere by default.
            settings: the family's own.

        It looks at values, so it is for a notebook; inside a density, which is evaluated for many
        seeds at once, call the class with raw parameters.

        Raises:
            ValueError: a direction of length zero, a negative concentration, one of them not
                finite, or shapes that do not fit ``dims``.

        Example:
            >>> from priorbench.priors import VonMisesFisher
            >>> VonMisesFisher.of(torch.tensor([0.0, 3.0]), 2.0).kl_uniform()
            tensor(0.5716)
        """
        direction, concentration, dims = check_directions(
            direction, concentration, dims
        )
        params = torch.cat([direction, cls.raw(concentration)], dim=-1)
        return cls(params, dims=dims, **settings)

    @staticmethod
    def positive(raw: Tensor) -> Tensor:
        """Raw parameters to concentrations >= 0: by default, softplus."""
        return softplus(raw, threshold=40)  # from there on raw itself, in float64 too

    @staticmethod
    def raw(concentration: Tensor) -> Tensor:
        """The inverse of :meth:`positive`; very low where the concentration is 0."""
        return concentration + torch.log(-torch.expm1(-concentration)).clamp(min=-1e3)

    @abstractmethod
    def log_density(self, chord: Tensor, concentration: Tensor, m: int) -> Tensor:
        """Log density in nats at squared distance ``chord`` = |z - direction|^2, in 0 ... 4."""

    @abstractmethod
    def kl_sphere(self, concentration: Tensor, m: int) -> Tensor:
        """KL to the uniform distribution on one sphere in m coordinates, nats."""

    def polar(self, normal: Tensor, concentration: Tensor, m: int) -> Polar:
        """Angle to the direction, falling in a standard normal variate, and how a draw follows.

        Raises:
            NotImplementedError: the family draws in another way, by its own :meth:`rsample`.
        """
        raise NotImplementedError(f"{type(self).__name__} does not draw by the angle")

    @abstractmethod
    def harmonics(self, degree: int) -> Tensor:
        """Means of the normalised Gegenbauer polynomials of z . direction, for one sphere.

        They are the factors by which the density's convolution damps spherical harmonics, which
        makes mixtures of many such densities cheap.

        Returns:
            (..., degree + 1), float64, the first 1.
        """

    def log_prob_coordinate(
        self, y: Tensor, along: Tensor, concentration: Tensor, m: int
    ) -> Tensor:
        """Log density of one coordinate ``y`` of a sphere whose direction has ``along`` there.

        Raises:
            ValueError: the family has no closed form.
        """
        raise ValueError(
            f"{type(self).__name__} has no closed density of single coordinates; "
            "ask for whole spheres"
        )

    def _check_width(self, name: str, values: Tensor, width: int) -> None:
        if (
            values.ndim < 1
            or values.shape[-1] != width
            or not values.is_floating_point()
        ):
            raise ValueError(
                f"'{name}' must be floating-point, of shape (..., {width}), for "
                f"spheres of dimensions {self.settings['dims']}; got "
                f"{values.dtype}, {tuple(values.shape)}"
            )

    @property
    def representation(self) -> Tensor:
        """The direction, (..., latent_dim)."""
        return self.direction.to(self.params.dtype)

    def rsample(self, noise: Tensor) -> Tensor:
        r"""Reparameterised draw, (..., latent_dim), on the spheres to rounding.

        The component of the noise along the direction gives the angle, the rest the way to go.
        Gradients are unbiased: the concentration moves the angle, and draws follow a direction
        that turns as :mod:`priorbench.priors.spheres.inversion` says.
        """
        self._check_width("noise", noise, self.layout.latent_dim)
        parts = [
            self._draw(normal, direction, concentration, m)
            for normal, direction, concentration, (m, _, _) in zip(
                self.layout.split(noise.double()),
                self.layout.split(self.direction),
                self.layout.by_size(self.concentration),
                self.layout.batches,
                strict=True,
            )
        ]
        return self.layout.join(parts).to(self.params.dtype)

    def _draw(
        self, noise: Tensor, direction: Tensor, concentration: Tensor, m: int
    ) -> Tensor:
        """Draws on spheres of one size: (..., count, m)."""
        fixed = direction.detach()
        along, way = split_tangent(noise, fixed)
        angle, across, towards = (
            v[..., None] for v in self.polar(along, concentration, m)
        )
        z = torch.cos(angle) * fixed + torch.sin(angle) * way
        still, turn = z.detach(), direction - fixed
        upwards = (torch.sin(angle) * fixed - torch.cos(angle) * way).detach()
        share = (turn * still).sum(-1, keepdim=True)
        return z + across * (turn - share * still) + towards * share * upwards

    def log_prob_spheres(self, z: Tensor) -> Tensor:
        """Log density of each sphere's point, z (..., latent_dim) -> (..., spheres), nats."""
        self._check_width("z", z, self.layout.latent_dim)
        values = [
            self.log_density(
                (normalise_vectors(point) - direction).square().sum(-1),
                concentration,
                m,
            )
            for point, direction, concentration, (m, _, _) in zip(
                self.layout.split(z),
                self.layout.split(self.direction),
                self.layout.by_size(self.concentration),
                self.layout.batches,
                strict=True,
            )
        ]
        return self.layout.in_order(values)

    def log_prob(self, z: Tensor) -> Tensor:
        """Log density, z (..., latent_dim) -> (...), in nats."""
        return self.log_prob_spheres(z).sum(-1).to(z.dtype)

    def log_prob_groups(self, z: Tensor, groups: Groups) -> Tensor:
        """Log density of each group, (..., groups), in nats.

        Raises:
            ValueError: a group is neither made of whole spheres nor a single coordinate whose
                density is known.
        """
        spheres, columns = None, []
        for group in groups:
            whole = self._spheres(group)
            if whole is None:
                columns.append(self._log_prob_single(z, list(group)))
                continue
            spheres = self.log_prob_spheres(z) if spheres is None else spheres
            columns.append(pick_columns(spheres, tuple(whole)).sum(-1))
        return torch.stack(columns, dim=-1).to(z.dtype)

    def log_prob_pairs(self, z: Tensor, groups: Groups) -> Iterator[Tensor]:
        """Log density of every z under every posterior, one group at a time: each (S, N), nats."""
        self._check_width("z", z, self.layout.latent_dim)
        points = self.layout.join(
            [normalise_vectors(part) for part in self.layout.split(z)]
        )
        for group in groups:
            whole = self._spheres(group)
            if whole is None:
                yield self[None]._log_prob_single(z[:, None], list(group)).to(z.dtype)
                continue
            total = 0.0
            for i in whole:
                columns, m = self.layout.groups[i], self.layout.dims[i] + 1
                cosine = (
                    pick_columns(points, columns)
                    @ pick_columns(self.direction, columns).T
                )
                chord = (2 - 2 * cosine).clamp(min=0)
                total = total + self.log_density(chord, self.concentration[:, i], m).to(
                    z.dtype
                )
            yield total

    def _log_prob_single(self, z: Tensor, group: list[int]) -> Tensor:
        """Log density of one coordinate of a sphere, (...), float64."""
        if len(group) != 1:
            raise ValueError(
                f"{type(self).__name__} has joint densities of whole spheres "
                f"{self.layout.groups}; got the group {tuple(group)}"
            )
        (column,) = group
        i = next(i for i, own in enumerate(self.layout.groups) if column in own)
        m, columns = self.layout.dims[i] + 1, self.layout.groups[i]
        y = normalise_vectors(pick_columns(z, columns))[..., columns.index(column)]
        return self.log_prob_coordinate(
            y, self.direction[..., column], self.concentration[..., i], m
        )

    def _spheres(self, group: Sequence[int]) -> list[int] | None:
        """The spheres that a group is made of; None if it is not."""
        wanted = set(group)
        whole = [
            i for i, own in enumerate(self.layout.groups) if wanted.issuperset(own)
        ]
        found = {c for i in whole for c in self.layout.groups[i]}
        return whole if found == wanted else None

    def kl_spheres(self) -> Tensor:
        """KL to the uniform distribution on each sphere, (..., spheres), in nats, float64."""
        values = [
            self.kl_sphere(concentration, m)
            for concentration, (m, _, _) in zip(
                self.layout.by_size(self.concentration),
                self.layout.batches,
                strict=True,
            )
        ]
        return self.layout.in_order(values)

    def kl_uniform(self) -> Tensor:
        """KL to the uniform distribution on the product of spheres, (...), in nats."""
        return self.kl_spheres().sum(-1).to(self.params.dtype)

    def entropy(self) -> Tensor:
        """Differential entropy with respect to the surface measure, (...), in nats."""
        area = sum(log_surface_area(k + 1) for k in self.layout.dims)
        return (area - self.kl_spheres().sum(-1)).to(self.params.dtype)

    def blocks(self) -> list[tuple[Posterior, tuple[int, ...]]]:
        """One block for each sphere."""
        size, own = (
            self.layout.latent_dim,
            {k: v for k, v in self.settings.items() if k != "dims"},
        )
        return [
            (
                type(self)(
                    self.params[..., [*group, size + i]],
                    dims=(self.layout.dims[i],),
                    **own,
                ),
                group,
            )
            for i, group in enumerate(self.layout.groups)
        ]
