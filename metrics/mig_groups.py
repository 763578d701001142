"""The mutual information gap between groups of latents."""

from priorbench.metrics.arguments import Sample
from priorbench.metrics.base import Codes, Scores, register
from priorbench.metrics.information.gap import (
    gap_contrasts,
    list_counted_factors,
)
from priorbench.metrics.information.latent_information import estimate_information
from priorbench.metrics.information.sampled import standard_error

STEP = 0.5
"""Distance of grid points, in units of a latent's smallest standard deviation."""


@register(
    "mig_groups", headline="mig_groups", needs=("factors", "densities"), version=2
)
def mig_groups(codes: Codes, num_samples: Sample = 1_000) -> Scores:
    r"""Return the mutual information gap between the prior's groups, from 0 to 1.

    As :func:`priorbench.metrics.mig.mig`, with the joint density of a group in place of
    a latent's:

    .. math:: \log q(z_g | x) = \sum_{i \in g} \log q(z_i | x), \qquad
        \log q(z_g) = \log \sum_n q(z_g | x_n) - \log N

    for coordinates that are independent given x; a sphere has its own joint density. A
    group as a whole knows at most H(v_f) of a factor: the weight 1/N counts once, not
    once for every coordinate. With one group there is no second to compare; the score
    is then its normalised mutual information, averaged over the factors. References:
    Chen et al. 2018, Eq. 6; Stühmer et al. 2019 for groups.

    Args:
        codes: of any posterior.
        num_samples: draws that the mutual informations average; none are made for
            groups that are a single latent or a circle, see
            :func:`priorbench.metrics.information.latent_information.estimate_information`.

    Returns:
        ``mig_groups``; its standard error ``mig_groups_se``, that of the sampled groups
        for the top two groups held fixed, 0 where both are exact;
        ``group_mutual_information`` (groups, F) in nats. Excluded factors do not count.

    Raises:
        ValueError: no factor can be counted, or a group has no density: part of a
            sphere.
    """
    counted = list_counted_factors(codes, codes.excluded)
    found = estimate_information(codes, codes.groups, STEP, num_samples)
    information = found.nats[:, counted]
    contrasts = gap_contrasts(information, codes.factor_entropies[counted]) / len(
        counted
    )
    sampled_terms = contrasts[found.sampled] * found.terms[:, :, counted]
    return {
        "mig_groups": (contrasts * information).sum().item(),
        "mig_groups_se": standard_error(sampled_terms.sum((1, 2))).item(),
        "group_mutual_information": found.nats,
    }
