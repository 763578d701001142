"""The mutual information gap over factors: each latent knows one factor only."""

from priorbench.metrics.arguments import GridStep, Sample
from priorbench.metrics.base import Codes, Scores, register
from priorbench.metrics.information.matrix_scores import (
    InformationMatrix,
    score_latents_and_groups,
)


@register("mig_sup", headline="mig_sup", needs=("factors", "densities"))
def mig_sup(
    codes: Codes,
    step: GridStep = 0.5,
    num_samples: Sample = 2_000,
    num_group_samples: Sample = 1_000,
) -> Scores:
    r"""Return the mutual information gap over factors, from 0 to 1.

    .. math:: \text{MIG-sup} = \frac1{d_a} \sum_j \left(
        \frac{I(z_j; v_{(1)})}{H(v_{(1)})} - \frac{I(z_j; v_{(2)})}{H(v_{(2)})} \right)

    over the :math:`d_a` active latents, :math:`\max_k I(z_j; v_k) / H(v_k) > 0.01`,
    with the two factors of which latent j knows the largest shares. It is low where a
    latent holds two factors, which MIG does not see. Of a factor that two latents hold
    in full it stays 1 where MIG is 0; two latents with a part of it each lower both.
    The informations are those of
    :func:`priorbench.metrics.mig.mig`, computed once for both. Constant latents change
    nothing, since they are not active.

    Published code averages over all latents and takes 20 bins of the means; the
    repository of Carbonneau et al. (2022) divides by the latent's entropy in place of
    the factor's. Groups of the prior count as one code each, with their joint
    information. References: Li et al. 2020, Progressive learning and disentanglement of
    hierarchical representations, section 4.

    Args:
        codes: of any posterior with densities.
        step: distance of grid points, in units of each Gaussian latent's smallest
            standard deviation.
        num_samples: draws for a latent that has no exact method, or is too narrow.
        num_group_samples: draws for such a group, as in ``mig_groups``.

    Returns:
        ``mig_sup``; ``mig_sup_error``, how far it may be off: a bound where nothing is
        sampled, otherwise standard errors carried as if they were bounds;
        ``mig_sup_groups`` and ``mig_sup_groups_error`` where some group of several has
        more than one coordinate. There is no score with one factor or where no code is
        active.

    Raises:
        ValueError: no factor can be counted, or the posterior lacks a density that a
            latent or a group needs.
    """
    return score_latents_and_groups(
        codes, "mig_sup", average_gap, step, num_samples, num_group_samples
    )


def average_gap(matrix: InformationMatrix) -> float | None:
    """Return the mean gap over factors of the codes; None with one factor.

    Example:
        >>> import torch
        >>> nats = torch.tensor([[1.0, 0.0], [0.5, 0.75]])
        >>> average_gap(InformationMatrix(nats, 0 * nats, torch.tensor([2.0, 1.0])))
        0.5
    """
    if matrix.nats.shape[1] < 2:
        return None
    first, second = matrix.normalised.topk(2, dim=1).values.T
    return (first - second).mean().item()
