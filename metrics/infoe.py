"""InfoE: how much of each factor a linear classifier reads from all latents."""

import math

import numpy as np

from priorbench.metrics.arguments import Sample
from priorbench.metrics.base import Codes, Scores, register
from priorbench.metrics.information.gap import list_counted_factors
from priorbench.metrics.rows.correlation import whiten_columns
from priorbench.metrics.rows.logistic_regression import regress_classes


@register("infoe", headline="infoe", needs=("factors",))
def infoe(codes: Codes, num_samples: Sample = 10_000) -> Scores:
    r"""Return the share of the factors' information that is explicit, from 0 to 1.

    .. math:: InfoE = \frac1F \sum_k \left(1 - \frac{CE_k}{\log n_k}\right)

    with :math:`CE_k` the cross-entropy of factor k under a multinomial logistic
    regression on all latents, and :math:`n_k` the number of values that occur. The
    regression has no penalty, and is fitted with equal weight for each value of the
    factor, however often it occurs: without information it gives all of them the same
    probability, and :math:`CE_k = \log n_k`. A factor counts 0 at least. Codes from
    which lines read all factors score 1, disentangled or not; constant codes score 0,
    noise a little more, for the regression is scored on the data points that it is
    fitted to.

    Any invertible linear map of the latents leaves the score as it is, turning a sphere
    or a group among them, so that groups need no column of their own. Constant latents,
    copies of latents or of all data points, and relabelled values change nothing.

    References: Hsu et al. 2023, and the authors' code, which has the same weights and
    measures the cross-entropy on the same data points, without them.

    Args:
        codes: of any posterior; its ``representation`` is read.
        num_samples: data points, drawn without replacement; all if there are no more.

    Returns:
        ``infoe``, and ``infoe_se``, its standard error over the data points for the
        fitted classifiers held fixed.

    Raises:
        ValueError: no factor can be counted, or none varies among the samples.
    """
    counted = list_counted_factors(codes)
    points = codes.draw_points(num_samples)
    z = codes.representation[points].cpu().numpy()
    inputs = whiten_columns(z)
    terms = []
    for values in codes.factors[points][:, counted].cpu().numpy().T:
        _, labels, counts = np.unique(values, return_inverse=True, return_counts=True)
        if len(counts) > 1:
            weights = 1 / (len(counts) * counts[labels])
            losses = regress_classes(inputs, labels, weights)
            missing = losses / math.log(len(counts))
            terms.append(missing if missing.mean() < 1 else np.ones_like(missing))
    if not terms:
        raise ValueError("'factors' do not vary among the sampled data points")
    missing = np.mean(terms, axis=0)
    return {
        "infoe": float(1 - missing.mean()),
        "infoe_se": float(missing.std() / len(missing) ** 0.5),
    }
