"""The average KL term of the evidence lower bound, taken apart."""

import torch
from torch import Tensor

from priorbench.metrics.arguments import Sample
from priorbench.metrics.base import Codes, Scores, register
from priorbench.metrics.information.aggregate_posterior import log_aggregate
from priorbench.metrics.information.sampled import standard_error

PART_NAMES = ("index_code_mi", "total_correlation", "dimension_wise_kl")


@register("elbo_decomposition", needs=("densities", "prior"))
def elbo_decomposition(codes: Codes, num_samples: Sample = 2_000) -> Scores:
    r"""Estimate index-code mutual information, total correlation and dimension-wise KL.

    .. math:: E_x KL(q(z|x) \| p(z)) = I(x; z) + KL(q(z) \| \prod_g q(z_g))
        + E_{q(z)}[\sum_g \log q(z_g) - \log p(z)]

    over the prior's groups of latents g: a sphere's coordinates have no joint density
    with respect to their product, and a subspace's belong together. Where the prior
    factorises over the groups too, the third term is the sum of their KLs, >= 0.
    References: Chen et al. 2018, Eq. 2, with groups for dimensions; exact mixtures over
    all data points in place of batches.

    Args:
        codes: of any posterior.
        num_samples: random data points over which the terms are averaged; all if there
            are no more.

    Returns:
        ``index_code_mi`` from 0 to log N, ``total_correlation`` >= 0,
        ``dimension_wise_kl`` and the standard error of each, ``<name>_se``, in nats.
        All come from the same draws: the three add up to the mean of log q(z|x) - log
        p(z) over them. An estimate may be negative by noise.
    """
    index = codes.draw_points(num_samples)
    z = codes.z[index]
    own = codes.posterior[index].log_prob(z)
    joint, parts = log_aggregate(codes.posterior, z, codes.groups)
    terms = decomposition_terms(own, joint, parts, codes.log_prior[index])
    means, errors = terms.mean(0).tolist(), standard_error(terms).tolist()
    scores = dict(zip(PART_NAMES, means, strict=True))
    error_names = [f"{name}_se" for name in PART_NAMES]
    return {**scores, **dict(zip(error_names, errors, strict=True))}


def decomposition_terms(
    own: Tensor,
    joint: Tensor,
    parts: Tensor,
    log_prior: Tensor,
) -> Tensor:
    """Return terms whose means over x and q(z|x) are the three parts, float64 (S, 3).

    Args:
        own: log q(z | x) of the posterior that z was drawn from, (S,), in nats.
        joint: log q(z), (S,), in nats.
        parts: log q(z_g), (S, groups), in nats.
        log_prior: log p(z), (S,), in nats.

    Example:
        >>> zero = torch.zeros(1)
        >>> decomposition_terms(zero + 3, zero + 2, zero[:, None] + 1, zero).tolist()
        [[1.0, 1.0, 1.0]]
    """
    own, joint, log_prior = own.double(), joint.double(), log_prior.double()
    product = parts.double().sum(1)
    return torch.stack([own - joint, joint - product, product - log_prior], dim=1)
