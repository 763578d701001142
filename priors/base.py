"""The prior's interface, and the registry of priors."""

import copy
import inspect
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from priorbench.priors.numerics.columns import sum_groups
from priorbench.priors.numerics.special import LOG_2PI, log_real
from priorbench.priors.posteriors.base import Posterior, PosteriorFamily
from priorbench.priors.posteriors.gaussian import Gaussian, GaussianPosterior
from priorbench.registry import Registry

registry = Registry("prior", "priorbench.priors")
register = registry.register

RESULTS = {
    "_log_prob": "map z of shape (..., {d}) to (...)",
    "_log_prob_groups": "map z of shape (..., {d}) to (..., {groups})",
    "_sample": "give draws of shape (*shape, {d})",
    "_kl": "give one value for each posterior",
    "_kl_groups": "give one value for each posterior and each of {groups} groups",
}
"""What the methods that an author writes must do, for errors."""


@dataclass(frozen=True)
class Group:
    """Latents that belong together under a prior: a subspace, or a sphere.

    Args:
        coordinates: the latents, integers from 0.
        on: "real", or "sphere" for the unit sphere in these coordinates, where
            densities are with respect to the surface measure.

    Raises:
        ValueError: a coordinate is not an integer, there are too few of them (a sphere
            needs two), or ``on`` has another value.

    Example:
        >>> Group(range(3), on="sphere")
        Group(coordinates=(0, 1, 2), on='sphere')
    """

    coordinates: tuple[int, ...]
    on: str = "real"

    def __post_init__(self) -> None:
        """Check the fields, and make the coordinates a tuple."""
        if self.on not in ("real", "sphere"):
            raise ValueError(f"'on' must be 'real' or 'sphere'; got {self.on!r}")
        try:
            coordinates = tuple(operator.index(i) for i in self.coordinates)
        except TypeError as error:
            raise ValueError(
                f"'coordinates' must be integers; got {self.coordinates!r}"
            ) from error
        needed = 2 if self.on == "sphere" else 1
        if len(coordinates) < needed:
            raise ValueError(
                f"'coordinates' of a group on {self.on!r} must be at least {needed}; "
                f"got {coordinates}"
            )
        object.__setattr__(self, "coordinates", coordinates)


