"""DCI's disentanglement, with mutual informations as importances."""

from priorbench.metrics.arguments import GridStep, Sample
from priorbench.metrics.base import Codes, Scores, register
from priorbench.metrics.information.importances import importance_disentanglement
from priorbench.metrics.information.matrix_scores import (
    InformationMatrix,
    score_latents_and_groups,
)


@register(
    "mi_disentanglement", headline="mi_disentanglement", needs=("factors", "densities")
)
def mi_disentanglement(
    codes: Codes,
    step: GridStep = 0.5,
    num_samples: Sample = 2_000,
    num_group_samples: Sample = 1_000,
) -> Scores:
    r"""Return DCI's disentanglement of mutual informations, from 0 to 1.

    .. math:: D = \sum_j \rho_j \left(1 - H_F(P_{j\cdot})\right), \quad
        P_{jk} = \frac{R_{jk}}{\sum_l R_{jl}}, \quad
        \rho_j = \frac{\sum_k R_{jk}}{\sum_{lk} R_{lk}}, \quad
        R_{jk} = \frac{I(z_j; v_k)}{\sum_l I(z_l; v_k)}

    with the entropy to the base F, the number of factors: DCI without a model to be
    trained, and so without its settings. The informations are those of
    :func:`priorbench.metrics.mig.mig`, computed once for both. Constant latents change
    nothing. A factor of which no latent knows has no importances. Chance is about 0.01.

    Published code takes 20 bins of the means. Groups of the prior count as one code
    each, with their joint information. References: Cao et al. 2022, An empirical study
    on disentanglement of negative-free contrastive learning (MED); Eastwood and
    Williams 2018, section 2, for D.

    Args:
        codes: of any posterior with densities.
        step: distance of grid points, in units of each Gaussian latent's smallest
            standard deviation.
        num_samples: draws for a latent that has no exact method, or is too narrow.
        num_group_samples: draws for such a group, as in ``mig_groups``.

    Returns:
        ``mi_disentanglement``; ``mi_disentanglement_error``, how far it may be off: a
        bound where nothing is sampled, otherwise standard errors carried as if they
        were bounds; ``mi_disentanglement_groups`` and
        ``mi_disentanglement_groups_error`` where some group of several has more than
        one coordinate. There is no score with one factor or where no code knows more of
        some factor than 0.01 of its entropy.

    Raises:
        ValueError: no factor can be counted, or the posterior lacks a density that a
            latent or a group needs.
    """
    return score_latents_and_groups(
        codes,
        "mi_disentanglement",
        compute_disentanglement,
        step,
        num_samples,
        num_group_samples,
        only_active=False,
    )


def compute_disentanglement(matrix: InformationMatrix) -> float | None:
    """Return the disentanglement of a matrix; None with one factor.

    Example:
        >>> import torch
        >>> nats = torch.tensor([[1.0, 0.5], [0.0, 0.5]])
        >>> matrix = InformationMatrix(nats, 0 * nats, torch.ones(2))
        >>> round(compute_disentanglement(matrix), 4)
        0.3113
    """
    return importance_disentanglement(matrix.importances)
