"""The mutual information gap, without sampling where that can be."""

from priorbench.metrics.base import Codes, Scores, register
from priorbench.metrics.information.gap import (
    list_counted_factors,
    gap_error,
    compute_gaps,
)
from priorbench.metrics.information.best_method import NAMES, estimate_information


@register("mig")
def mig(codes: Codes, step: float = 0.5, num_samples: int = 2_000) -> Scores:
    r"""Mutual information gap of the posteriors, from 0 to 1.

    .. math:: MIG = \frac1F \sum_f \frac{I(z_{(1)}; v_f) - I(z_{(2)}; v_f)}{\log n_f}

    with the two latents that know most of each factor, n_f its number of values, and z_j of
    the aggregate posterior, noise included. On a sphere the latents are its coordinates: the
    score depends on how the code is turned; ``mig_groups`` does not. References: Chen et al.
    2018, Eq. 6; entropies of Gaussian latents by :mod:`priorbench.metrics.information.quadrature` and of spheres'
    coordinates by :mod:`priorbench.metrics.information.harmonics` instead of by samples.

    Args:
        codes: of any posterior made of Gaussians and spheres, or one that gives the log density
            of single latents.
        step: distance of grid points, in units of each Gaussian latent's smallest standard
            deviation.
        num_samples: draws for a latent of another family, or with posteriors so narrow that the
            grid would need more than ``quadrature.MAX_POINTS`` points, or the harmonics more
            than ``harmonics.MAX_DEGREE`` degrees.

    Returns:
        ``mig`` over the factors that the dataset counts; ``mig_all_factors`` over all of more
        than one value; ``mig_<factor>``, the gap of each of these; ``mig_error``, how far
        ``mig`` may be off: a bound where nothing is sampled, otherwise a standard error of each
        sampled latent carried to the gap as if it were a bound; ``mig_quadrature_latents``,
        ``mig_harmonic_latents`` and ``mig_monte_carlo_latents``, how many latents each method
        scored; ``mutual_information`` (latent_dim, F) in nats.

    Raises:
        ValueError: no factor can be counted, or the posterior can give none of the densities
            that a latent needs; the message names what can be asked instead.
    """
    every, kept = (
        list_counted_factors(codes),
        list_counted_factors(codes, codes.excluded),
    )
    latents = [[j] for j in range(codes.z.shape[1])]
    found = estimate_information(codes, latents, step, num_samples)
    sizes = [codes.factor_sizes[f] for f in every]
    gap = dict(
        zip(every, compute_gaps(found.nats[:, every], sizes).tolist(), strict=True)
    )
    errors = gap_error(found.nats[:, every], found.error[:, every], sizes)
    error = dict(zip(every, errors.tolist(), strict=True))
    return {
        "mig": sum(gap[f] for f in kept) / len(kept),
        "mig_all_factors": sum(gap.values()) / len(gap),
        **{f"mig_{codes.factor_names[f]}": value for f, value in gap.items()},
        "mig_error": sum(error[f] for f in kept) / len(kept),
        **{f"mig_{name}_latents": float(found.methods.count(name)) for name in NAMES},
        "mutual_information": found.nats,
    }
