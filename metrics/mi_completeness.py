"""DCI's completeness, with mutual informations as importances."""

from priorbench.metrics.arguments import GridStep, Sample
from priorbench.metrics.base import Codes, Scores, register
from priorbench.metrics.information.importances import importance_completeness
from priorbench.metrics.information.matrix_scores import (
    InformationMatrix,
    score_latents_and_groups,
)


@register("mi_completeness", headline="mi_completeness", needs=("factors", "densities"))
def mi_completeness(
    codes: Codes,
    step: GridStep = 0.5,
    num_samples: Sample = 2_000,
    num_group_samples: Sample = 1_000,
) -> Scores:
    r"""Return DCI's completeness of mutual informations, from 0 to 1.

    .. math:: C = \frac1F \sum_k \left(1 - H_d(P_{\cdot k})\right), \qquad
        P_{jk} = \frac{I(z_j; v_k)}{\sum_l I(z_l; v_k)}

    with the entropy to the base d, the number of all latents: constant latents raise
    the score, as in every published version. It is DCI without a model to be trained,
    and so without its settings. The informations are those of
    :func:`priorbench.metrics.mig.mig`, computed once for both. A factor of which no
    latent knows does not count. Chance is about 0.01.

    Published code takes 20 bins of the means. Groups of the prior count as one code
    each, with their joint information, and d is the number of groups. References: Cao
    et al. 2022, An empirical study on disentanglement of negative-free contrastive
    learning (MED); Eastwood and Williams 2018, section 2, for C.

    Args:
        codes: of any posterior with densities.
        step: distance of grid points, in units of each Gaussian latent's smallest
            standard deviation.
        num_samples: draws for a latent that has no exact method, or is too narrow.
        num_group_samples: draws for such a group, as in ``mig_groups``.

    Returns:
        ``mi_completeness``; ``mi_completeness_error``, how far it may be off: a bound
        where nothing is sampled, otherwise standard errors carried as if they were
        bounds; ``mi_completeness_groups`` and ``mi_completeness_groups_error`` where
        some group of several has more than one coordinate. There is no score with one
        latent or where no code knows more of some factor than 0.01 of its entropy.

    Raises:
        ValueError: no factor can be counted, or the posterior lacks a density that a
            latent or a group needs.
    """
    return score_latents_and_groups(
        codes,
        "mi_completeness",
        compute_completeness,
        step,
        num_samples,
        num_group_samples,
        only_active=False,
    )


def compute_completeness(matrix: InformationMatrix) -> float | None:
    """Return the completeness of a matrix; None with one code.

    Example:
        >>> import torch
        >>> nats = torch.tensor([[1.0, 0.5], [0.0, 0.5]])
        >>> compute_completeness(InformationMatrix(nats, 0 * nats, torch.ones(2)))
        0.5
    """
    return importance_completeness(matrix.importances)
