"""The mutual information gap as published, from samples."""

import torch
from torch import Tensor

from priorbench.metrics.information.aggregate_posterior import log_aggregate
from priorbench.metrics.base import Codes, Scores, register
from priorbench.metrics.information.gap import gap_contrasts, list_counted_factors
from priorbench.priors.posteriors.base import Posterior


@register("mig_sampled")
def mig_sampled(codes: Codes, num_samples: int = 10_000) -> Scores:
    r"""Mutual information gap by the published estimator, the check on ``mig``; from 0 to 1.

    .. math:: H(z_j) \approx -\frac1S \sum_s \log \frac1N \sum_n q(z_j^s | x_n)

    over S random data points' draws, and the same inside every factor value, averaged over the
    data. References: Chen et al. 2018, Eq. 6 and appendix C.

    The cost is ``num_samples`` * N densities for each latent, once and again for each factor:
    long on a CPU for hundreds of thousands of images.

    Args:
        codes: of a posterior with densities for single latents: Gaussian, von Mises–Fisher.
        num_samples: draws for each entropy, without replacement; fewer where there are fewer.

    Returns:
        ``mig_sampled`` and ``mig_sampled_se``, its standard error. The gap is linear in the
        entropies while the top two latents stay the same, so the delta method is exact: the
        variance is a quadratic form in the entropies' covariance over latents. The entropies
        are taken as independent between factor values, which overstates the error where a
        small data set makes them share draws.
        It leaves out a bias: the second latent is the largest of several noisy estimates, so
        few draws make the gap too small, by a few hundredths at 100 and a thousandth at 10,000.

    Raises:
        ValueError: no factor can be counted, or the posterior has no densities of single latents.
    """
    kept = list_counted_factors(codes, codes.excluded)
    sizes = [codes.factor_sizes[f] for f in kept]
    generator = codes.generator()
    marginal, covariance = _sample_entropy(
        codes.posterior, codes.z, num_samples, generator
    )
    pairs = [
        _sample_conditional_entropy(codes, f, num_samples, generator) for f in kept
    ]
    conditional = torch.stack([mean for mean, _ in pairs], dim=1)
    information = (marginal[:, None] - conditional).clamp(min=0)
    contrast = gap_contrasts(information, sizes) / len(kept)
    variance = contrast.sum(1) @ covariance @ contrast.sum(1)
    for column, (_, within) in zip(contrast.T, pairs, strict=True):
        variance = variance + column @ within @ column
    return {
        "mig_sampled": (contrast * information).sum().item(),
        "mig_sampled_se": variance.clamp(min=0).sqrt().item(),
    }


def _sample_entropy(
    posterior: Posterior, z: Tensor, num_samples: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Entropy of every latent, (d,), and the covariance of these estimates, (d, d)."""
    index = torch.randperm(len(z), generator=generator)[:num_samples].to(z.device)
    latents = [[j] for j in range(z.shape[1])]
    try:
        surprise = -log_aggregate(posterior, z[index], latents)[1]
    except ValueError as error:
        raise ValueError(
            f"'mig_sampled' needs the densities of single latents, which "
            f"{type(posterior).__name__} lacks ({error}): ask for 'mig' or "
            "'mig_groups'"
        ) from error
    mean = surprise.mean(0)
    centred = surprise - mean
    return mean, centred.T @ centred / (len(index) * max(len(index) - 1, 1))


def _sample_conditional_entropy(
    codes: Codes, factor: int, num_samples: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Entropy of every latent given one factor, (d,), and the estimates' covariance, (d, d)."""
    values = codes.factors[:, factor]
    mean, covariance = 0.0, 0.0
    for value in values.unique():
        rows = (values == value).nonzero().flatten()
        share = len(rows) / len(values)
        inside = _sample_entropy(
            codes.posterior[rows], codes.z[rows], num_samples, generator
        )
        mean, covariance = mean + share * inside[0], covariance + share**2 * inside[1]
    return mean, covariance
