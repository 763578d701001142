"""The null study: halves of one method's seeds are not told apart."""

import numpy as np
import pytest

from benchmarks.null_study import measure_wrong_verdicts


@pytest.mark.parametrize("draw", ["normal", "exponential"])
def test_halves_of_one_method_are_seldom_told_apart(draw):
    generator = np.random.default_rng(0)
    rates = [
        measure_wrong_verdicts(getattr(generator, draw)(size=20), 100, generator)
        for _ in range(5)
    ]
    assert 0 < np.mean(rates) < 0.08


class InOrder:
    """Stands for a generator; the first half stays the first."""

    def permutation(self, values):
        return values


def test_halves_that_differ_are_told_apart():
    values = np.linspace(0.0, 0.1, 20) + np.repeat([0.0, 1.0], 10)
    assert measure_wrong_verdicts(values, 1, InOrder()) == 1
