"""The average KL term of the evidence lower bound, taken apart."""

import torch
from torch import Tensor

from priorbench.metrics.information.aggregate_posterior import log_aggregate
from priorbench.metrics.base import Codes, Scores, register
from priorbench.metrics.information.sampled import standard_error

NAMES = ("index_code_mi", "total_correlation", "dimension_wise_kl")


@register("elbo_decomposition")
def elbo_decomposition(codes: Codes, num_samples: int = 2_000) -> Scores:
    r"""Index-code mutual information, total correlation and dimension-wise KL, in nats.

    .. math:: E_x KL(q(z|x) \| p(z)) = I(x; z) + KL(q(z) \| \prod_g q(z_g))
        + E_{q(z)}[\sum_g \log q(z_g) - \log p(z)]

    over the prior's groups of latents g: a sphere's coordinates have no joint density with
    respect to their product, and a subspace's belong together. Where the prior factorises over
    the groups too, the third term is the sum of their KLs, >= 0. References: Chen et al. 2018,
    Eq. 2, with groups for dimensions; exact mixtures over all data points in place of batches.

    Args:
        codes: of any posterior.
        num_samples: random data points whose draws are averaged; all if there are no more.

    Returns:
        ``index_code_mi`` from 0 to log N, ``total_correlation`` >= 0, ``dimension_wise_kl`` and
        the standard error of each, ``<name>_se``. All come from the same draws: the three add
        up to the mean of log q(z|x) - log p(z) over them. An estimate may be negative by noise.
    """
    index = codes.points(num_samples)
    z = codes.z[index]
    own = codes.posterior[index].log_prob(z)
    joint, groups = log_aggregate(codes.posterior, z, codes.groups)
    terms = decomposition_terms(own, joint, groups, codes.log_prior[index])
    errors = standard_error(terms).tolist()
    return {
        **dict(zip(NAMES, terms.mean(0).tolist(), strict=True)),
        **{f"{name}_se": e for name, e in zip(NAMES, errors, strict=True)},
    }


def decomposition_terms(
    own: Tensor, joint: Tensor, groups: Tensor, log_prior: Tensor
) -> Tensor:
    """Terms whose expectations over x and q(z|x) are the three parts, float64 (S, 3), in nats.

    Args:
        own: log q(z | x) of the posterior that z was drawn from, (S,).
        joint: log q(z), (S,).
        groups: log q(z_g), (S, groups).
        log_prior: log p(z), (S,).

    Example:
        >>> zero = torch.zeros(1)
        >>> decomposition_terms(zero + 3, zero + 2, zero[:, None] + 1, zero).tolist()
        [[1.0, 1.0, 1.0]]
    """
    product = groups.double().sum(1)
    joint = joint.double()
    return torch.stack(
        [own.double() - joint, joint - product, product - log_prior.double()], 1
    )
