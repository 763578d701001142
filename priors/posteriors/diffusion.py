"""Diffusion posteriors on products of spheres: those of the ΔVAE."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from priorbench.priors.posteriors.spherical import SphericalFamily
from priorbench.priors.spheres import diffusion
from priorbench.priors.spheres.geometry import log_surface_area, normalise_vectors

STEPS = ("sqrt", "printed")
DENSITIES = ("walk", "heat")
DIVERGENCES = ("exact", "walk", "paper")


@dataclass(frozen=True)
class Diffusion(SphericalFamily):
    r"""Brownian motion on each sphere for a time t, drawn by a random walk of L steps.

    .. math:: z_0 = \mu, \qquad z_{i+1} = \frac{z_i + \sqrt v\,\varepsilon_i}
        {|z_i + \sqrt v\,\varepsilon_i|}, \qquad v = t / L

    with the direction μ and standard normal ε. t is the exponential of its raw
    parameter, which is clamped to -14 ... 5: beyond, the heat kernel is narrower than
    float32 can place points in, or uniform to 1e-30. The concentration is 1 / t. What
    is drawn is the walk, which is near the heat kernel but is not the same: each has
    its own density and divergence here. The published method differs in three ways:

    - Its density has the chordal distance and no Van Vleck factor: for d = 10 and
      t = 0.1 its mass is 0.62 (the authors' code; not offered here).
    - Algorithm 1 prints steps of size t, ``step="printed"``, which diffuse for the time
      :math:`L t^2`; the authors' code has ``"sqrt"``, which its Eq. 3 is for.
    - Eq. 3, ``kl="paper"``, is an expansion for small t that rises again beyond its
      minimum at :math:`t = 2 / (d - 1)`, where its gradient has the wrong sign; it is
      kept as printed.

    References: Pérez Rey 2019, "Disentanglement with Hyperspherical Latent
    Spaces using Diffusion Variational Autoencoders", Algorithm 1 and Eq. 3.

    Args:
        dims: dimension d of each sphere.
        steps: number of steps L >= 1 of the walk.
        step: variance v of a step, "sqrt" for t / L or "printed" for t².
        density: the density that ``log_prob`` gives, "walk" (what is drawn; its far
            tail is extrapolated beyond some thirty dimensions) or "heat", with which
            importance weights and sampled metrics are biased.
        kl: the KL to the uniform distribution that ``kl_uniform`` gives, "exact" for
            the heat kernel's, "walk" for that of what is drawn, "paper" for Eq. 3.

    Raises:
        ValueError: a dimension or ``steps`` is not a positive integer, or a name is
            unknown.

    Example:
        >>> axis = torch.tensor([0.0, 0.0, 1.0])
        >>> q = Diffusion(dims=(2,), density="heat").at(axis, concentration=10.0)
        >>> q.log_prob(axis), q.kl_uniform()
        (tensor(0.4814), tensor(2.0459))
    """

    fused: ClassVar[bool] = False

    steps: int = 5
    step: str = "sqrt"
    density: str = "walk"
    kl: str = "exact"

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        if type(self.steps) is not int or self.steps < 1:
            raise ValueError(f"'steps' must be a positive integer; got {self.steps!r}")
        choices = {"step": STEPS, "density": DENSITIES, "kl": DIVERGENCES}
        for field, allowed in choices.items():
            value = getattr(self, field)
            if value not in allowed:
                expected = f"{field!r} must be one of {allowed}"
                raise ValueError(f"{expected}; got {value!r}")

    def noise_dim(self, latent_dim: int) -> int:
        """Return the number of variates of a draw: one for each step and coordinate."""
        return self.steps * latent_dim

    def positive(self, raw: Tensor) -> Tensor:
        """Return the concentrations 1 / t of raw log times."""
        log_time = raw.clamp(diffusion.LOWEST, diffusion.HIGHEST)
        return torch.exp(-log_time)

    def invert_positive(self, concentration: Tensor) -> Tensor:
        """Return the raw log times; the longest one for a concentration of 0."""
        log_concentration = torch.log(concentration)
        return -log_concentration.clamp(-diffusion.HIGHEST, -diffusion.LOWEST)

    def draw(
        self,
        noise: Tensor,
        direction: Tensor,
        concentration: Tensor,
        m: int,
    ) -> Tensor:
        """Return where walks on spheres of one size end, (..., count, m).

        Args:
            noise: standard normal, (..., steps, count, m).
            direction: where they begin, unit vectors, (..., count, m).
            concentration: (..., count).
            m: number of coordinates of each sphere.
        """
        variance = self._step_variance(concentration)
        scale = variance.sqrt()[..., None]
        z = direction
        for i in range(self.steps):
            step = scale * noise[..., i, :, :]
            z = normalise_vectors(z + step)
        return z

    def log_density(
        self,
        chord: Tensor,
        concentration: Tensor,
        m: int,
    ) -> Tensor:
        """Return the log of the chosen density at squared distance ``chord``, nats."""
        if self.density == "heat":
            return diffusion.log_heat_kernel(chord, 1 / concentration, m - 1)
        time = self._walk_time(concentration)
        return diffusion.log_walk(chord, time, m - 1, self.steps)

    def kl_sphere(self, concentration: Tensor, m: int) -> Tensor:
        """Return the chosen divergence to the uniform distribution in nats."""
        if self.kl == "paper":
            return kl_paper(1 / concentration, m - 1)
        return self._kl_density(
            "walk" if self.kl == "walk" else "heat", concentration, m
        )

    def entropy_sphere(self, concentration: Tensor, m: int) -> Tensor:
        """Return the differential entropy of the chosen density in nats."""
        kl = self._kl_density(self.density, concentration, m)
        return log_surface_area(m) - kl

    def harmonics(
        self,
        concentration: Tensor,
        degree: int,
        m: int,
    ) -> Tensor:
        r"""Return the means of the Gegenbauer polynomials of z·μ, l = 0 ... degree.

        :math:`e^{-l(l+m-2)t/2}` for the heat kernel, :math:`b_l^L` for the walk.
        """
        kappa = concentration[..., None]
        one = torch.ones_like(kappa)
        if self.density == "heat":
            order = torch.arange(1, degree + 1, dtype=one.dtype, device=one.device)
            decay = 0.5 * order * (order + m - 2)
            rest = torch.exp(-decay / kappa)
        else:
            time = self._walk_time(concentration)
            rest = diffusion.walk_harmonics(time, degree, m - 1, self.steps)
        return torch.cat([one, rest], dim=-1)

    def _kl_density(
        self,
        density: str,
        concentration: Tensor,
        m: int,
    ) -> Tensor:
        """Return the KL of a density, "walk" or "heat", to the uniform one in nats."""
        if density == "heat":
            return diffusion.kl_heat(1 / concentration, m - 1)
        time = self._walk_time(concentration)
        return diffusion.kl_walk(time, m - 1, self.steps)

    def _step_variance(self, concentration: Tensor) -> Tensor:
        if self.step == "printed":
            return concentration**-2
        return 1 / (concentration * self.steps)

    def _walk_time(self, concentration: Tensor) -> Tensor:
        return self.steps * self._step_variance(concentration)


def kl_paper(t: Tensor, d: int) -> Tensor:
    r"""Return Eq. 3 of Pérez Rey 2019 for KL(heat kernel || uniform) in nats.

    .. math:: -\tfrac d2 \log 2\pi t - \tfrac d2 + \log|S^d| + \tfrac14 d(d-1) t

    Args:
        t: times.
        d: dimension of the sphere.
    """
    log_area = log_surface_area(d + 1)
    entropy = 0.5 * d * (torch.log(2 * math.pi * t) + 1)
    return -entropy + log_area + 0.25 * d * (d - 1) * t
