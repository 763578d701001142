"""The mutual information gap of binned posterior means."""

import torch

from priorbench.metrics.arguments import Count, Sample
from priorbench.metrics.base import Codes, Scores, register
from priorbench.metrics.information.discrete import (
    discrete_information,
    histogram_information,
)
from priorbench.metrics.information.gap import compute_gaps, list_counted_factors


@register("mig_histogram", headline="mig_histogram", needs=("factors",), version=2)
def mig_histogram(
    codes: Codes,
    num_samples: Sample = 10_000,
    num_bins: Count = 20,
) -> Scores:
    r"""Return the mutual information gap of binned representations, from 0 to 1.

    .. math:: \frac1F \sum_f \frac{I(b_{(1)}; v_f) - I(b_{(2)}; v_f)}{H(v_f)}

    with b_j the bin of the representation's coordinate j, ``num_bins`` of equal width
    from its smallest to its largest sampled value, and plug-in estimates throughout. It
    does not see the posterior's noise, and for n_f > ``num_bins`` values it stays below
    about log num_bins / log n_f. With one coordinate there is no second, and the gap is
    the normalised information. Factors that are a nuisance do not count: smallNORB's
    instance, which disentanglement_lib does not count. References: Locatello et al.
    2019, appendix B.

    Args:
        codes: of any posterior; its ``representation`` is read: means, directions of
            spheres.
        num_samples: data points, drawn with replacement; all, once each, if there are
            no more.
        num_bins: bins for each coordinate.

    Returns:
        ``mig_histogram`` over the factors of more than one value among the samples.

    Raises:
        ValueError: no factor can be counted, or none varies among the samples.
    """
    num_points, device = len(codes.z), codes.z.device
    if num_points <= num_samples:
        index = torch.arange(num_points, device=device)
    else:
        generator = codes.make_generator()
        index = torch.randint(num_points, (num_samples,), generator=generator)
        index = index.to(device)
    representation = codes.posterior.representation[index].double()
    counted = list_counted_factors(codes)
    drawn = codes.factors[index][:, counted]
    varied = (drawn != drawn[:1]).any(0)
    if not varied.any():
        raise ValueError("'factors' do not vary among the sampled data points")
    values = drawn[:, varied]
    entropies = [discrete_information(column, column) for column in values.T]
    information = histogram_information(representation, values, num_bins)
    gaps = compute_gaps(information, torch.stack(entropies))
    return {"mig_histogram": gaps.mean().item()}
