"""Diffusion on spheres: the posterior of the ΔVAE, and its prior."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from priorbench.priors.spheres import diffusion
from priorbench.priors.base import register
from priorbench.priors.spheres.geometry import log_surface_area, normalise_vectors
from priorbench.priors.hypersphere import UniformOnSpheres
from priorbench.priors.posteriors.spherical import Spherical

STEPS = ("sqrt", "printed")
LAWS = ("walk", "heat")
DIVERGENCES = ("exact", "walk", "paper")


class Diffusion(Spherical):
    r"""Brownian motion on each sphere for a time t, drawn by a random walk of L steps.

    .. math:: z_0 = \mu, \qquad z_{i+1} = \frac{z_i + \sqrt v\,\varepsilon_i}
        {|z_i + \sqrt v\,\varepsilon_i|}, \qquad v = t / L

    t is the exponential of its raw parameter, which is clamped to -14 ... 5: beyond, the heat
    kernel is narrower than float32 can place points in, or uniform to 1e-30. What is drawn is
    the walk, whose law is near the heat kernel's but is not the same: each has its own density
    and divergence here. The published method differs in three ways:

    - Its density has the chordal distance and no Van Vleck factor: for d = 10 and t = 0.1 its
      mass is 0.62 (the authors' code; not offered here).
    - Algorithm 1 prints steps of size t, ``step="printed"``, which diffuse for the time
      :math:`L t^2`; the authors' code has ``"sqrt"``, which its Eq. 3 is for.
    - Eq. 3, ``kl="paper"``, is an expansion for small t that rises again beyond its minimum at
      :math:`t = 2 / (d - 1)`, where its gradient has the wrong sign; it is kept as printed.

    References: Pérez Rey et al. 2019, "Disentanglement with Hyperspherical Latent Spaces using
    Diffusion Variational Autoencoders", Algorithm 1 and Eq. 3.

    Args:
        params: directions side by side and one raw log time per sphere.
        dims: dimension of each sphere.
        steps: number of steps L >= 1 of the walk.
        step: variance v of a step, "sqrt" for t / L or "printed" for t².
        law: whose density :meth:`log_prob` is, "walk" (what is drawn; its far tail is
            extrapolated beyond some thirty dimensions) or "heat", with which importance weights
            and sampled metrics are biased.
        kl: whose KL to the uniform distribution :meth:`kl_uniform` is, "exact" for the heat
            kernel's, "walk" for that of what is drawn, "paper" for Eq. 3.

    Attributes:
        concentration: of each sphere, 1 / t.

    Raises:
        ValueError: ``steps`` is no positive integer, or a name is unknown.

    Example:
        >>> q = Diffusion.of(torch.tensor([0.0, 0.0, 1.0]), concentration=10.0, law="heat")
        >>> q.log_prob(torch.tensor([0.0, 0.0, 1.0])), q.kl_uniform()
        (tensor(0.4814), tensor(2.0459))
    """

    def __init__(
        self,
        params: Tensor,
        dims: Sequence[int],
        steps: int = 5,
        step: str = "sqrt",
        law: str = "walk",
        kl: str = "exact",
    ) -> None:
        check_walk(steps, step=(step, STEPS), law=(law, LAWS), kl=(kl, DIVERGENCES))
        super().__init__(params, dims=dims, steps=steps, step=step, law=law, kl=kl)

    @staticmethod
    def noise_dim(latent_dim: int, steps: int = 5, **settings: object) -> int:
        """Every step uses one variate per coordinate."""
        return steps * latent_dim

    @staticmethod
    def positive(raw: Tensor) -> Tensor:
        """Raw log times to concentrations 1 / t."""
        return torch.exp(-raw.clamp(diffusion.LOWEST, diffusion.HIGHEST))

    @staticmethod
    def raw(concentration: Tensor) -> Tensor:
        """The inverse of :meth:`positive`; the longest time for a concentration of 0."""
        return -torch.log(concentration).clamp(-diffusion.HIGHEST, -diffusion.LOWEST)

    def rsample(self, noise: Tensor) -> Tensor:
        """Reparameterised draw, (..., latent_dim), on the spheres to rounding.

        Args:
            noise: standard normal, (..., steps * latent_dim), step after step.
        """
        count = self.settings["steps"]
        self._check_width("noise", noise, count * self.layout.latent_dim)
        paths = self.layout.split(
            noise.double().unflatten(-1, (count, self.layout.latent_dim))
        )
        points = self.layout.split(self.direction)
        spread = self.layout.by_size(self._variance(self.concentration).sqrt())
        for i in range(count):
            points = [
                normalise_vectors(z + scale[..., None] * path[..., i, :, :])
                for z, scale, path in zip(points, spread, paths, strict=True)
            ]
        return self.layout.join(points).to(self.params.dtype)

    def log_density(self, chord: Tensor, concentration: Tensor, m: int) -> Tensor:
        """Log density of the chosen law at squared distance ``chord``, in nats."""
        if self.settings["law"] == "heat":
            return diffusion.log_heat_kernel(chord, 1 / concentration, m - 1)
        time = self._walk_time(concentration)
        return diffusion.log_walk(chord, time, m - 1, self.settings["steps"])

    def kl_sphere(self, concentration: Tensor, m: int) -> Tensor:
        """The chosen divergence to the uniform distribution on one sphere, nats."""
        if self.settings["kl"] == "paper":
            return kl_paper(1 / concentration, m - 1)
        return self._kl_law(
            "walk" if self.settings["kl"] == "walk" else "heat", concentration, m
        )

    def entropy(self) -> Tensor:
        """Differential entropy of the law of :meth:`log_prob`, (...), in nats."""
        values = [
            log_surface_area(m) - self._kl_law(self.settings["law"], concentration, m)
            for concentration, (m, _, _) in zip(
                self.layout.by_size(self.concentration),
                self.layout.batches,
                strict=True,
            )
        ]
        return self.layout.in_order(values).sum(-1).to(self.params.dtype)

    def harmonics(self, degree: int) -> Tensor:
        r"""Means of the Gegenbauer polynomials, (..., degree + 1), float64, for one sphere.

        :math:`e^{-l(l+m-2)t/2}` for the heat kernel, :math:`b_l^L` for the walk.
        """
        concentration, m = self.concentration[..., 0], self.layout.dims[0] + 1
        one = torch.ones_like(concentration)[..., None]
        if self.settings["law"] == "heat":
            order = torch.arange(1, degree + 1, dtype=one.dtype, device=one.device)
            rest = torch.exp(-0.5 * order * (order + m - 2) / concentration[..., None])
        else:
            time = self._walk_time(concentration)
            rest = diffusion.walk_harmonics(time, degree, m - 1, self.settings["steps"])
        return torch.cat([one, rest], dim=-1)

    def _kl_law(self, law: str, concentration: Tensor, m: int) -> Tensor:
        if law == "heat":
            return diffusion.kl_heat(1 / concentration, m - 1)
        time = self._walk_time(concentration)
        return diffusion.kl_walk(time, m - 1, self.settings["steps"])

    def _variance(self, concentration: Tensor) -> Tensor:
        """Variance of a step."""
        if self.settings["step"] == "printed":
            return concentration**-2
        return 1 / (concentration * self.settings["steps"])

    def _walk_time(self, concentration: Tensor) -> Tensor:
        """Steps times their variance."""
        return self.settings["steps"] * self._variance(concentration)


def kl_paper(t: Tensor, d: int) -> Tensor:
    r"""Eq. 3 of Pérez Rey et al. 2019 for KL(heat kernel || uniform) on S^d, nats.

    .. math:: -\tfrac d2 \log 2\pi t - \tfrac d2 + \log|S^d| + \tfrac14 d(d-1) t
    """
    return (
        -0.5 * d * (torch.log(2 * math.pi * t) + 1)
        + log_surface_area(d + 1)
        + 0.25 * d * (d - 1) * t
    )


def check_walk(steps: int, **names: tuple[str, tuple[str, ...]]) -> None:
    """See that a walk has steps and that each name, given with those allowed, is one of them.

    Raises:
        ValueError: it is not so.
    """
    if type(steps) is not int or steps < 1:
        raise ValueError(f"'steps' must be a positive integer; got {steps!r}")
    for argument, (name, allowed) in names.items():
        if name not in allowed:
            raise ValueError(f"{argument!r} must be one of {allowed}; got {name!r}")


@register("diffusion_sphere")
class DiffusionSphere(UniformOnSpheres):
    r"""One hypersphere, uniform prior, diffusion posterior: the ΔVAE.

    .. math:: p(z) = |S^d|^{-1}

    with respect to the surface measure. See :class:`Diffusion` for the choices and for what is
    wrong with the published ones.

    References: Pérez Rey et al. 2019, "Disentanglement with Hyperspherical Latent Spaces using
    Diffusion Variational Autoencoders".

    Args:
        dim: dimension d >= 1 of the sphere S^d, in latent_dim = d + 1 coordinates.
        steps: number of steps L of the posterior's walk.
        kl: "exact" for the heat kernel's, "walk" for that of what is drawn, "paper" for Eq. 3.
        step: variance of a step, "sqrt" for t / L or "printed" for t².
        density: the posterior's log_prob, "walk" or "heat".
    Shape:
        z (..., dim + 1) -> log_prob (...), in nats.
    Raises:
        ValueError: ``dim`` or ``steps`` is no positive integer, or a name is unknown.
    Example:
        >>> prior = DiffusionSphere(2)
        >>> prior.latent_dim, prior.posterior.noise_dim(3)
        (3, 15)
        >>> prior.log_prob(prior.sample())
        tensor(-2.5310)
    """

    examples = (
        {"dim": 2, "kl": "walk"},
        {"dim": 3, "steps": 2, "kl": "walk", "step": "printed"},
    )

    def __init__(
        self,
        dim: int = 10,
        steps: int = 5,
        kl: str = "exact",
        step: str = "sqrt",
        density: str = "walk",
    ) -> None:
        if type(dim) is not int or dim < 1:
            raise ValueError(f"'dim' must be a positive integer; got {dim!r}")
        check_walk(
            steps, kl=(kl, DIVERGENCES), step=(step, STEPS), density=(density, LAWS)
        )
        super().__init__([dim])
        self.posterior = Diffusion.family(
            dims=self.dims, steps=steps, step=step, law=density, kl=kl
        )
