"""Posteriors on products of spheres, and what their families have in common."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import softplus

from priorbench.compiled import fuse_with_gradient
from priorbench.priors.numerics.columns import pick_columns
from priorbench.priors.posteriors.base import (
    Groups,
    Parts,
    Posterior,
    PosteriorFamily,
)
from priorbench.priors.spheres.geometry import (
    check_directions,
    log_surface_area,
    make_layout,
    normalise_vectors,
    split_tangent,
)
from priorbench.priors.spheres.inversion import Polar


def check_dims(dims: Any) -> tuple[int, ...]:
    """Return the dimensions of the spheres of a product as a tuple.

    Raises:
        ValueError: there is no sphere, or a dimension is not a positive integer.
    """
    listed = isinstance(dims, Sequence) and not isinstance(dims, str)
    if not listed or not dims or any(type(k) is not int or k < 1 for k in dims):
        raise ValueError(
            "'dims' must be the dimension of each sphere, positive integers like "
            f"(2,); got {dims!r}"
        )
    return tuple(dims)


@dataclass(frozen=True)
class SphericalFamily(PosteriorFamily):
    """Independent densities on spheres, each a function of the angle to its direction.

    The raw parameters are directions side by side and, behind them, one raw
    concentration for each sphere, (..., sum(dims) + 2 * len(dims)). Densities are with
    respect to the surface measure.

    A family defines the methods below that take a concentration and the number m of
    coordinates of a sphere: they are elementwise in the concentration, and float64.

    Args:
        dims: dimension k >= 1 of each sphere S^k.

    Raises:
        ValueError: there is no sphere, or a dimension is not a positive integer.
    """

    fused: ClassVar[bool] = True
    """Whether the compiler takes the methods; not those that look up tables."""

    dims: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Check the dimensions."""
        object.__setattr__(self, "dims", check_dims(self.dims))

    def __call__(self, params: Tensor) -> "SphericalPosterior":
        """Return the posteriors of raw parameters."""
        return SphericalPosterior(params, self)

    def num_params(self, latent_dim: int) -> int:
        """Return the number of coordinates and concentrations together."""
        return latent_dim + len(self.dims)

    def at(
        self, direction: Tensor, concentration: Tensor | float
    ) -> "SphericalPosterior":
        """Return the posteriors with given directions and concentrations.

        It looks at values, so it is for a notebook. Inside a density, which is
        evaluated for many seeds at once, call the family with raw parameters.

        Args:
            direction: vectors of any length but zero, side by side, (..., latent_dim).
            concentration: of each sphere, >= 0, (..., spheres), or one for all.

        Raises:
            ValueError: a direction of length zero, a negative concentration, one of
                them not finite, or shapes that do not fit ``dims``.

        Example:
            >>> from priorbench.priors import VonMisesFisher
            >>> circle = VonMisesFisher(dims=(1,))
            >>> circle.at(torch.tensor([0.0, 3.0]), 2.0).kl_uniform()
            tensor(0.5716)
        """
        direction, concentration = check_directions(direction, concentration, self.dims)
        raw = self.invert_positive(concentration)
        return self(torch.cat([direction, raw], dim=-1))

    def positive(self, raw: Tensor) -> Tensor:
        """Return the concentrations >= 0 of raw parameters: by default, softplus."""
        return softplus(raw, threshold=40)  # from there on raw itself, in float64 too

    def invert_positive(self, concentration: Tensor) -> Tensor:
        """Return the raw parameters of concentrations; very low where they are 0."""
        log_ratio = torch.log(-torch.expm1(-concentration))
        return concentration + log_ratio.clamp(min=-1e3)

    @abstractmethod
    def log_density(
        self,
        chord: Tensor,
        concentration: Tensor,
        m: int,
    ) -> Tensor:
        """Return the log density in nats.

        Args:
            chord: squared distance |z - direction|^2, in 0 ... 4.
            concentration: broadcast against ``chord``.
            m: number of coordinates of the sphere.
        """

    @abstractmethod
    def kl_sphere(self, concentration: Tensor, m: int) -> Tensor:
        """Return the KL to the uniform distribution on one sphere in nats."""

    def entropy_sphere(self, concentration: Tensor, m: int) -> Tensor:
        """Return the differential entropy on one sphere in nats."""
        return log_surface_area(m) - self.kl_sphere(concentration, m)

    @abstractmethod
    def harmonics(
        self,
        concentration: Tensor,
        degree: int,
        m: int,
    ) -> Tensor:
        """Return the means of the normalised Gegenbauer polynomials of z . direction.

        They are the factors by which a convolution with the density damps spherical
        harmonics, which makes mixtures of many such densities cheap.

        Args:
            concentration: (...).
            degree: the highest.
            m: number of coordinates of the sphere.

        Returns:
            (..., degree + 1), float64, the first 1.
        """

    def polar(
        self,
        normal: Tensor,
        concentration: Tensor,
        m: int,
    ) -> Polar:
        """Return the angle to the direction, and how a draw follows the direction.

        Args:
            normal: standard normal, of the shape of the concentration; the angle falls
                as it rises.
            concentration: (...).
            m: number of coordinates of the sphere.

        Raises:
            NotImplementedError: the family has a :meth:`draw` of its own.
        """
        name = type(self).__name__
        raise NotImplementedError(f"{name} does not draw by the angle")

    def draw(
        self,
        noise: Tensor,
        direction: Tensor,
        concentration: Tensor,
        m: int,
    ) -> Tensor:
        r"""Return draws on spheres of one size, (..., count, m).

        The component of the noise along the direction gives the angle, the rest the way
        to go. Gradients are unbiased: the concentration moves the angle, and draws
        follow a direction that turns as :mod:`priorbench.priors.spheres.inversion`
        says.

        Args:
            noise: standard normal, (..., rounds, count, m); a family has as many rounds
                as its :meth:`noise_dim` is multiples of the latents, by default one.
            direction: unit vectors, (..., count, m).
            concentration: (..., count).
            m: number of coordinates of each sphere.
        """
        fixed = direction.detach()
        along, tangent = split_tangent(noise[..., 0, :, :], fixed)
        polar = self.polar(along, concentration, m)
        angle, across, towards = (value[..., None] for value in polar)
        cosine, sine = torch.cos(angle), torch.sin(angle)
        z = cosine * fixed + sine * tangent
        point = z.detach()
        upwards = (sine * fixed - cosine * tangent).detach()
        turn = direction - fixed  # zero, but for its gradient
        share = (turn * point).sum(-1, keepdim=True)
        sideways = turn - share * point
        return z + across * sideways + towards * share * upwards

    def log_prob_coordinate(
        self,
        y: Tensor,
        along: Tensor,
        concentration: Tensor,
        m: int,
    ) -> Tensor:
        """Return the log density of one coordinate of a sphere in nats.

        Args:
            y: the coordinate.
            along: the direction's value of this coordinate.
            concentration: of the sphere.
            m: number of coordinates of the sphere.

        Raises:
            ValueError: the family has no closed form.
        """
        raise ValueError(
            f"{type(self).__name__} has no closed density of single coordinates; "
            "ask for whole spheres"
        )


