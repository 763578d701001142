"""InfoM: each latent knows one factor only, by shares of information."""

from priorbench.metrics.arguments import GridStep, Sample
from priorbench.metrics.base import Codes, Scores, register
from priorbench.metrics.information.matrix_scores import (
    InformationMatrix,
    score_latents_and_groups,
)


@register("infom", headline="infom", needs=("factors", "densities"))
def infom(
    codes: Codes,
    step: GridStep = 0.5,
    num_samples: Sample = 2_000,
    num_group_samples: Sample = 1_000,
) -> Scores:
    r"""Return InfoM, how far each latent knows of one factor only, from 0 to 1.

    .. math:: \text{InfoM} = \left( \frac1{d_a} \sum_j
        \frac{\max_k R_{jk}}{\sum_k R_{jk}} - \frac1F \right) \Big/
        \left( 1 - \frac1F \right), \qquad R_{jk} = \frac{I(z_j; v_k)}{H(v_k)}

    over the :math:`d_a` active latents, :math:`\max_k R_{jk} > 0.01`, and F factors.
    The informations are those of :func:`priorbench.metrics.mig.mig`, computed once for
    both. Constant latents change nothing, since they are not active.

    The published code estimates the informations of continuous latents by nearest
    neighbours; clipped at 0, what is left of the noise looks exclusive, so that pure
    noise scores up to 0.7, and exact informations of the same noise 0.1. Its two
    repositories call a latent active by its range and by its quartiles. Groups of the
    prior count as one code each, with their joint information. References: Hsu et al.
    2023, Disentanglement via latent quantization, section 4.

    Args:
        codes: of any posterior with densities.
        step: distance of grid points, in units of each Gaussian latent's smallest
            standard deviation.
        num_samples: draws for a latent that has no exact method, or is too narrow.
        num_group_samples: draws for such a group, as in ``mig_groups``.

    Returns:
        ``infom``; ``infom_error``, how far it may be off: a bound where nothing is
        sampled, otherwise standard errors carried as if they were bounds;
        ``infom_groups`` and ``infom_groups_error`` where some group of several has more
        than one coordinate. There is no score with one factor or where no code is
        active.

    Raises:
        ValueError: no factor can be counted, or the posterior lacks a density that a
            latent or a group needs.
    """
    return score_latents_and_groups(
        codes, "infom", average_factor_share, step, num_samples, num_group_samples
    )


def average_factor_share(matrix: InformationMatrix) -> float | None:
    """Return the mean share of each code's first factor, from 0 at equal shares to 1.

    It is None with one factor.

    Example:
        >>> import torch
        >>> nats = torch.tensor([[1.0, 0.0], [0.5, 0.5]])
        >>> average_factor_share(InformationMatrix(nats, 0 * nats, torch.ones(2)))
        0.5
    """
    normalised = matrix.normalised
    num_factors = normalised.shape[1]
    if num_factors < 2:
        return None
    share = (normalised.amax(1) / normalised.sum(1)).mean().item()
    return (share - 1 / num_factors) / (1 - 1 / num_factors)
