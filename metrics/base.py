"""What metrics read and return, and the registry of metrics."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, NamedTuple, Self

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from priorbench.metrics.arguments import check_values
from priorbench.metrics.arrays import (
    bin_continuous_factors,
    rank_factors,
    read_matrix,
)
from priorbench.metrics.points import PointPosterior, Points
from priorbench.priors.posteriors.base import Groups, Posterior
from priorbench.priors.posteriors.gaussian import Gaussian, GaussianPosterior
from priorbench.priors.posteriors.spherical import SphericalPosterior
from priorbench.registry import Registry


@dataclass(frozen=True)
class Codes:
    """The codes of a whole dataset under one trained model (one seed).

    Attributes:
        posterior: q(z|x_n) of all N images, parameters (N, num_params).
        z: one draw of each posterior, (N, latent_dim).
        log_prior: log p(z) at these draws, (N,), in nats; None if it is not known.
        factors: ground-truth factor values, int64 (N, F), each from 0 to its size - 1;
            F is 0 for a dataset without factors.
        factor_names: F names.
        factor_sizes: number of values of each factor.
        groups: coordinates that belong together under the prior; they partition the
            latents.
        excluded: names of the factors that the dataset's published MIG leaves out,
            that of Chen et al. 2018.
        nuisance: names of the factors that no metric counts: images vary in them, but
            disentanglement_lib (Locatello et al. 2019) does not score them.
        cyclic: names of the factors with values that are equally spaced on a circle,
            the first one following the last.
        seed: of the random draws that sampled metrics make.

    Raises:
        ValueError: shapes disagree, a number is not finite or a scale not positive, a
            factor value is outside its size, or ``groups`` is not a partition of the
            latents.
    """

    posterior: Posterior
    z: Tensor
    log_prior: Tensor | None
    factors: Tensor
    factor_names: tuple[str, ...]
    factor_sizes: tuple[int, ...]
    groups: Groups
    excluded: tuple[str, ...] = ()
    seed: int = 0
    nuisance: tuple[str, ...] = ()
    cyclic: tuple[str, ...] = ()
    memo: dict[Any, Any] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """What metrics share, such as mutual information: computed once, kept here."""

    @classmethod
    def from_arrays(
        cls,
        means: ArrayLike,
        factors: ArrayLike | None,
        log_scales: ArrayLike | None = None,
        *,
        factor_names: Sequence[str] | None = None,
        groups: Groups | None = None,
        seed: int = 0,
    ) -> Self:
        r"""Make codes of a model of your own, from NumPy arrays or lists.

        With ``log_scales`` the posteriors are Gaussians :math:`N(\mu, \sigma^2)`, one
        of which is drawn for each data point; without, they are points, and metrics
        that need densities refuse them. The density of a prior is not known either way.

        Args:
            means: representation of N data points, (N, latent_dim).
            factors: values of the factors that made them, (N, F) or (N,), of any type
                that can be sorted: the different values of a factor, sorted, become its
                levels. Continuous ones are binned, see
                :func:`priorbench.metrics.arrays.bin_continuous_factors`. None if there
                are none.
            log_scales: log :math:`\sigma`, (N, latent_dim); of an encoder that gives a
                log variance, half of that.
            factor_names: F names; factor0, factor1, ... if None.
            groups: coordinates that belong together; every latent alone if None.
            seed: of the draws, and of those that sampled metrics make.

        Raises:
            ValueError: an array that is not numbers, is not finite or does not fit the
                others, or what :class:`Codes` refuses.

        Example:
            >>> codes = Codes.from_arrays([[0.0, 1.0], [1.0, 1.0]], ["disc", "box"])
            >>> codes.factors.tolist(), codes.factor_names
            ([[1], [0]], ('factor0',))
        """
        loc = read_matrix("means", means)
        num_points, latent_dim = loc.shape
        if log_scales is None:
            posterior = Points()(loc)
            z = loc
        else:
            log_scale = read_matrix("log_scales", log_scales, tuple(loc.shape))
            posterior = Gaussian()(torch.cat([loc, log_scale], dim=1))
            generator = torch.Generator().manual_seed(seed)
            noise = torch.randn(loc.shape, generator=generator, dtype=loc.dtype)
            z = posterior.rsample(noise)
        levels, sizes = rank_factors(factors, num_points)
        if factor_names is None:
            factor_names = [f"factor{i}" for i in range(len(sizes))]
        names = tuple(map(str, factor_names))
        if len(names) != len(sizes):
            raise ValueError(
                f"'factor_names' must be one for each of the {len(sizes)} columns of "
                f"'factors'; got {names}"
            )
        levels, sizes = bin_continuous_factors(levels, sizes, names)
        return cls(
            posterior=posterior,
            z=z,
            log_prior=None,
            factors=levels,
            factor_names=names,
            factor_sizes=sizes,
            groups=[[j] for j in range(latent_dim)] if groups is None else groups,
            seed=seed,
        )

    def __post_init__(self) -> None:
        """Check that the fields fit each other."""
        num_points, latent_dim = len(self.z), self.z.shape[1]
        if len(self.posterior.params) != num_points or num_points == 0:
            raise ValueError(
                "'posterior' and 'z' must hold the same data points, at least one; "
                f"got {len(self.posterior.params)} and {num_points}"
            )
        num_factors = len(self.factor_names)
        expected = {"log_prior": (num_points,), "factors": (num_points, num_factors)}
        if self.log_prior is None:
            del expected["log_prior"]
        for name, shape in expected.items():
            found = tuple(getattr(self, name).shape)
            if found != shape:
                raise ValueError(
                    f"{name!r} must have shape {shape} to fit 'z' and 'factor_names'; "
                    f"got {found}"
                )
        coordinates = sorted(i for group in self.groups for i in group)
        if coordinates != list(range(latent_dim)):
            raise ValueError(
                f"'groups' must partition the {latent_dim} latents; got {self.groups}"
            )
        self._check_factors()
        self._check_numbers()

    def _check_numbers(self) -> None:
        """Check that all numbers are finite, and scales positive."""
        good = [("representation", self.posterior.representation.isfinite())]
        for part, _ in self.posterior.independent_parts():
            if isinstance(part, GaussianPosterior):
                good.append(("scale", part.scale.isfinite() & (part.scale > 0)))
            elif isinstance(part, SphericalPosterior):
                good.append(("concentration", part.concentration.isfinite()))
        good.append(("z", self.z.isfinite()))
        if self.log_prior is not None:
            good.append(("log_prior", self.log_prior.isfinite()[:, None]))
        for name, entries in good:
            if not entries.all():
                rows = (~entries).any(1).nonzero().flatten()
                wanted = "positive and finite" if name == "scale" else "finite"
                raise ValueError(
                    f"{name!r} must be {wanted}; it is not in {len(rows)} of "
                    f"{len(entries)} data points, the first of them {int(rows[0])}: "
                    "the model that gave them may have diverged"
                )

    def _check_factors(self) -> None:
        """Check names, sizes and values of the factors."""
        names, sizes = self.factor_names, self.factor_sizes
        if len(set(names)) != len(names):
            raise ValueError(f"'factor_names' must differ; got {names}")
        if len(sizes) != len(names):
            raise ValueError(
                f"'factor_sizes' must have one size for each of the {len(names)} "
                f"names; got {sizes}"
            )
        for field_name in ("excluded", "nuisance", "cyclic"):
            if unknown := set(getattr(self, field_name)) - set(names):
                raise ValueError(
                    f"{field_name!r} must be names of factors; got {sorted(unknown)}"
                )
        for name, size, values in zip(names, sizes, self.factors.T, strict=True):
            if values.min() < 0 or values.max() >= size:
                raise ValueError(
                    f"'factors' of {name!r} must lie in 0 ... {size - 1}; "
                    f"got {int(values.min())} to {int(values.max())}"
                )

    @property
    def representation(self) -> Tensor:
        """The means of the posteriors, of spheres the mean directions; float64."""
        return self.posterior.representation.double()

    @property
    def factor_entropies(self) -> Tensor:
        r"""Return the entropy of each factor among the data points, in nats.

        .. math:: H(v_f) = -\sum_v \frac{N_v}{N} \log \frac{N_v}{N}

        Returns:
            (F,), float64, from 0 to the log of the factor's size; 0 for a factor of one
            value in the data.
        """
        entropies = self.factors.new_zeros(len(self.factor_names), dtype=torch.float64)
        for f, values in enumerate(self.factors.T):
            shares = values.bincount().double() / len(values)
            entropies[f] = torch.special.entr(shares).sum()
        return entropies

    def make_generator(self) -> torch.Generator:
        """Return a new CPU generator, so that no metric changes another's draws."""
        return torch.Generator().manual_seed(self.seed)

    def draw_points(self, num_samples: int) -> Tensor:
        """Return the indices of random data points, drawn without replacement.

        All of them, in order, where there are no more than ``num_samples``.
        """
        if num_samples < 2:
            raise ValueError(f"'num_samples' must be at least 2; got {num_samples}")
        num_points, device = len(self.z), self.z.device
        if num_points <= num_samples:
            return torch.arange(num_points, device=device)
        order = torch.randperm(num_points, generator=self.make_generator())
        return order[:num_samples].to(device)


