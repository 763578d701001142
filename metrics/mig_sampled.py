"""The mutual information gap as published, from samples."""

import torch
from torch import Tensor

from priorbench.metrics.arguments import Sample
from priorbench.metrics.base import Codes, Scores, register
from priorbench.metrics.information.aggregate_posterior import log_aggregate
from priorbench.metrics.information.gap import (
    gap_contrasts,
    list_counted_factors,
)
from priorbench.priors.posteriors.base import Posterior


@register("mig_sampled", needs=("factors", "densities"), version=2)
def mig_sampled(codes: Codes, num_samples: Sample = 10_000) -> Scores:
    r"""Estimate the mutual information gap as published; from 0 to 1.

    .. math:: H(z_j) \approx -\frac1S \sum_s \log \frac1N \sum_n q(z_j^s | x_n)

    over S random data points' draws, and the same inside every factor value, averaged
    over the data. References: Chen et al. 2018, Eq. 6 and appendix C.

    The cost is ``num_samples`` * N densities for each latent, once and again for each
    factor: long on a CPU for hundreds of thousands of images.

    Args:
        codes: of a posterior with densities for single latents: Gaussian, von
            Mises–Fisher.
        num_samples: draws for each entropy, without replacement; fewer where there are
            fewer.

    Returns:
        ``mig_sampled`` and ``mig_sampled_se``, its standard error. The gap is linear in
        the entropies while the top two latents stay the same, so the delta method is
        exact: the variance is a quadratic form in the entropies' covariance over
        latents. The entropies are taken as independent between factor values. On a
        small data set they share draws, so that their errors cancel and the standard
        error is overstated: forty-fold where all of 360 data points are drawn of a code
        that is almost perfect. The error leaves out a bias, because the top two latents
        are picked by noisy estimates. Where several latents lie close below the best
        one, the second is the largest of them, and the gap is too small, by a few
        hundredths at 100 draws and a thousandth at 10,000. Where the best two know
        equally much, the gap is 0 and its estimate is not: it is too large, by up to
        0.05 at 360 draws.

    Raises:
        ValueError: no factor can be counted, or the posterior has no densities of
            single latents.
    """
    counted = list_counted_factors(codes, codes.excluded)
    generator = codes.make_generator()
    marginal, covariance = _estimate_entropies(
        codes.posterior, codes.z, num_samples, generator
    )
    conditional, covariances_within = [], []
    for f in counted:
        mean, within = _estimate_conditional_entropies(codes, f, num_samples, generator)
        conditional.append(mean)
        covariances_within.append(within)
    information = (marginal[:, None] - torch.stack(conditional, dim=1)).clamp(min=0)
    contrasts = gap_contrasts(information, codes.factor_entropies[counted]) / len(
        counted
    )
    total = contrasts.sum(1)
    variance = total @ covariance @ total
    for column, within in zip(contrasts.T, covariances_within, strict=True):
        variance = variance + column @ within @ column
    return {
        "mig_sampled": (contrasts * information).sum().item(),
        "mig_sampled_se": variance.clamp(min=0).sqrt().item(),
    }


def _estimate_entropies(
    posterior: Posterior,
    z: Tensor,
    num_samples: int,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Return each latent's entropy, (d,), and the estimates' covariance, (d, d)."""
    index = torch.randperm(len(z), generator=generator)[:num_samples].to(z.device)
    latents = [[j] for j in range(z.shape[1])]
    try:
        surprise = -log_aggregate(posterior, z[index], latents)[1]
    except ValueError as error:
        raise ValueError(
            "'mig_sampled' needs the densities of single latents, which "
            f"{type(posterior.family).__name__} lacks ({error}): ask for 'mig' or "
            "'mig_groups'"
        ) from error
    mean, count = surprise.mean(0), len(index)
    centred = surprise - mean
    return mean, centred.T @ centred / (count * max(count - 1, 1))


def _estimate_conditional_entropies(
    codes: Codes,
    factor: int,
    num_samples: int,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Return each latent's entropy given a factor, (d,), and a covariance, (d, d)."""
    values = codes.factors[:, factor]
    mean, covariance = 0.0, 0.0
    for value in values.unique():
        rows = (values == value).nonzero().flatten()
        share = len(rows) / len(values)
        entropies, within = _estimate_entropies(
            codes.posterior[rows], codes.z[rows], num_samples, generator
        )
        mean = mean + share * entropies
        covariance = covariance + share**2 * within
    return mean, covariance
