"""The mutual information gap between groups of latents."""

import torch
from torch import Tensor

from metrics.base import Codes, Scores, register
from metrics.gaps import contrasts, counted
from metrics.information import information_terms
from metrics.mig import latent_information
from priors.posteriors import Gaussian


@register("mig_groups")
def mig_groups(codes: Codes, num_samples: int = 1_000) -> Scores:
    r"""Mutual information gap between the prior's groups of latents, from 0 to 1.

    As :func:`metrics.mig.mig`, with the joint density of a group in place of a latent's:

    .. math:: \log q(z_g | x) = \sum_{i \in g} \log q(z_i | x), \qquad
        \log q(z_g) = \log \sum_n q(z_g | x_n) - \log N

    for coordinates that are independent given x. A group as a whole knows at most log n_f of a
    factor: the weight 1/N counts once, not once for every coordinate. With one group there is
    no second to compare; the score is then its normalised mutual information, averaged over
    the factors. References: Chen et al. 2018, Eq. 6; Stühmer et al. 2019 for groups.

    Args:
        codes: of any posterior.
        num_samples: draws that the mutual informations average; none are made where every
            group is a single Gaussian latent, since quadrature then gives ``mig`` itself.

    Returns:
        ``mig_groups``; its standard error ``mig_groups_se``, for the top two groups held fixed;
        ``group_mutual_information`` (groups, F) in nats. Excluded factors do not count.
    """
    kept = counted(codes, codes.excluded)
    sizes = [codes.factor_sizes[f] for f in kept]
    terms = _terms(codes, num_samples)
    information = terms.mean(0).clamp(min=0)
    contrast = contrasts(information[:, kept], sizes)
    gap = (contrast * information[:, kept]).sum() / len(kept)
    error = torch.zeros(())
    if len(terms) > 1:
        each = (contrast * terms[:, :, kept]).sum((1, 2)) / len(kept)
        error = each.std() / len(terms) ** 0.5
    return {"mig_groups": gap.item(), "mig_groups_se": error.item(),
            "group_mutual_information": information}


def _terms(codes: Codes, num_samples: int) -> Tensor:
    """Terms that average to the mutual informations, (S, groups, F): one where they are exact."""
    if isinstance(codes.posterior, Gaussian) and all(len(group) == 1 for group in codes.groups):
        information, exact = latent_information(codes)
        if exact.all():
            return information[[group[0] for group in codes.groups]][None]
    return information_terms(codes.posterior, codes.z, codes.factors, codes.factor_sizes,
                             codes.groups, codes.points(num_samples))
