"""The mutual information gap of binned posterior means."""

import torch

from priorbench.metrics.base import Codes, Scores, register
from priorbench.metrics.information.discrete import assign_bins, discrete_information
from priorbench.metrics.information.gap import list_counted_factors


@register("mig_histogram", headline="mig_histogram", needs=("factors",))
def mig_histogram(
    codes: Codes,
    num_samples: int = 10_000,
    num_bins: int = 20,
) -> Scores:
    r"""Return the mutual information gap of binned representations, from 0 to 1.

    .. math:: \frac1F \sum_f \frac{I(b_{(1)}; v_f) - I(b_{(2)}; v_f)}{H(v_f)}

    with b_j the bin of the representation's coordinate j, ``num_bins`` of equal width
    from its smallest to its largest sampled value, and plug-in estimates throughout. It
    does not see the posterior's noise, and for n_f > ``num_bins`` values it stays below
    about log num_bins / log n_f. References: Locatello et al. 2019, appendix B.

    Args:
        codes: of any posterior; its ``representation`` is read: means, directions of
            spheres.
        num_samples: data points, drawn with replacement; all, once each, if there are
            no more.
        num_bins: bins for each coordinate.

    Returns:
        ``mig_histogram`` over all factors of more than one value among the samples.

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
    bins = [assign_bins(coordinate, num_bins) for coordinate in representation.T]
    gaps = []
    for f in list_counted_factors(codes):
        values = codes.factors[index, f]
        entropy = discrete_information(values, values)
        if entropy > 0:
            information = torch.stack([discrete_information(b, values) for b in bins])
            # with one coordinate there is no second: it counts as one that knows
            # nothing
            padded = torch.cat([information, torch.zeros_like(information[:1])])
            first, second = padded.topk(2).values
            gaps.append((first - second) / entropy)
    if not gaps:
        raise ValueError("'factors' do not vary among the sampled data points")
    return {"mig_histogram": torch.stack(gaps).mean().item()}
