"""The area under the ROC curve of each class against the others."""

import numpy as np


def one_vs_rest_auc(
    scores: np.ndarray,
    is_class: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    r"""Return the area under the ROC curve of each class, and each row's part in it.

    .. math:: A_c = \frac{1}{n_+ n_-} \sum_{i: y_i = c} \sum_{j: y_j \ne c}
        \left([s_{ic} > s_{jc}] + \tfrac12 [s_{ic} = s_{jc}]\right)

    The influences :math:`\psi_{ic}` are DeLong's: the variance of a weighted sum
    :math:`\sum_c a_c A_c` of areas on the same rows is estimated by
    :math:`\sum_i (\sum_c a_c \psi_{ic})^2`. References: DeLong, DeLong and
    Clarke-Pearson 1988.

    Args:
        scores: s, the larger the likelier is the class, (n, K).
        is_class: whether row i is of class c, bool (n, K); each class has some rows and
            not all of them.

    Returns:
        A, (K,), and :math:`\psi`, (n, K).

    Example:
        >>> scores = np.array([[0.9], [0.4], [0.5], [0.1]])
        >>> is_class = np.array([[True], [True], [False], [False]])
        >>> one_vs_rest_auc(scores, is_class)[0]
        array([0.75])
    """
    areas = np.empty(scores.shape[1])
    influences = np.empty(scores.shape)
    for c, (score, inside) in enumerate(zip(scores.T, is_class.T, strict=True)):
        members, others = score[inside], score[~inside]
        won_by_members = _share_below(members, others)
        won_from_others = 1 - _share_below(others, members)
        areas[c] = won_by_members.mean()
        influences[inside, c] = (won_by_members - areas[c]) / len(members)
        influences[~inside, c] = (won_from_others - areas[c]) / len(others)
    return areas, influences


def _share_below(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the share of ``others`` below each value, ties counted half."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, values, side="left")
    up_to = np.searchsorted(ordered, values, side="right")
    return (below + up_to) / (2 * len(others))