Scores = dict[str, float | Tensor]
"""What a metric returns: numbers become columns of the CSVs, tensors are kept."""

MetricFunction = Callable[..., Scores]


class Need(NamedTuple):
    """What a metric can need of codes.

    Attributes:
        is_met: whether codes have it.
        reason: why they are refused without, as it follows the metric's name.
    """

    is_met: Callable[[Codes], bool]
    reason: str


NEEDS = {
    "factors": Need(
        lambda codes: len(codes.factor_names) > 0,
        "needs factors, and the dataset has none: leave the metric out",
    ),
    "densities": Need(
        lambda codes: not isinstance(codes.posterior, PointPosterior),
        "needs densities of the posteriors, and the codes are points: give "
        "'log_scales', or leave the metric out",
    ),
    "prior": Need(
        lambda codes: codes.log_prior is not None,
        "needs the prior's density of each draw, and the codes have no 'log_prior': "
        "leave the metric out",
    ),
    "cyclic": Need(
        lambda codes: len(codes.cyclic) > 0,
        "needs cyclic factors, and the dataset has none: leave the metric out",
    ),
}
"""What a metric can need of codes, by name."""


@dataclass(frozen=True)
class Metric:
    """A metric as it is registered: called with codes, it returns scores.

    It has the signature and the docstring of its function.

    Attributes:
        name: that it is registered under.
        function: of :class:`Codes` and arguments to :data:`Scores`.
        headline: the column that stands for the metric in progress lines, tables and
            figures; None for a metric that is not shown there.
        needs: what it needs of codes, names among :data:`NEEDS`.
        version: of its values, >= 1; raised when a change of the code changes them.

    Raises:
        ValueError: the headline is not an identifier, a need is unknown, or the version
            is below 1.
    """

    name: str
    function: MetricFunction
    headline: str | None = None
    needs: tuple[str, ...] = ()
    version: int = 1

    def __post_init__(self) -> None:
        """Check the fields, and take over the function's signature and docstring."""
        if self.headline is not None and not str(self.headline).isidentifier():
            raise ValueError(
                f"'headline' of metric {self.name!r} must be the name of one of its "
                f"columns, an identifier, or None; got {self.headline!r}"
            )
        if not isinstance(self.needs, tuple) or not set(self.needs) <= set(NEEDS):
            raise ValueError(
                f"'needs' of metric {self.name!r} must be a tuple of names among "
                f"{', '.join(map(repr, NEEDS))}; got {self.needs!r}"
            )
        if not isinstance(self.version, int) or self.version < 1:
            raise ValueError(
                f"'version' of metric {self.name!r} must be a whole number of at least "
                f"1; got {self.version!r}"
            )
        # not update_wrapper, which sets attributes and so fails on a frozen instance
        for attribute in functools.WRAPPER_ASSIGNMENTS:
            if hasattr(self.function, attribute):
                vars(self)[attribute] = getattr(self.function, attribute)
        vars(self)["__wrapped__"] = self.function

    def __call__(self, codes: Codes, *args: Any, **arguments: Any) -> Scores:
        """Score codes, with the arguments of the function.

        Raises:
            ValueError: the codes lack what the metric needs, an argument is not what
                its annotation says, or the function returns something other than
                scores; whatever the function raises.
        """
        check_values(self.function, arguments)
        for need in self.needs:
            if not NEEDS[need].is_met(codes):
                raise ValueError(f"metric {self.name!r} {NEEDS[need].reason}")
        scores = self.function(codes, *args, **arguments)
        expected = (
            f"metric {self.name!r} must return a dict of column names to numbers or "
            "real tensors"
        )
        if not isinstance(scores, dict):
            raise ValueError(f"{expected}; it returned {_describe_value(scores)}")
        for column, value in scores.items():
            if not isinstance(column, str):
                raise ValueError(f"{expected}; it returned the name {column!r}")
            is_tensor = isinstance(value, Tensor) and not value.is_complex()
            if not isinstance(value, Real) and not is_tensor:
                raise ValueError(f"{expected}; {column!r} is {_describe_value(value)}")
        return scores


