r"""The linear support vector machine of one coordinate, solved exactly.

Each class c of K has a line :math:`w x + b` that separates it from the others:

.. math:: \min_{w, b} \tfrac12 (w^2 + b^2)
    + \sum_i C_i \max(0, 1 - y_i (w x_i + b))^2, \qquad y_i = \pm 1

with :math:`C_i = C n / (K n_c)` for the :math:`n_c` of n rows in the class and
:math:`C_i = C` for the others; with two classes one line does, and the rows of both
have the weight of their class. It is what liblinear solves for scikit-learn's
``LinearSVC(C, class_weight="balanced")``: the balance weighs the positive class only,
and the intercept is penalised. The optimum is unique.

The objective is a quadratic on every set of active rows, those with a positive loss,
and its Newton step ends at the minimum of that quadratic. The active rows of a class,
and of all rows, are those on one side of a threshold, so that their sums follow from
cumulative sums over the sorted rows: a step costs a binary search, not a pass over the
rows. References: Fan et al. 2008, LIBLINEAR.
"""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

MAX_STEPS = 200
"""Newton steps; a few tens are enough."""

MAX_HALVINGS = 40
"""Times that a Newton step is halved at most."""

ROUNDING = 1e-13
"""Relative rise of the objective that is rounding."""


class Lines(NamedTuple):
    """Lines that separate each class from the others.

    Attributes:
        slope: w, (K,).
        intercept: b, (K,).
    """

    slope: np.ndarray
    intercept: np.ndarray

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the class with the highest line at each x, int64 (n,)."""
        heights = x[:, None] * self.slope
        heights += self.intercept
        return heights.argmax(axis=1)


def fit_lines(
    x: np.ndarray,
    labels: np.ndarray,
    penalty: float = 0.01,
) -> Lines:
    """Return the support vector machine of one coordinate.

    Args:
        x: float64 (n,).
        labels: classes, int64 (n,), from 0 to K - 1, K >= 2, each at least once.
        penalty: C > 0, the weight of the losses.

    Example:
        >>> lines = fit_lines(np.array([-1.0, -0.5, 2.0, 3.0]), np.array([0, 0, 1, 1]))
        >>> lines.predict(np.array([-2.0, 4.0])).tolist()
        [0, 1]
    """
    rows = _SortedRows.from_rows(x, labels)
    sizes = np.diff(rows.starts)
    num_classes = len(sizes)
    balanced = penalty * len(x) / (num_classes * sizes)
    if num_classes > 2:
        others = np.full(num_classes, penalty)
        w, b = _minimise(rows, np.arange(num_classes), balanced, others)
        return Lines(w, b)
    second = np.array([1])
    w, b = _minimise(rows, second, balanced[1:], balanced[:1])
    return Lines(
        slope=np.append(-w, w),
        intercept=np.append(-b, b),
    )


@dataclass(frozen=True)
class _SortedRows:
    """Sums of 1, x and x² over rows, in order of x and in order of class and x.

    Attributes:
        x: ascending, (n,).
        sums: over the first rows of all, (3, n + 1).
        keys: class * n + rank of each row, ascending, (n,).
        class_sums: over the first rows by class and x, (3, n + 1).
        starts: position of each class's first row, (K + 1,).
    """

    x: np.ndarray
    sums: np.ndarray
    keys: np.ndarray
    class_sums: np.ndarray
    starts: np.ndarray

    @classmethod
    def from_rows(cls, x: np.ndarray, labels: np.ndarray) -> Self:
        """Sort rows x, (n,), of classes ``labels``, (n,)."""
        order = np.argsort(x, kind="stable")
        x = x[order]
        count = len(x)
        ranked = labels[order] * count + np.arange(count)
        by_class = np.argsort(ranked)
        powers = np.stack([np.ones(count), x, x * x])
        sizes = np.bincount(labels)
        return cls(
            x=x,
            sums=_accumulate(powers),
            keys=ranked[by_class],
            class_sums=_accumulate(powers[:, by_class]),
            starts=np.append(0, sizes.cumsum()),
        )

    def sum_beyond(
        self,
        classes: np.ndarray,
        threshold: np.ndarray,
        below: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the sums over the rows below or above thresholds.

        Args:
            classes: int64 (P,).
            threshold: one for each of them, (P,).
            below: whether the rows below it are summed, bool (P,).

        Returns:
            Sums of 1, x and x² over the rows of the class and over those of the others,
            (3, P) each.
        """
        first = self.class_sums[:, self.starts[classes]]
        last = self.class_sums[:, self.starts[classes + 1]]
        rank = np.searchsorted(self.x, threshold)
        key = classes * len(self.x) + rank
        position = np.searchsorted(self.keys, key)
        until = self.class_sums[:, position]
        of_class = np.where(below, until - first, last - until)
        low = self.sums[:, rank]
        high = self.sums[:, -1:] - low
        of_all = np.where(below, low, high)
        return of_class, of_all - of_class


def _accumulate(rows: np.ndarray) -> np.ndarray:
    """Return the sums of the first 0, 1, ... n entries of each row, (R, n + 1)."""
    num_rows, count = rows.shape
    sums = np.zeros((num_rows, count + 1))
    np.cumsum(rows, axis=1, out=sums[:, 1:])
    return sums


def _minimise(
    rows: _SortedRows,
    classes: np.ndarray,
    own_weight: np.ndarray,
    other_weight: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return w and b of each of P classes, (P,) each.

    Args:
        rows: of all classes.
        classes: those that are separated from the rest, int64 (P,).
        own_weight: C_i of their rows, (P,).
        other_weight: C_i of the other rows, (P,).
    """

    def expand(line: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return the objective, its gradient and its Hessian at (w, b)."""
        w, b = line.T
        # a slope of 0 has its thresholds at infinity
        slope = np.where(w == 0, 1e-200, w)
        rising = slope > 0
        own, _ = rows.sum_beyond(classes, (1 - b) / slope, rising)
        _, other = rows.sum_beyond(classes, (-1 - b) / slope, ~rising)
        own = own * own_weight
        other = other * other_weight
        # over the active rows, of u = (x, 1): sums of C_i, C_i u u^T and C_i y_i u
        total = own + other
        second_moment = total[[[2, 1], [1, 0]]].T
        signed = (own - other)[[1, 0]].T
        product = np.einsum("pij,pj->pi", second_moment, line)
        terms = line * (line / 2 + product - 2 * signed)
        value = total[0] + terms.sum(axis=1)
        gradient = line + 2 * (product - signed)
        hessian = np.eye(2) + 2 * second_moment
        return value, gradient, hessian

    line = np.zeros((len(classes), 2))
    value, gradient, hessian = expand(line)
    for _ in range(MAX_STEPS):
        step = np.linalg.solve(hessian, -gradient[..., None])[..., 0]
        allowed = value + ROUNDING * abs(value)
        length = np.ones((len(classes), 1))
        for _ in range(MAX_HALVINGS):
            new_line = line + length * step
            new_value, gradient, hessian = expand(new_line)
            worse = new_value > allowed
            if not worse.any():
                break
            length[worse] /= 2
        better = new_value < value
        line = new_line
        value = new_value
        if not better.any():
            break
    return line[:, 0], line[:, 1]
