"""Training and test rows for the metrics that fit predictors."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch

from priorbench.metrics.base import Codes
from priorbench.metrics.information.gap import list_counted_factors
from priorbench.metrics.rows.correlation import find_constant_columns


def draw_split(codes: Codes, num_train: int, num_test: int) -> tuple[np.ndarray, ...]:
    """Return the indices of random training rows and of other, random test rows.

    Rows are data points, drawn without replacement from a permutation that
    ``codes.seed`` determines. Where there are fewer than ``num_train + num_test``, all
    of them are shared out in that ratio.

    Args:
        codes: of any posterior.
        num_train: training rows, >= 1.
        num_test: test rows, >= 1.

    Returns:
        int64 (train,) and int64 (test,), on the CPU.

    Raises:
        ValueError: a number is below 1, or there are too few data points for one
            training row and one test row.

    References: disentanglement_lib (Locatello et al. 2019) draws 10,000 and 5,000 rows
    with replacement, so that a row may be in both.
    """
    for name, count in {"num_train": num_train, "num_test": num_test}.items():
        if count < 1:
            raise ValueError(f"{name!r} must be at least 1; got {count}")
    num_points = len(codes.factors)
    wanted = num_train + num_test
    if num_points < wanted:
        num_train = num_points * num_train // wanted
        num_test = num_points - num_train
    if num_train < 1:
        raise ValueError(
            "'codes' must have enough data points to train on some and test on others; "
            f"got {num_points}"
        )
    order = np.random.default_rng(codes.seed).permutation(num_points)
    return order[:num_train], order[num_train : num_train + num_test]


@dataclass(frozen=True)
class SplitRows:
    """Representations and factor values of training rows and of test rows.

    Attributes:
        train_codes: float64 (train, d).
        train_values: int64 (train, F), of the factors in ``factors``.
        test_codes: float64 (test, d).
        test_values: int64 (test, F).
        factors: indices of the F factors that are scored: those that metrics count and
            that have more than one value among the training rows.
    """

    train_codes: np.ndarray
    train_values: np.ndarray
    test_codes: np.ndarray
    test_values: np.ndarray
    factors: tuple[int, ...]

    @classmethod
    def from_codes(cls, codes: Codes, num_train: int, num_test: int) -> Self:
        """Draw the rows, see :func:`draw_split`.

        Raises:
            ValueError: there are too few rows, no factor can be counted, or none varies
                among the training rows.
        """
        split = draw_split(codes, num_train, num_test)
        index = [torch.from_numpy(rows).to(codes.factors.device) for rows in split]
        representation = codes.representation
        train_codes, test_codes = (representation[rows].cpu().numpy() for rows in index)
        train_values, test_values = (
            codes.factors[rows].cpu().numpy() for rows in index
        )
        counted = list_counted_factors(codes)
        varied = [f for f in counted if np.ptp(train_values[:, f]) > 0]
        if not varied:
            names = [codes.factor_names[f] for f in counted]
            raise ValueError(
                f"'factors' {names} must vary among the {len(train_values)} training "
                "rows; each has one value there"
            )
        return cls(
            train_codes,
            train_values[:, varied],
            test_codes,
            test_values[:, varied],
            tuple(varied),
        )

    def standardise(self) -> Self:
        """Return the rows with codes of mean 0 and variance 1 among the training rows.

        A code that is constant there becomes 0, among the test rows too.
        """
        mean = self.train_codes.mean(axis=0)
        deviation = self.train_codes.std(axis=0)
        constant = find_constant_columns(self.train_codes)
        scale = np.where(constant, np.inf, deviation)
        return replace(
            self,
            train_codes=(self.train_codes - mean) / scale,
            test_codes=(self.test_codes - mean) / scale,
        )
