"""Unsupervised disentanglement ranking: how far the seeds of a setting agree.

It compares models with each other, so that it belongs to a set of runs and not to one.
Nothing here imports torch.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

ACTIVE_KL = 0.01
"""KL of a group, in nats, above which its latents may be active (Duan et al. 2020)."""

ACTIVE_VARIANCE = 0.01
"""Variance of a representation above which a latent is active (Burda et al. 2016)."""


def unsupervised_disentanglement_rank(
    representations: ArrayLike, active: ArrayLike
) -> np.ndarray:
    r"""Return for each of S models how well its latents pair with the others'.

    .. math:: UDR_{st} = \frac12 \left[
        \frac{1}{d_t} \sum_b \frac{\max_a R_{ab}^2}{\sum_a R_{ab}} +
        \frac{1}{d_s} \sum_a \frac{\max_b R_{ab}^2}{\sum_b R_{ab}} \right], \qquad
        UDR_s = \mathrm{median}_{t \ne s}\, UDR_{st}

    with :math:`R_{ab}` the absolute Spearman correlation of latent a of model s with
    latent b of model t, among the :math:`d_s` and :math:`d_t` active latents; from 0 to
    1. It needs no factors, and ranks agreement: models that mix the factors in the same
    way agree. The score of independent noise falls with the number n of images, about
    as :math:`n^{-1/2}`. Sign, order and monotone maps of latents change nothing; a
    model without an active latent scores 0, and 0 is its score against the others.

    References: Duan et al. 2020; the denominators are those of disentanglement_lib
    (Locatello et al. 2019), the same as the paper's for :math:`d_s = d_t`. The paper's
    other variant takes coefficients of Lasso regressions for R.

    Args:
        representations: of the same n images under each model, (S, n, d).
        active: bool (S, d), the latents that take part; in the paper those with a mean
            KL above 0.01 nats.

    Returns:
        float64 (S,).

    Raises:
        ValueError: there are fewer than two models or two images, or the shapes do not
            fit.

    Example:
        >>> z = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
        >>> swapped = -z[:, ::-1]
        >>> active = np.ones((2, 2), bool)
        >>> ranks = unsupervised_disentanglement_rank([z, swapped], active)
        >>> ranks.round(9).tolist()
        [1.0, 1.0]
    """
    representations = np.asarray(representations, dtype=np.float64)
    active = np.asarray(active, dtype=bool)
    if representations.ndim != 3 or min(representations.shape[:2]) < 2:
        raise ValueError(
            "'representations' must have the shape (models, images, latents), at least "
            f"two of the first two; got {representations.shape}"
        )
    num_models, _, latent_dim = representations.shape
    if active.shape != (num_models, latent_dim):
        raise ValueError(
            f"'active' must have the shape {(num_models, latent_dim)} to fit "
            f"'representations'; got {active.shape}"
        )
    ranks = [
        _standardise_ranks(z[:, own])
        for z, own in zip(representations, active, strict=True)
    ]
    agreement = np.zeros((num_models, num_models))
    for s in range(num_models):
        for t in range(s):
            correlation = np.abs(ranks[s].T @ ranks[t])
            pair = (
                _average_strength(correlation) + _average_strength(correlation.T)
            ) / 2
            agreement[s, t] = agreement[t, s] = pair
    others = ~np.eye(num_models, dtype=bool)
    return np.median(agreement[others].reshape(num_models, -1), axis=1)


def find_active_latents(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return which latents of a stored representation are active, bool (latent_dim,).

    They are above :data:`ACTIVE_KL` and :data:`ACTIVE_VARIANCE`. The first alone would
    count all latents of a subspace that is used, the second those of a sphere whose
    direction says nothing.

    Args:
        arrays: ``latent_kl``, that of each latent's group, and ``latent_variance``.
    """
    informed = arrays["latent_kl"] > ACTIVE_KL
    varying = arrays["latent_variance"] > ACTIVE_VARIANCE
    return informed & varying


def _standardise_ranks(z: np.ndarray) -> np.ndarray:
    """Return the ranks in each column, of mean 0 and length 1; 0 where it is constant.

    Equal values have their mean rank. The product of two columns is then Spearman's
    correlation.
    """
    ranks = np.zeros(z.shape)
    for j, column in enumerate(z.T):
        _, position, counts = np.unique(column, return_inverse=True, return_counts=True)
        mean_ranks = counts.cumsum() - (counts - 1) / 2
        ranks[:, j] = mean_ranks[position]
    ranks -= ranks.mean(axis=0)
    length = np.sqrt(np.square(ranks).sum(axis=0))
    return ranks / np.where(length > 0, length, 1.0)


def _average_strength(correlation: np.ndarray) -> float:
    """Return the mean over columns of the largest squared entry over their sum.

    A column of zeros counts 0, and so does a matrix without entries.
    """
    if correlation.size == 0:
        return 0.0
    total = correlation.sum(axis=0)
    largest = np.square(correlation.max(axis=0))
    return float((largest / np.where(total > 0, total, 1.0)).mean())
