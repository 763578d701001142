"""InfoC: each factor is known by one latent only, by shares of information."""

import torch

from priorbench.metrics.arguments import GridStep, Sample
from priorbench.metrics.base import Codes, Scores, register
from priorbench.metrics.information.matrix_scores import (
    InformationMatrix,
    score_latents_and_groups,
)


@register("infoc", headline="infoc", needs=("factors", "densities"))
def infoc(
    codes: Codes,
    step: GridStep = 0.5,
    num_samples: Sample = 2_000,
    num_group_samples: Sample = 1_000,
) -> Scores:
    r"""Return InfoC, how far each factor is known by one latent only, from 0 to 1.

    .. math:: \text{InfoC} = \left( \frac1F \sum_k
        \frac{\max_j R_{jk}}{\sum_j R_{jk}} - \frac1{d_a} \right) \Big/
        \left( 1 - \frac1{d_a} \right), \qquad R_{jk} = \frac{I(z_j; v_k)}{H(v_k)}

    over F factors and the :math:`d_a` active latents, :math:`\max_k R_{jk} > 0.01`. A
    factor that no active latent knows of counts 0. The informations are those of
    :func:`priorbench.metrics.mig.mig`, computed once for both. Constant latents change
    nothing, since they are not active.

    The published code estimates the informations of continuous latents by nearest
    neighbours, which gives noise up to 0.5, and is not a number where a factor is not
    known of. Its two repositories call a latent active by its range and by its
    quartiles. Groups of the prior count as one code each, with their joint information.
    References: Hsu et al. 2023, Disentanglement via latent quantization, section 4.

    Args:
        codes: of any posterior with densities.
        step: distance of grid points, in units of each Gaussian latent's smallest
            standard deviation.
        num_samples: draws for a latent that has no exact method, or is too narrow.
        num_group_samples: draws for such a group, as in ``mig_groups``.

    Returns:
        ``infoc``; ``infoc_error``, how far it may be off: a bound where nothing is
        sampled, otherwise standard errors carried as if they were bounds;
        ``infoc_groups`` and ``infoc_groups_error`` where some group of several has more
        than one coordinate. There is no score where fewer than two codes are active.

    Raises:
        ValueError: no factor can be counted, or the posterior lacks a density that a
            latent or a group needs.
    """
    return score_latents_and_groups(
        codes, "infoc", average_code_share, step, num_samples, num_group_samples
    )


def average_code_share(matrix: InformationMatrix) -> float | None:
    """Return the mean share of each factor's first code, from 0 at equal shares to 1.

    It is None with one code.

    Example:
        >>> import torch
        >>> nats = torch.tensor([[1.0, 0.5, 0.0], [0.0, 0.5, 0.0]])
        >>> matrix = InformationMatrix(nats, 0 * nats, torch.ones(3))
        >>> round(average_code_share(matrix), 4)
        0.3333
    """
    normalised = matrix.normalised
    num_codes = len(normalised)
    if num_codes < 2:
        return None
    total = normalised.sum(0)
    first = normalised.amax(0)
    shares = torch.where(total > 0, first / total, 1 / num_codes)
    return (shares.mean().item() - 1 / num_codes) / (1 - 1 / num_codes)