class SphericalPosterior(Posterior):
    """Densities on products of spheres, of any family on spheres.

    Attributes:
        layout: arrangement of the spheres among the coordinates.
        concentration: of each sphere, >= 0, (..., spheres), float64; 0 is uniform.
    """

    family: SphericalFamily

    def __init__(self, params: Tensor, family: SphericalFamily) -> None:
        super().__init__(params, family)
        self.layout = make_layout(family.dims)
        widths = (self.layout.latent_dim, len(family.dims))
        self._check_width("params", params, sum(widths))
        direction, raw = params.split(widths, dim=-1)
        self._directions = self._normalise_runs(direction)
        self.concentration = _make_positive(raw, family)

    @property
    def direction(self) -> Tensor:
        """The unit vectors of all spheres side by side, (..., latent_dim), float64."""
        return self.layout.join(self._directions)

    @property
    def representation(self) -> Tensor:
        """The direction, (..., latent_dim)."""
        return self.direction.to(self.params.dtype)

    def rsample(self, noise: Tensor) -> Tensor:
        """Return a reparameterised draw, on the spheres to rounding.

        Args:
            noise: standard normal, (..., noise_dim).

        Returns:
            z, (..., latent_dim).
        """
        size = self.layout.latent_dim
        width = self.family.noise_dim(size)
        self._check_width("noise", noise, width)
        rounds = self.layout.split(noise.unflatten(-1, (width // size, size)))
        words = (self.family, self.params.dtype)
        draws = self._map_runs(_draw, rounds, self._directions, words=words)
        return self.layout.join(draws)

    def log_prob_spheres(self, z: Tensor) -> Tensor:
        """Return the log density of each sphere's point in nats, (..., spheres).

        Args:
            z: (..., latent_dim).
        """
        self._check_width("z", z, self.layout.latent_dim)
        points = self.layout.split(z)
        values = self._map_runs(_log_density, points, self._directions)
        return torch.cat(values, dim=-1)

    def log_prob(self, z: Tensor) -> Tensor:
        """Return the log density in nats, z (..., latent_dim) -> (...)."""
        each = self.log_prob_spheres(z)
        return each.sum(-1).to(z.dtype)

    def log_prob_groups(self, z: Tensor, groups: Groups) -> Tensor:
        """Return the log density of each group in nats, (..., groups).

        Raises:
            ValueError: a group is neither made of whole spheres nor a single coordinate
                whose density is known.
        """
        each, columns = None, []
        for group in groups:
            spheres = self._find_spheres(group)
            if spheres is None:
                columns.append(self._log_prob_single(z, group))
                continue
            if each is None:
                each = self.log_prob_spheres(z)
            own = pick_columns(each, spheres)
            columns.append(own.sum(-1))
        return torch.stack(columns, dim=-1).to(z.dtype)

    def log_prob_pairs(self, z: Tensor, groups: Groups) -> Iterator[Tensor]:
        """Yield the log density of every z under every posterior, (S, N), in nats.

        Args:
            z: S points, (S, latent_dim).
            groups: coordinates of each group; each gives one array.

        Raises:
            ValueError: as :meth:`log_prob_groups`.
        """
        self._check_width("z", z, self.layout.latent_dim)
        points = self.layout.join(self._normalise_runs(z))
        direction = self.direction
        for group in groups:
            spheres = self._find_spheres(group)
            if spheres is None:
                every = self[None]
                single = every._log_prob_single(z[:, None], group)
                yield single.to(z.dtype)
                continue
            total = 0.0
            for i in spheres:
                columns = self.layout.groups[i]
                directions = pick_columns(direction, columns)
                cosine = pick_columns(points, columns) @ directions.T
                concentration = self.concentration[None, :, i]
                words = (self.family, len(columns), z.dtype)
                evaluate = self._pick_form(_log_density_of_pairs)
                total = total + evaluate(cosine, concentration, *words)
            yield total

    def kl_spheres(self) -> Tensor:
        """Return the KL to the uniform distribution on each sphere in nats.

        Returns:
            (..., spheres), float64.
        """
        return torch.cat(self._map_runs(_kl), dim=-1)

    def kl_uniform(self) -> Tensor:
        """Return the KL to the uniform distribution on the spheres in nats, (...)."""
        each = self.kl_spheres()
        return each.sum(-1).to(self.params.dtype)

    def entropy(self) -> Tensor:
        """Return the differential entropy for the surface measure in nats, (...)."""
        concentrations = self.layout.split_values(self.concentration)
        each = [
            self.family.entropy_sphere(own, m)
            for own, (m, _) in zip(concentrations, self.layout.runs, strict=True)
        ]
        return torch.cat(each, dim=-1).sum(-1).to(self.params.dtype)

    def harmonics(
        self,
        degree: int,
    ) -> Tensor:
        """Return the harmonics of one sphere's density up to a degree.

        Returns:
            As :meth:`SphericalFamily.harmonics`, (..., degree + 1), float64.
        """
        m = self.layout.dims[0] + 1
        return self.family.harmonics(self.concentration[..., 0], degree, m)

    def independent_parts(self) -> Parts:
        """Return the posterior of each sphere, with its coordinates."""
        size = self.layout.latent_dim
        parts = []
        for i, group in enumerate(self.layout.groups):
            family = replace(self.family, dims=(self.layout.dims[i],))
            params = self.params[..., [*group, size + i]]
            parts.append((family(params), group))
        return parts

    def _map_runs(
        self,
        function: Callable[..., Tensor],
        *vectors: Sequence[Tensor],
        words: tuple[Any, ...] = (),
    ) -> list[Tensor]:
        """Return the values of a function for each run of spheres.

        Args:
            function: of the vectors of a run, its concentrations (..., count), its
                number of coordinates m, and the words.
            vectors: of every run, (..., count, m).
            words: by default the family.
        """
        concentrations = self.layout.split_values(self.concentration)
        sizes = [m for m, _ in self.layout.runs]
        rows = zip(*vectors, concentrations, sizes, strict=True)
        evaluate = self._pick_form(function)
        return [evaluate(*row, *(words or (self.family,))) for row in rows]

    def _pick_form(self, function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        """Return a function of a family as it is fused, or as it is written."""
        return function if self.family.fused else function.__wrapped__

    def _normalise_runs(self, raw: Tensor) -> list[Tensor]:
        """Return every sphere's vector at length 1, (..., count, m) of each run."""
        return [_normalise(own) for own in self.layout.split(raw)]

    def _log_prob_single(self, z: Tensor, group: Sequence[int]) -> Tensor:
        """Return the log density of one coordinate of a sphere, (...), float64."""
        if len(group) != 1:
            raise ValueError(
                f"{type(self.family).__name__} has joint densities of whole spheres "
                f"{self.layout.groups}; got the group {tuple(group)}"
            )
        column = group[0]
        i = next(i for i, own in enumerate(self.layout.groups) if column in own)
        columns = self.layout.groups[i]
        raw = pick_columns(z, columns)
        point = normalise_vectors(raw)
        return self.family.log_prob_coordinate(
            point[..., columns.index(column)],
            self.direction[..., column],
            self.concentration[..., i],
            len(columns),
        )

    def _find_spheres(self, group: Sequence[int]) -> tuple[int, ...] | None:
        """Return the spheres that make up a group; None if spheres do not."""
        rest = set(group)
        spheres = []
        for i, own in enumerate(self.layout.groups):
            if rest.issuperset(own):
                spheres.append(i)
                rest -= set(own)
        return None if rest else tuple(spheres)

    def _check_width(self, name: str, values: Tensor, width: int) -> None:
        fits = values.ndim >= 1 and values.shape[-1] == width
        if not fits or not values.is_floating_point():
            raise ValueError(
                f"'{name}' must be floating-point, of shape (..., {width}), for "
                f"spheres of dimensions {self.family.dims}; got "
                f"{values.dtype}, {tuple(values.shape)}"
            )


_normalise = fuse_with_gradient(normalise_vectors)


@fuse_with_gradient
def _make_positive(raw: Tensor, family: SphericalFamily) -> Tensor:
    return family.positive(raw.double())


@fuse_with_gradient
def _draw(
    noise: Tensor,
    direction: Tensor,
    concentration: Tensor,
    m: int,
    family: SphericalFamily,
    dtype: torch.dtype,
) -> Tensor:
    return family.draw(noise.double(), direction, concentration, m).to(dtype)


@fuse_with_gradient
def _kl(concentration: Tensor, m: int, family: SphericalFamily) -> Tensor:
    return family.kl_sphere(concentration, m)


@fuse_with_gradient
def _log_density(
    points: Tensor,
    direction: Tensor,
    concentration: Tensor,
    m: int,
    family: SphericalFamily,
) -> Tensor:
    difference = normalise_vectors(points) - direction
    chord = difference.square().sum(-1)
    return family.log_density(chord, concentration, m)


@fuse_with_gradient
def _log_density_of_pairs(
    cosine: Tensor,
    concentration: Tensor,
    family: SphericalFamily,
    m: int,
    dtype: torch.dtype,
) -> Tensor:
    chord = (2 - 2 * cosine).clamp(min=0)
    return family.log_density(chord, concentration, m).to(dtype)
