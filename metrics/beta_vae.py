"""The score of β-VAE: which factor is the same in pairs of images."""

from collections.abc import Sequence

import numpy as np

from priorbench.metrics.arguments import Count, Sample
from priorbench.metrics.base import Codes, Scores, register
from priorbench.metrics.information.gap import list_counted_factors
from priorbench.metrics.rows.accuracy import mean_accuracy
from priorbench.metrics.rows.partitions import list_partitions
from priorbench.metrics.rows.penalised_logistic import fit_logistic
from priorbench.priors.posteriors.base import Groups

DRAWS_AT_ONCE = 1_000
"""Draws of which the pairs are in memory at the same time."""


@register("beta_vae", headline="beta_vae", needs=("factors",))
def beta_vae(
    codes: Codes,
    num_pairs: Count = 64,
    num_train: Sample = 10_000,
    num_test: Count = 5_000,
) -> Scores:
    r"""Return how well differences within pairs tell which factor they share.

    For each draw a factor k is chosen, and L pairs of data points with the same value
    of it; the second point of a pair is any with that value. A logistic regression
    predicts k from the mean differences

    .. math:: x_j = \frac1L \sum_{l=1}^L |z_{lj} - z'_{lj}|

    and its accuracy among other draws is the score, from 0 to 1; chance is 1/F, and
    constant codes score about that. It saturates: codes that are rotated at random,
    mix two factors in one latent, or lack a factor score 1. It depends on the scale of
    the codes, for the regression is penalised and reads them as they are. Constant
    latents, relabelled values and copies of all data points change nothing but by
    chance. Of a group, the difference is the length of the chord,
    :math:`\|z_{lg} - z'_{lg}\|`, which a rotation inside the group leaves as it is.

    Settings are those of disentanglement_lib (Locatello et al. 2019); Higgins et al.
    2017, section 3, train a linear classifier by gradient descent. Carbonneau et al.
    2022 scale the codes to [0, 1] and the score so that chance is 0.

    Args:
        codes: of any posterior; its ``representation`` is read.
        num_pairs: L, pairs of a draw.
        num_train: draws that the regression is fitted to.
        num_test: draws that the accuracy is of.

    Returns:
        ``beta_vae`` and its standard error over the test draws ``beta_vae_se``;
        ``beta_vae_groups`` and ``beta_vae_groups_se`` where there are two groups or
        more, of which one has more than one coordinate. Nothing where only one factor
        is counted: there is no other to tell it from.

    Raises:
        ValueError: a number is below 1, or no factor can be counted.
    """
    numbers = {"num_pairs": num_pairs, "num_train": num_train, "num_test": num_test}
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"{name!r} must be at least 1; got {number}")
    counted = list_counted_factors(codes)
    if len(counted) < 2:
        return {}
    z = codes.representation.cpu().numpy()
    values = codes.factors[:, counted].cpu().numpy()
    generator = np.random.default_rng(codes.seed)
    shared = generator.integers(len(counted), size=num_train + num_test)
    partitions = list_partitions(codes)
    differences = _draw_differences(
        z, values, shared, num_pairs, list(partitions.values()), generator
    )
    scores: Scores = {}
    for ending, x in zip(partitions, differences, strict=True):
        train, test = np.split(x, [num_train])
        if np.ptp(shared[:num_train]) > 0:
            classifier = fit_logistic(train, shared[:num_train])
            predicted = classifier.predict(test)
        else:
            predicted = np.full(num_test, shared[0])
        accuracy, error = mean_accuracy(predicted == shared[num_train:])
        scores[f"beta_vae{ending}"] = accuracy
        scores[f"beta_vae{ending}_se"] = error
    return scores


def _draw_differences(
    z: np.ndarray,
    values: np.ndarray,
    shared: np.ndarray,
    num_pairs: int,
    partitions: Sequence[Groups],
    generator: np.random.Generator,
) -> list[np.ndarray]:
    """Return the mean differences of each draw's pairs.

    Args:
        z: float64 (N, d).
        values: of the factors, int64 (N, F).
        shared: the factor of each draw, int64 (draws,).
        num_pairs: L.
        partitions: groups of coordinates.
        generator: of the pairs.

    Returns:
        float64 (draws, groups) for each partition.
    """
    num_points = len(z)
    found = [np.empty((len(shared), len(groups))) for groups in partitions]
    for k, column in enumerate(values.T):
        # the rows of each value are a run in this order
        order = np.argsort(column, kind="stable")
        counts = np.bincount(column)
        starts = counts.cumsum() - counts
        draws = np.flatnonzero(shared == k)
        for some in np.split(draws, range(DRAWS_AT_ONCE, len(draws), DRAWS_AT_ONCE)):
            size = (len(some), num_pairs)
            first = generator.integers(num_points, size=size)
            value = column[first]
            steps = generator.random(size) * counts[value]
            second = order[starts[value] + steps.astype(np.int64)]
            squared = np.square(z[first] - z[second])
            for x, groups in zip(found, partitions, strict=True):
                for g, group in enumerate(groups):
                    lengths = np.sqrt(squared[..., list(group)].sum(axis=-1))
                    x[some, g] = lengths.mean(axis=1)
    return found
