"""The mutual information gap, by quadrature."""

import torch
from torch import Tensor

from metrics.base import Codes, Scores, register
from metrics.gaps import counted, gaps
from metrics.information import information_terms
from metrics.quadrature import MAX_POINTS, mutual_information, num_points
from priors.posteriors import Gaussian


@register("mig")
def mig(codes: Codes, step: float = 0.5, num_samples: int = 2_000) -> Scores:
    r"""Mutual information gap of the posteriors, from 0 to 1.

    .. math:: MIG = \frac1F \sum_f \frac{I(z_{(1)}; v_f) - I(z_{(2)}; v_f)}{\log n_f}

    with the two latents that know most of each factor, n_f its number of values, and z_j of
    the aggregate posterior, noise included. References: Chen et al. 2018, Eq. 6; entropies by
    :func:`metrics.quadrature.entropies` instead of by samples.

    Args:
        codes: under a Gaussian posterior.
        step: distance of grid points, in units of each latent's smallest standard deviation.
        num_samples: draws for a latent whose smallest standard deviation is so far below the
            others that the grid would need more than ``quadrature.MAX_POINTS`` points.

    Returns:
        ``mig`` over the factors that the dataset counts; ``mig_all_factors`` over all of more
        than one value; ``mig_<factor>``, the gap of each of these; ``mig_quadrature_latents``,
        the number of latents not sampled; ``mutual_information`` (latent_dim, F) in nats.

    Raises:
        ValueError: the posterior is not Gaussian, or no factor can be counted.
    """
    every, kept = counted(codes), counted(codes, codes.excluded)
    information, by_quadrature = latent_information(codes, step, num_samples)
    gap = dict(zip(every, gaps(information[:, every], [codes.factor_sizes[f] for f in every])
                   .tolist(), strict=True))
    return {
        "mig": sum(gap[f] for f in kept) / len(kept),
        "mig_all_factors": sum(gap.values()) / len(gap),
        **{f"mig_{codes.factor_names[f]}": value for f, value in gap.items()},
        "mig_quadrature_latents": float(by_quadrature.sum()),
        "mutual_information": information,
    }


def latent_information(codes: Codes, step: float = 0.5,
                       num_samples: int = 2_000) -> tuple[Tensor, Tensor]:
    """Mutual information of each latent with each factor, and which are by quadrature.

    Arguments and errors are those of :func:`mig`.

    Returns:
        (latent_dim, F) in nats, float64, and bool (latent_dim,).
    """
    q = codes.posterior
    if not isinstance(q, Gaussian):
        raise ValueError("'mig' needs the densities of single latents and has them for Gaussian "
                         f"posteriors; got {type(q).__name__}: use 'mig_groups' or 'mig_histogram'")
    smooth = num_points(q.loc, q.scale, step) <= MAX_POINTS
    information = torch.zeros(q.loc.shape[1], codes.factors.shape[1], dtype=torch.float64,
                              device=q.loc.device)
    if smooth.any():
        information[smooth] = mutual_information(q.loc[:, smooth], q.scale[:, smooth],
                                                 codes.factors, codes.factor_sizes, step)
    narrow = [[j] for j in (~smooth).nonzero().flatten().tolist()]
    if narrow:
        terms = information_terms(q, codes.z, codes.factors, codes.factor_sizes, narrow,
                                  codes.points(num_samples))
        information[~smooth] = terms.mean(0).clamp(min=0)
    return information, smooth
