"""Von Mises–Fisher posteriors on products of spheres."""

from dataclasses import dataclass

import torch
from torch import Tensor

from priorbench.priors.posteriors.spherical import SphericalFamily
from priorbench.priors.spheres import bessel
from priorbench.priors.spheres.geometry import log_surface_area
from priorbench.priors.spheres.inversion import Polar, draw_angle
from priorbench.priors.spheres.zonal_families import Exponential

EXPONENTIAL = Exponential()

GRADIENTS = ("implicit", "pathwise")


@dataclass(frozen=True)
class VonMisesFisher(SphericalFamily):
    r"""Von Mises–Fisher on each sphere, :math:`q(z) \propto e^{\kappa\,\mu\cdot z}`.

    .. math:: \log q(z) = -\log |S^{m-1}| - A_m(\kappa) + \kappa\,\mu \cdot z

    with the direction μ, the concentration κ and m coordinates. κ is the softplus of
    its raw parameter: it reaches 0, the uniform distribution, where the KL vanishes.
    (The published code adds 1, which costs 0.21 nats on every circle, 8.4 on 40.) Draws
    are by inversion, on the sphere for every direction. (The published sampler's
    envelope is wrong for κ >= 11 and many coordinates: with m = 100 and κ = 11 its mean
    of μ·z is -0.38 where 0.11 is right.)

    References: Davidson et al. 2018 (the posterior); Davidson et al. 2019, Eq. 1 (the
    product).

    Args:
        dims: dimension of each sphere.
        gradient: "implicit", unbiased, or "pathwise" for the published one, which
            leaves out how the acceptance of a proposal depends on κ (Davidson et al.
            2018, appendix D); on a circle it makes the gradient of E[μ·z] up to two
            times too small.

    Raises:
        ValueError: a dimension is not a positive integer, or an unknown gradient.

    Example:
        >>> axis = torch.tensor([0.0, 0.0, 1.0])
        >>> q = VonMisesFisher(dims=(2,)).at(axis, concentration=2.0)
        >>> q.log_prob(axis), q.kl_uniform()
        (tensor(-1.1262), tensor(0.4794))
    """

    gradient: str = "implicit"

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        if self.gradient not in GRADIENTS:
            raise ValueError(
                f"'gradient' must be one of {GRADIENTS}; got {self.gradient!r}"
            )

    def log_density(
        self,
        chord: Tensor,
        concentration: Tensor,
        m: int,
    ) -> Tensor:
        """Return the log density at squared distance ``chord`` from μ in nats."""
        log_area = log_surface_area(m)
        log_normaliser = bessel.log_normaliser(concentration, m)
        peak = concentration - log_normaliser - log_area
        return peak - 0.5 * concentration * chord

    def kl_sphere(self, concentration: Tensor, m: int) -> Tensor:
        """Return the KL to the uniform distribution, κ r - A, in nats."""
        return bessel.kl_uniform(concentration, m)

    def polar(
        self,
        normal: Tensor,
        concentration: Tensor,
        m: int,
    ) -> Polar:
        """Return the angle to the direction, and how a draw follows the direction."""
        drawn = draw_angle(EXPONENTIAL, normal, concentration, m)
        if self.gradient == "implicit":
            return drawn
        # a proposal of the published sampler moves by
        # dw/dκ = (1 - w^2) / sqrt(4κ^2 + (m-1)^2), and turns with the direction
        kappa = concentration.detach()
        theta = drawn.angle.detach()
        cosine, sine = torch.cos(theta), torch.sin(theta)
        spread = torch.sqrt(4 * kappa.square() + (m - 1) ** 2)
        slope = -sine / spread
        angle = bessel.attach_slope(theta, concentration, slope)
        return Polar(angle, cosine, -sine)

    def harmonics(
        self,
        concentration: Tensor,
        degree: int,
        m: int,
    ) -> Tensor:
        r"""Return I_{m/2-1+l}(κ) / I_{m/2-1}(κ) for l = 0 ... degree."""
        one = torch.ones_like(concentration)[..., None]
        if degree == 0:
            return one
        ratios = bessel.bessel_ratios(concentration, m, degree)
        return torch.cat([one, ratios.cumprod(-1)], dim=-1)

    def log_prob_coordinate(
        self,
        y: Tensor,
        along: Tensor,
        concentration: Tensor,
        m: int,
    ) -> Tensor:
        r"""Return the log density of one coordinate y in nats.

        .. math:: \log q(y) = \log\frac{|S^{m-2}|}{|S^{m-1}|} - A_m(\kappa)
            + \kappa c y + \tfrac{m-3}{2} \log(1-y^2)
            + A_{m-1}(\kappa\sqrt{(1-c^2)(1-y^2)})

        with c = ``along``, the direction's value of the coordinate.
        """
        most = 1 - 1e-15
        inside = 1 - y.square().clamp(max=most)
        across = 1 - along.square().clamp(max=most)
        rest = concentration * torch.sqrt(inside * across)
        return (
            log_surface_area(m - 1)
            - log_surface_area(m)
            + 0.5 * (m - 3) * torch.log(inside)
            + bessel.log_normaliser(rest, m - 1)
            - bessel.log_normaliser(concentration, m)
            + concentration * along * y
        )
