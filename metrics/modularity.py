"""Modularity: each latent knows one factor only, by squared informations."""

from priorbench.metrics.arguments import GridStep, Sample
from priorbench.metrics.base import Codes, Scores, register
from priorbench.metrics.information.matrix_scores import (
    InformationMatrix,
    score_latents_and_groups,
)


@register("modularity", headline="modularity", needs=("factors", "densities"))
def modularity(
    codes: Codes,
    step: GridStep = 0.5,
    num_samples: Sample = 2_000,
    num_group_samples: Sample = 1_000,
) -> Scores:
    r"""Return how modular the latents are: of one factor each, from 0 to 1.

    .. math:: \frac1{d_a} \sum_j \left( 1 - \frac{\sum_{k \neq k^*} I(z_j; v_k)^2}
        {(F - 1)\, I(z_j; v_{k^*})^2} \right), \qquad
        k^* = \mathrm{arg\,max}_k I(z_j; v_k)

    over the :math:`d_a` active latents, :math:`\max_k I(z_j; v_k) / H(v_k) > 0.01`, and
    F factors. The informations are those of :func:`priorbench.metrics.mig.mig`,
    computed once for both. Noise scores high, about 0.7 with dSprites' factors, and so
    do rotated codes: compare it with its chance level. Constant latents change nothing,
    since they are not active.

    disentanglement_lib averages over all latents, with 0 for those that know nothing,
    and takes 20 bins of the means; with scikit-learn before 0.23 its informations were
    not clipped at 0, so that rounding noise of constant latents scored. The repository
    of Carbonneau et al. (2022) divides 0 by 0 there. Groups of the prior count as one
    code each, with their joint information. References: Ridgeway and Mozer 2018,
    Learning deep disentangled embeddings with the F-statistic loss, section 4.

    Args:
        codes: of any posterior with densities.
        step: distance of grid points, in units of each Gaussian latent's smallest
            standard deviation.
        num_samples: draws for a latent that has no exact method, or is too narrow.
        num_group_samples: draws for such a group, as in ``mig_groups``.

    Returns:
        ``modularity``; ``modularity_error``, how far it may be off: a bound where
        nothing is sampled, otherwise standard errors carried as if they were bounds;
        ``modularity_groups`` and ``modularity_groups_error`` where some group of
        several has more than one coordinate. There is no score with one factor or where
        no code is active.

    Raises:
        ValueError: no factor can be counted, or the posterior lacks a density that a
            latent or a group needs.
    """
    return score_latents_and_groups(
        codes, "modularity", average_modularity, step, num_samples, num_group_samples
    )


def average_modularity(matrix: InformationMatrix) -> float | None:
    """Return the mean modularity of the codes; None with one factor.

    Example:
        >>> import torch
        >>> nats = torch.tensor([[1.0, 0.0], [1.0, 0.5]])
        >>> average_modularity(InformationMatrix(nats, 0 * nats, torch.ones(2)))
        0.875
    """
    num_factors = matrix.nats.shape[1]
    if num_factors < 2:
        return None
    squares = matrix.nats.square()
    first = squares.amax(1)
    others = squares.sum(1) - first
    return (1 - others / (first * (num_factors - 1))).mean().item()
