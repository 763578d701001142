"""Accuracy of the nearest neighbours' values of each factor."""

from collections.abc import Sequence

import numpy as np

from priorbench.metrics.arguments import Count
from priorbench.metrics.base import Codes, Scores, register
from priorbench.metrics.rows.probes import score_probe


@register("knn_probe", headline="knn_probe_1000", needs=("factors",))
def knn_probe(
    codes: Codes,
    labels: Sequence[Count] = (100, 1_000, 10_000),
    num_test: Count = 5_000,
    num_neighbours: Count = 5,
) -> Scores:
    r"""Return how well the nearest neighbours predict the factors, from 0 to 1.

    As :func:`priorbench.metrics.linear_probe.linear_probe`, with a vote of the nearest
    labelled codes, each with the weight 1/distance, so that equal counts do not fall to
    the value that has the lowest number; Euclidean distance of standardised codes. It
    sees curved codes that lines do not, and suffers from latents of noise, which are
    as long as the others after standardising. Noise and constant codes score about
    chance, on dSprites 0.11. Constant latents and the order and sign of latents change
    nothing.

    Args:
        codes: of any posterior; its ``representation`` is read.
        labels: numbers n of labels. Those that there are not enough data points for are
            left out.
        num_test: data points that the accuracy is of.
        num_neighbours: that vote; all labels if there are fewer.

    Returns:
        ``knn_probe_<n>`` for each n, the mean over the factors, with its standard error
        over the test points ``knn_probe_<n>_se``; ``knn_probe_accuracies`` (labels, F),
        of each factor that is counted.

    Raises:
        ValueError: there are not enough data points for any n, no factor can be
            counted, or an argument is out of its range.
    """
    if num_neighbours < 1:
        raise ValueError(f"'num_neighbours' must be at least 1; got {num_neighbours}")

    def predict_nearest(
        train_codes: np.ndarray,
        train_values: np.ndarray,
        test_codes: np.ndarray,
    ) -> np.ndarray:
        from sklearn.neighbors import KNeighborsClassifier  # takes a second to import

        neighbours = min(num_neighbours, len(train_codes))
        classifier = KNeighborsClassifier(neighbours, weights="distance")
        num_factors = train_values.shape[1]
        # scikit-learn takes a single factor as a flat array only
        values = train_values if num_factors > 1 else train_values[:, 0]
        predicted = classifier.fit(train_codes, values).predict(test_codes)
        return predicted.reshape(-1, num_factors)

    return score_probe(codes, predict_nearest, labels, num_test, "knn_probe")
