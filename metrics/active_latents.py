"""How many latents a model uses."""

from priorbench.metrics.arguments import NonNegative
from priorbench.metrics.base import Codes, Scores, register


@register("active_latents")
def active_latents(codes: Codes, threshold: NonNegative = 0.01) -> Scores:
    r"""Count the latents with a posterior mean that varies over the data.

    .. math:: A_j = \mathrm{Var}_x(E_{q(z|x)}[z_j]) > 0.01

    References: Burda et al. 2016, Section 5.

    Args:
        codes: of any posterior; its ``representation`` stands for the mean. On spheres
            it is the direction, a unit vector: the variances add up to at most 1 for
            each sphere, and a coordinate of an unused sphere varies where its direction
            does, however little the posterior follows it.
        threshold: the variance above which a latent is active, in the latent's unit
            squared.

    Returns:
        ``active_latents``, from 0 to latent_dim, and ``latent_variance`` (latent_dim,).
    """
    variance = codes.posterior.representation.double().var(0, correction=0)
    return {
        "active_latents": float((variance > threshold).sum()),
        "latent_variance": variance,
    }
