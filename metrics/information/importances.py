r"""From importances of codes for factors to disentanglement and completeness.

Notation: R is the matrix of importances R_jk >= 0 of d codes (latents or groups) for F
factors, H_b the entropy to the base b.
"""

import math

import torch
from torch import Tensor

from priorbench.priors.posteriors.base import Groups


def importance_disentanglement(importances: Tensor) -> float | None:
    r"""Return how far each code is important for one factor only, from 0 to 1.

    .. math:: D = \sum_j \rho_j \left(1 - H_F(P_{j\cdot})\right), \quad
        P_{jk} = \frac{R_{jk}}{\sum_l R_{jl}}, \quad
        \rho_j = \frac{\sum_k R_{jk}}{\sum_{lk} R_{lk}}

    A code of no importance has weight 0, so that constant latents do not count. If none
    has any, the score is 0, as in disentanglement_lib. References: Eastwood and
    Williams 2018, section 2.

    Args:
        importances: R, (d, F), from 0.

    Returns:
        D, or None if there are fewer than two factors to tell apart.

    Example:
        >>> importance_disentanglement(torch.tensor([[1.0, 0.0], [0.5, 0.5]]))
        0.5
    """
    return _average_purity(importances)


def importance_completeness(importances: Tensor) -> float | None:
    r"""Return how far each factor depends on one code only, from 0 to 1.

    .. math:: C = \sum_k \rho_k \left(1 - H_d(\tilde P_{\cdot k})\right), \quad
        \tilde P_{jk} = \frac{R_{jk}}{\sum_l R_{lk}}, \quad
        \rho_k = \frac{\sum_j R_{jk}}{\sum_{jl} R_{jl}}

    The base of the entropy is the number of codes: constant latents raise the score.
    The weights are those of disentanglement_lib; Eastwood and Williams 2018, section 2,
    have the plain mean over factors, the same where all importances of a factor add up
    to 1.

    Args:
        importances: R, (d, F), from 0.

    Returns:
        C, or None if there are fewer than two codes to tell apart.

    Example:
        >>> importance_completeness(torch.tensor([[1.0, 0.5], [0.0, 0.5]]))
        0.5
    """
    return _average_purity(importances.T)


def _average_purity(importances: Tensor) -> float | None:
    """Return 1 - the entropy of each row, weighted by the rows' sums."""
    # trees give zeros that rounding has made negative, and entr is -inf for these
    importances = importances.double().clamp(min=0)
    num_columns = importances.shape[1]
    if num_columns < 2:
        return None
    totals = importances.sum(1)
    total = totals.sum()
    if total <= 0:
        return 0.0
    used = totals > 0
    shares = importances[used] / totals[used, None]
    entropies = torch.special.entr(shares).sum(1) / math.log(num_columns)
    weights = totals[used] / total
    score = (weights * (1 - entropies)).sum().item()
    return min(max(score, 0.0), 1.0)


def sum_over_groups(importances: Tensor, groups: Groups) -> Tensor:
    """Return the importances of groups, each the sum of its coordinates'.

    A rotation inside a group leaves what the group knows; as one code it counts once.

    Args:
        importances: (d, F).
        groups: coordinates of each group.

    Returns:
        (groups, F).

    Example:
        >>> sum_over_groups(torch.tensor([[1.0], [2.0], [4.0]]), [[0], [1, 2]]).tolist()
        [[1.0], [6.0]]
    """
    sums = [importances[list(group)].sum(0) for group in groups]
    return torch.stack(sums)
