"""The separated attribute predictability score, by linear regression."""

import numpy as np
import torch

from priorbench.metrics.base import Codes, Scores, register
from priorbench.metrics.information.gap import compute_gaps, list_counted_factors
from priorbench.metrics.rows.correlation import correlate_columns, explain_targets
from priorbench.metrics.rows.partitions import list_partitions


@register("sap_r2", headline="sap_r2", needs=("factors",))
def sap_r2(codes: Codes) -> Scores:
    r"""Return the gap between the two latents that best explain each factor linearly.

    .. math:: SAP = \frac1F \sum_k (R^2_{(1)k} - R^2_{(2)k}), \qquad
        R^2_{jk} = \mathrm{corr}(z_j, v_k)^2

    over all data points, in closed form; from 0 to 1. A perfect code scores 1, noise
    and constant codes 0. Factors are taken as ordered and their values as equally
    spaced: a code that permutes the values of a factor scores less than 1, relabelled
    factors score differently. It does not depend on the scale of the codes; constant
    latents and copies of all data points change nothing. With one latent there is no
    second: it counts as one that explains nothing.

    Of groups, R² is the multiple one of the regression on all coordinates of the group,
    which a rotation inside the group leaves as it is. A cyclic factor is there
    regressed as the two targets :math:`(\cos, \sin)(2\pi v / n)`, for an index is not
    linear on a circle. Both columns leave out what is not linear.

    References: Kumar et al. 2018, section 3, for continuous factors, as
    disentanglement_lib (Locatello et al. 2019) with ``continuous_factors=True``; its
    studies take support vector machines, see :func:`priorbench.metrics.sap.sap`.

    Args:
        codes: of any posterior; its ``representation`` is read.

    Returns:
        ``sap_r2``; ``sap_r2_groups`` where there are two groups or more, of which one
        has more than one coordinate; ``r2``, R² of the factors that are counted,
        (latent_dim, factors).

    Raises:
        ValueError: no factor can be counted.
    """
    counted = list_counted_factors(codes)
    z = codes.representation.cpu().numpy()
    values = codes.factors[:, counted].double().cpu().numpy()
    r2 = np.square(correlate_columns(z, values))
    scores: Scores = {"sap_r2": _average_gap(r2), "r2": torch.from_numpy(r2)}
    if "_groups" in list_partitions(codes):
        targets = []
        for f, column in zip(counted, values.T, strict=True):
            target = column[:, None]
            if codes.factor_names[f] in codes.cyclic:
                angle = 2 * np.pi * target / codes.factor_sizes[f]
                target = np.concatenate([np.cos(angle), np.sin(angle)], axis=1)
            targets.append(target)
        explained = explain_targets(z, targets, codes.groups)
        scores["sap_r2_groups"] = _average_gap(explained)
    return scores


def _average_gap(r2: np.ndarray) -> float:
    """Return the mean over factors of the gap of R², (codes, F)."""
    units = torch.ones(r2.shape[1], dtype=torch.float64)
    return compute_gaps(torch.from_numpy(r2), units).mean().item()
