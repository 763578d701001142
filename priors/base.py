"""The prior's interface, and the registry of priors."""

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from priorbench.registry import Registry
from priorbench.priors.posteriors.base import (
    LOG_2PI,
    Family,
    Gaussian,
    Posterior,
    sum_groups,
)
from priorbench.priors.numerics.special import log_real

registry = Registry("prior", "priorbench.priors")
register = registry.register
get = registry.get
names = registry.names


class Prior(nn.Module):
    """A distribution p(z) over latents, written for one seed.

    An author sets ``posterior``, calls ``super().__init__(latent_dim)`` and writes
    :meth:`log_prob` and :meth:`sample`; the rest has defaults. Learnable parameters are
    ordinary, unconstrained ``nn.Parameter``s, mapped to their range inside the density, which
    must not branch on the value of a tensor: it is evaluated for many seeds at once.

    Args:
        latent_dim: number of latents, >= 1.

    Raises:
        ValueError: ``latent_dim`` is not a positive integer.
    """

    posterior: type[Posterior] | Family = Gaussian
    """The family of q(z|x) that the prior is paired with; with its settings, if it has any."""

    learning_rate: float | None = None
    """Learning rate of the prior's own parameters; None means the model's."""

    examples: tuple[dict[str, Any], ...] = ({},)
    """Settings under which `python -m priors.check` builds the prior, few latents each."""

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        if (
            not isinstance(latent_dim, int)
            or isinstance(latent_dim, bool)
            or latent_dim < 1
        ):
            raise ValueError(
                f"'latent_dim' must be a positive integer; got {latent_dim!r}"
            )
        self.latent_dim = latent_dim

    def log_prob(self, z: Tensor) -> Tensor:
        """Log density, z (..., latent_dim) -> (...), in nats."""
        raise NotImplementedError(f"{type(self).__name__} must define log_prob(z)")

    def sample(
        self, shape: Sequence[int] = (), generator: torch.Generator | None = None
    ) -> Tensor:
        """Independent draws, (*shape, latent_dim)."""
        raise NotImplementedError(
            f"{type(self).__name__} must define sample(shape, generator)"
        )

    def log_prob_groups(self, z: Tensor) -> Tensor:
        """Log density of each of ``groups``, z (..., latent_dim) -> (..., groups), in nats.

        Only where the prior factorises over its groups: they then sum to :meth:`log_prob`. One
        group alone is the whole.

        Raises:
            NotImplementedError: the prior has several groups and does not say so.
        """
        if len(self.groups) == 1:
            return self.log_prob(z)[..., None]
        raise NotImplementedError(
            f"{type(self).__name__} does not define log_prob_groups(z), the "
            "log density of each of its groups"
        )

    def kl_groups(self, q: Posterior, z: Tensor) -> Tensor:
        """Estimate of each group's KL(q_g || p_g) at z ~ q, as :meth:`kl`: (..., groups), in nats.

        Raises:
            NotImplementedError: the prior does not define :meth:`log_prob_groups`.
        """
        log_prob = self.log_prob_groups(z)
        control = self._control(q, z)
        if control is None:
            return q.log_prob_groups(z, self.groups) - log_prob
        return sum_groups(control, self.groups) - log_prob

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """Coordinates that belong together (a subspace, a sphere); they partition the latents."""
        return tuple((i,) for i in range(self.latent_dim))

    @property
    def support(self) -> tuple[str, ...]:
        """Where each of ``groups`` lives: "real", or "sphere" for the unit sphere.

        On a sphere the density is with respect to the surface measure.
        """
        return ("real",) * len(self.groups)

    def variance(self) -> Tensor | float | None:
        """Variance of each coordinate, (latent_dim,) or one for all; None where unknown.

        With it, :meth:`kl` splits off the closed-form divergence to the Gaussian of this
        variance, which lowers the variance of the estimate for priors close to that Gaussian.
        """
        return None

    def kl(self, q: Posterior, z: Tensor) -> Tensor:
        r"""One-sample estimate of KL(q || p) at z ~ q, (...), in nats; unbiased.

        By default :math:`\log q(z) - \log p(z)`. Where :meth:`variance` gives v and q is
        Gaussian, :math:`KL(q \| N_v) + \log N_v(z) - \log p(z)`, the same expectation.
        """
        control = self._control(q, z)
        if control is None:
            return q.log_prob(z) - self.log_prob(z)
        return control.sum(-1) - self.log_prob(z)

    def _control(self, q: Posterior, z: Tensor) -> Tensor | None:
        r""":math:`KL(q_i \| N_v) + \log N_v(z_i)` of each coordinate, (..., latent_dim)."""
        variance = self.variance()
        if variance is None or not isinstance(q, Gaussian):
            return None
        if isinstance(variance, Tensor):
            variance = variance.detach().to(z)
        log_normal = -0.5 * (z.square() / variance + log_real(variance) + LOG_2PI)
        return q.kl_normal_coordinates(variance) + log_normal

    def check_shape(self, z: Tensor) -> None:
        """See that z is (..., latent_dim).

        Raises:
            ValueError: it is not.
        """
        if z.ndim < 1 or z.shape[-1] != self.latent_dim:
            raise ValueError(
                f"'z' must have shape (..., {self.latent_dim}); got {tuple(z.shape)}"
            )

    def learning_rates(self) -> dict[str, float | None]:
        """Learning rate of each parameter, by its name; :attr:`learning_rate` for all."""
        return {name: self.learning_rate for name, _ in self.named_parameters()}

    def learned(self) -> dict[str, Tensor]:
        """What was learned, in its natural units: tensors by name, recorded with every run."""
        return {name: p.detach() for name, p in self.named_parameters()}


def build_prior(name: str, latent_dim: int, **arguments: Any) -> Prior:
    """The registered prior ``name`` over ``latent_dim`` latents.

    ``latent_dim`` is passed on where the prior's constructor takes it, and checked where the
    prior has it from elsewhere (from its subspaces, for example).

    Raises:
        ValueError: unknown name or argument, or the prior has another number of latents.
    """
    entry = registry.get(name)
    if (
        "latent_dim" in inspect.signature(entry).parameters
        and "latent_dim" not in arguments
    ):
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