class Prior(nn.Module):
    r"""A distribution p(z) over latents, written for one seed.

    An author calls ``super().__init__(latent_dim, groups)`` and writes two methods:

    - ``_log_prob(z)``: the log density in nats, z (..., latent_dim) -> (...). It may be
      left out where ``_log_prob_groups`` is there;
    - ``_sample(shape, generator)``: independent draws, ``(*shape, latent_dim)``.
      The generator is on the CPU, and so are the prior's tensors then.

    Optional are ``posterior``, ``learning_rate``, :meth:`variance`, :meth:`learned` and

    - ``_log_prob_groups(z)``: the log density of each of ``groups``, (..., groups),
      where the prior factorises over them;
    - ``_kl(q, z)`` and ``_kl_groups(q, z)``: closed forms, or other estimates.

    The public methods call these, and check shapes, devices and dtypes. What is learned
    is an ordinary, unconstrained ``nn.Parameter``, mapped to its range inside the
    density, which must not branch on the value of a tensor: it is evaluated for many
    seeds at once.

    Args:
        latent_dim: number of latents, >= 1.
        groups: latents that belong together, and where they live; they partition the
            latents. By default every latent is a real group of its own.

    Attributes:
        groups: a tuple of :class:`Group`.

    Raises:
        ValueError: ``latent_dim`` is not a positive integer, or ``groups`` are not a
            partition of the latents.
    """

    posterior: PosteriorFamily = Gaussian()
    """The family of q(z|x) that the prior is paired with."""

    learning_rate: float | None = None
    """Learning rate of the prior's own parameters; None means the model's."""

    examples: tuple[dict[str, Any], ...] = ({},)
    """Arguments with which ``priors.check`` builds the prior, of few latents each."""

    def __init__(self, latent_dim: int, groups: Iterable[Group] | None = None) -> None:
        super().__init__()
        if type(latent_dim) is not int or latent_dim < 1:
            raise ValueError(
                f"'latent_dim' must be a positive integer; got {latent_dim!r}"
            )
        self.latent_dim = latent_dim
        if hasattr(type(self), "groups"):
            raise ValueError(
                f"{type(self).__name__} must not define 'groups'; it is given to the "
                "base class: super().__init__(latent_dim, groups=[priors.Group(...)])"
            )
        if groups is None:
            groups = [Group((i,)) for i in range(latent_dim)]
        self.groups = tuple(groups)
        self._check_groups()

    def _check_groups(self) -> None:
        """Check that the groups partition the latents."""
        name = type(self).__name__
        for group in self.groups:
            if not isinstance(group, Group):
                raise ValueError(
                    f"groups of {name} must be like priors.Group(range(3), "
                    f"on='sphere'); got {group!r}"
                )
        held = sorted(i for group in self.coordinates for i in group)
        if held != list(range(self.latent_dim)):
            raise ValueError(
                f"groups of {name} must hold each of the latents 0 to "
                f"{self.latent_dim - 1} once; got {self.coordinates}"
            )

    @property
    def coordinates(self) -> tuple[tuple[int, ...], ...]:
        """The coordinates of each group."""
        return tuple(group.coordinates for group in self.groups)

    def log_prob(self, z: Tensor) -> Tensor:
        """Return the log density in nats, z (..., latent_dim) -> (...).

        Raises:
            ValueError: z has another last dimension or is not floating-point.
        """
        self.check_shape(z)
        log_prob = self._log_prob(z)
        self._check_result("_log_prob", log_prob, z.shape[:-1])
        return log_prob

    def _log_prob(self, z: Tensor) -> Tensor:
        if type(self)._log_prob_groups is Prior._log_prob_groups:
            raise NotImplementedError(f"{type(self).__name__} must define _log_prob(z)")
        return self.log_prob_groups(z).sum(-1)

    def log_prob_groups(self, z: Tensor) -> Tensor:
        """Return the log density of each group in nats, (..., groups).

        They sum to :meth:`log_prob`: only a prior that factorises over its groups has
        them. One group alone is the whole.

        Raises:
            NotImplementedError: the prior has several groups and no
                ``_log_prob_groups``.
            ValueError: as :meth:`log_prob`.
        """
        self.check_shape(z)
        log_prob = self._log_prob_groups(z)
        shape = (*z.shape[:-1], len(self.groups))
        self._check_result("_log_prob_groups", log_prob, shape)
        return log_prob

    def _log_prob_groups(self, z: Tensor) -> Tensor:
        if len(self.groups) == 1:
            return self.log_prob(z)[..., None]
        raise NotImplementedError(
            f"{type(self).__name__} does not define _log_prob_groups(z), the log "
            "density of each of its groups"
        )

    def sample(
        self, shape: Sequence[int] = (), generator: torch.Generator | None = None
    ) -> Tensor:
        """Draw independent latents, ``(*shape, latent_dim)``, of the default dtype.

        All randomness comes from a generator on the CPU: the one given, or one
        seeded by a draw from it (if it is on another device) or from the global
        generator (if none is given).

        Args:
            shape: of the batch of draws.
            generator: draws are on its device; by default on the CPU.
        """
        shape = tuple(shape)
        device = torch.device("cpu") if generator is None else generator.device
        source = generator
        if generator is None or device.type != "cpu":
            seed = torch.randint(2**63 - 1, (), generator=generator, device=device)
            source = torch.Generator().manual_seed(int(seed))
        prior = self
        if any(t.device.type != "cpu" for t in (*self.parameters(), *self.buffers())):
            prior = copy.deepcopy(self).cpu()
        with torch.no_grad():
            z = prior._sample(shape, source)
        self._check_result("_sample", z, (*shape, self.latent_dim))
        return z.to(device, torch.get_default_dtype())

    def _sample(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        raise NotImplementedError(
            f"{type(self).__name__} must define _sample(shape, generator)"
        )

    def kl(self, q: Posterior, z: Tensor) -> Tensor:
        r"""Return an unbiased estimate of KL(q || p) at z ~ q in nats, (...).

        By default it is :math:`\log q(z) - \log p(z)`. Where :meth:`variance` gives v
        and q is Gaussian, it is :math:`KL(q \| N_v) + \log N_v(z) - \log p(z)`, which
        has the same expectation. A closed form has the batch dimensions of q alone.

        Args:
            q: posteriors.
            z: a draw of each, (..., latent_dim).
        """
        kl = self._kl(q, z)
        self._check_divergence("_kl", kl, q, z, ())
        return kl

    def _kl(self, q: Posterior, z: Tensor) -> Tensor:
        matched = self._match_normal(q, z)
        if matched is None:
            return q.log_prob(z) - self.log_prob(z)
        return matched.sum(-1) - self.log_prob(z)

    def kl_groups(self, q: Posterior, z: Tensor) -> Tensor:
        """Return an estimate of each group's KL(q_g || p_g) in nats, (..., groups).

        Args:
            q: posteriors.
            z: a draw of each, (..., latent_dim).

        Raises:
            NotImplementedError: as :meth:`log_prob_groups`.
        """
        kl = self._kl_groups(q, z)
        self._check_divergence("_kl_groups", kl, q, z, (len(self.groups),))
        return kl

    def _kl_groups(self, q: Posterior, z: Tensor) -> Tensor:
        log_prob = self.log_prob_groups(z)
        matched = self._match_normal(q, z)
        if matched is None:
            return q.log_prob_groups(z, self.coordinates) - log_prob
        return sum_groups(matched, self.coordinates) - log_prob

    def _match_normal(self, q: Posterior, z: Tensor) -> Tensor | None:
        r"""Return :math:`KL(q_i \| N_v) + \log N_v(z_i)` of each coordinate.

        Returns:
            (..., latent_dim), in nats; None where there is no v, or q is not Gaussian.
        """
        variance = self.variance()
        if variance is None or not isinstance(q, GaussianPosterior):
            return None
        if isinstance(variance, Tensor):
            variance = variance.detach().to(z)
        log_normal = -0.5 * (z.square() / variance + log_real(variance) + LOG_2PI)
        return q.kl_normal_coordinates(variance) + log_normal

    def variance(self) -> Tensor | float | None:
        """Return the variance of each coordinate, (latent_dim,) or one for all.

        With it, :meth:`kl` splits off the closed-form divergence to the Gaussian of
        this variance, which lowers the variance of the estimate for priors close to
        that Gaussian. None means that it is unknown.
        """
        return None

    def learning_rates(self) -> dict[str, float | None]:
        """Return the learning rate of each parameter, by the parameter's name."""
        return {name: self.learning_rate for name, _ in self.named_parameters()}

    def learned(self) -> dict[str, Tensor]:
        """Return what was learned, in its natural units, to be recorded with a run."""
        return {name: p.detach() for name, p in self.named_parameters()}

    def check_shape(self, z: Tensor) -> None:
        """Check that z is floating-point, of shape (..., latent_dim).

        Raises:
            ValueError: it is not.
        """
        if z.ndim < 1 or z.shape[-1] != self.latent_dim:
            raise ValueError(
                f"'z' must have shape (..., {self.latent_dim}); got {tuple(z.shape)}"
            )
        if not z.is_floating_point():
            raise ValueError(f"'z' must be floating-point; got {z.dtype}")

    def _check_divergence(
        self, method: str, kl: object, q: Posterior, z: Tensor, rest: tuple[int, ...]
    ) -> None:
        """Check the shape of a divergence: that of q, or of q broadcast with z."""
        batch = q.params.shape[:-1]
        if isinstance(kl, Tensor) and kl.shape == (*batch, *rest):
            return
        batch = torch.broadcast_shapes(batch, z.shape[:-1])
        self._check_result(method, kl, (*batch, *rest))

    def _check_result(self, method: str, result: object, shape: tuple) -> None:
        """Check that what an author's method gave is a tensor of this shape."""
        if isinstance(result, Tensor) and result.shape == shape:
            return
        expected = RESULTS[method].format(d=self.latent_dim, groups=len(self.groups))
        given = type(result).__name__
        if isinstance(result, Tensor):
            given = tuple(result.shape)
        raise ValueError(
            f"{type(self).__name__}.{method} must {expected}, here {tuple(shape)}; it "
            f"gave {given}"
        )


def build_prior(name: str, latent_dim: int, **arguments: Any) -> Prior:
    """Return the registered prior ``name`` over ``latent_dim`` latents.

    ``latent_dim`` is passed on where the prior's constructor takes it, and checked
    where the prior has it from elsewhere (from its subspaces, for example).

    Raises:
        ValueError: unknown name or argument, or the prior has another number of
            latents.
    """
    parameters = inspect.signature(registry.get(name)).parameters
    if "latent_dim" in parameters and "latent_dim" not in arguments:
        arguments = {"latent_dim": latent_dim, **arguments}
    prior = registry.build(name, **arguments)
    if not isinstance(prior, Prior):
        raise ValueError(
            f"prior {name!r} must be a subclass of priors.Prior; "
            f"got {type(prior).__name__}"
        )
    if "_modules" not in vars(prior):
        raise ValueError(
            f"{type(prior).__name__}.__init__ must call super().__init__(latent_dim) "
            "before anything else"
        )
    if prior.latent_dim != latent_dim:
        raise ValueError(
            f"prior {name!r} has {prior.latent_dim} latents, but 'latent_dim' is "
            f"{latent_dim}; in a grid the prior may have its own: {{ name = "
            f'"{name}", latent_dim = {prior.latent_dim}, ... }}'
        )
    return prior


def can_hold_variances(variances: Iterable[float]) -> bool:
    """Return whether float32 holds variances, and what the KL computes with them.

    Example:
        >>> can_hold_variances([0.5, 1.0]), can_hold_variances([1e60])
        (True, False)
    """
    return all(1e-30 < variance < 1e30 for variance in variances)
