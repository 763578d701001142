"""The mutual information gap, without sampling where that is possible."""

from priorbench.metrics.arguments import GridStep, Sample
from priorbench.metrics.base import Codes, Scores, register
from priorbench.metrics.information.gap import (
    bound_gap_errors,
    compute_gaps,
    list_counted_factors,
    list_varied_factors,
)
from priorbench.metrics.information.latent_information import (
    METHOD_NAMES,
    estimate_information,
)


@register("mig", headline="mig", needs=("factors", "densities"), version=2)
def mig(codes: Codes, step: GridStep = 0.5, num_samples: Sample = 2_000) -> Scores:
    r"""Return the mutual information gap of the posteriors, from 0 to 1.

    .. math:: MIG = \frac1F \sum_f \frac{I(z_{(1)}; v_f) - I(z_{(2)}; v_f)}{H(v_f)}

    with the two latents that know most of each factor, H(v_f) the entropy of its
    values in the data, and z_j of the aggregate posterior, noise included. A factor of
    one value in the data does not count. On a sphere the latents are its
    coordinates: the score depends on how the code is turned; ``mig_groups`` does not.
    References: Chen et al. 2018, Eq. 6; entropies of Gaussian latents by
    :mod:`priorbench.metrics.information.quadrature` and of spheres' coordinates by
    :mod:`priorbench.metrics.information.harmonics` instead of by samples.

    Args:
        codes: of any posterior made of Gaussians and spheres, or one that gives the log
            density of single latents.
        step: distance of grid points, in units of each Gaussian latent's smallest
            standard deviation.
        num_samples: draws for a latent of another family, or with posteriors so narrow
            that the grid would need more than ``quadrature.MAX_POINTS`` points, or the
            harmonics more than ``harmonics.MAX_DEGREE`` degrees.

    Returns:
        ``mig`` over the factors that the dataset counts; ``mig_all_factors`` over all
        of more than one value in the data; ``mig_<factor>``, the gap of each of these;
        ``mig_error``, how far ``mig`` may be off: a bound where nothing is sampled,
        otherwise a standard error of each sampled latent carried to the gap as if it
        were a bound; ``mig_quadrature_latents``, ``mig_harmonic_latents`` and
        ``mig_monte_carlo_latents``, how many latents each method scored;
        ``mutual_information`` (latent_dim, F) in nats.

    Raises:
        ValueError: no factor can be counted, a factor has a name that stands for
            another column, or the posterior lacks a density that a latent needs; the
            message names the metrics to ask for instead.
    """
    varied = list_varied_factors(codes)
    counted = list_counted_factors(codes, codes.excluded)
    latents = [[j] for j in range(codes.z.shape[1])]
    found = estimate_information(codes, latents, step, num_samples)
    information = found.nats[:, varied]
    error = found.error[:, varied]
    units = codes.factor_entropies[varied]
    all_gaps = compute_gaps(information, units).tolist()
    all_errors = bound_gap_errors(information, error, units).tolist()
    gaps = [gap for f, gap in zip(varied, all_gaps, strict=True) if f in counted]
    errors = [e for f, e in zip(varied, all_errors, strict=True) if f in counted]
    scores: Scores = {
        "mig": sum(gaps) / len(gaps),
        "mig_error": sum(errors) / len(errors),
        "mig_all_factors": sum(all_gaps) / len(all_gaps),
    }
    for name in METHOD_NAMES:
        scores[f"mig_{name}_latents"] = float(found.methods.count(name))
    for f, gap in zip(varied, all_gaps, strict=True):
        name = codes.factor_names[f]
        if f"mig_{name}" in scores:
            raise ValueError(
                f"the gap of factor {name!r} would be called 'mig_{name}', which is "
                "another score; give the factor another name"
            )
        scores[f"mig_{name}"] = gap
    scores["mutual_information"] = found.nats
    return scores
