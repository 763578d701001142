"""Unsupervised disentanglement ranking: how far the seeds of a setting agree.

It compares models with each other, so that it belongs to a set of runs and not to one.
Nothing here imports torch.
"""

import numpy as np
from numpy.typing import ArrayLike


def unsupervised_disentanglement_rank(
    representations: ArrayLike,
    kl: ArrayLike,
    threshold: float = 0.01,
) -> np.ndarray:
    r"""Return for each of S models how well its latents pair with the others'.

    .. math:: UDR_{st} = \frac12 \left[
        \frac{1}{d_t} \sum_b \frac{\max_a R_{ab}^2}{\sum_a R_{ab}} +
        \frac{1}{d_s} \sum_a \frac{\max_b R_{ab}^2}{\sum_b R_{ab}} \right], \qquad
        UDR_s = \mathrm{median}_{t \ne s}\, UDR_{st}

    with :math:`R_{ab}` the absolute Spearman correlation of latent a of model s with
    latent b of model t, among the :math:`d_s` and :math:`d_t` latents with a KL above
    ``threshold``; from 0 to 1. It needs no factors, and ranks agreement: models that
    mix the factors in the same way agree. The score of independent noise falls with the
    number n of images, about as :math:`n^{-1/2}`. Sign, order and monotone maps of
    latents change nothing; a model without such a latent scores 0, and 0 is its score
    against the others.

    References: Duan et al. 2020; the denominators are those of disentanglement_lib
    (Locatello et al. 2019), the same as the paper's for :math:`d_s = d_t`. The paper's
    other variant takes coefficients of Lasso regressions for R.

    Args:
        representations: of the same n images under each model, (S, n, d).
        kl: mean KL of each latent from its prior, (S, d), in nats.
        threshold: in nats, above which a latent takes part.

    Returns:
        float64 (S,).

    Raises:
        ValueError: there are fewer than two models or two images, or the shapes do not
            fit.

    Example:
        >>> z = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
        >>> swapped = -z[:, ::-1]
        >>> ranks = unsupervised_disentanglement_rank([z, swapped], np.ones((2, 2)))
        >>> ranks.round(9).tolist()
        [1.0, 1.0]
    """
    representations = np.asarray(representations, dtype=np.float64)
    kl = np.asarray(kl, dtype=np.float64)
    if representations.ndim != 3 or min(representations.shape[:2]) < 2:
        raise ValueError(
            "'representations' must have the shape (models, images, latents), at least "
            f"two of the first two; got {representations.shape}"
        )
    num_models, _, latent_dim = representations.shape
    if kl.shape != (num_models, latent_dim):
        raise ValueError(
            f"'kl' must have the shape {(num_models, latent_dim)} to fit "
            f"'representations'; got {kl.shape}"
        )
    ranks = [
        _standardise_ranks(z[:, active])
        for z, active in zip(representations, kl > threshold, strict=True)
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