def _describe_value(value: object) -> str:
    """Return what a value is, in words."""
    if value is None:
        return "None"
    kind = f"a value of type {type(value).__name__!r}"
    return f"{kind}, {value.dtype}" if isinstance(value, Tensor) else kind


class MetricRegistry(Registry):
    """The registry of metrics."""

    def register(
        self,
        name: str,
        *,
        headline: str | None = None,
        needs: tuple[str, ...] = (),
        version: int = 1,
    ) -> Callable[[MetricFunction], MetricFunction]:
        """Return a decorator that registers a function as a :class:`Metric`.

        The decorated name stays the plain function. Arguments are the attributes of
        :class:`Metric`.

        Raises:
            ValueError: the name is taken or is not an identifier-like word, or an
                attribute is refused.

        Example:
            >>> metrics = MetricRegistry("metric", "example.metrics")
            >>> @metrics.register("mean_norm", headline="mean_norm", version=2)
            ... def mean_norm(codes, order=2):
            ...     '''Return the mean length of the draws.'''
            ...     return {"mean_norm": codes.z.norm(order, dim=1).mean()}
            >>> metrics.get("mean_norm").version, metrics.describe("mean_norm")
            (2, 'Return the mean length of the draws.')
        """
        add = super().register(name)

        def decorate(function: MetricFunction) -> MetricFunction:
            add(Metric(name, function, headline, needs, version))
            return function

        return decorate

    def get(self, name: str) -> Metric:
        """Return the metric ``name``; a plain function of an entry point becomes one.

        Raises:
            ValueError: there is no such name, or its package fails to import.
        """
        entry = super().get(name)
        return entry if isinstance(entry, Metric) else Metric(name, entry)


registry = MetricRegistry("metric", "priorbench.metrics")
register = registry.register
