import numpy as np
import pytest

from priorbench.metrics.rows.accuracy import mean_accuracy


def test_accuracy_of_one_factor():
    correct = np.repeat([True, False], [30, 10])
    accuracy, error = mean_accuracy(correct)
    assert accuracy == 0.75
    assert error == pytest.approx((0.75 * 0.25 / 39) ** 0.5)


def test_errors_on_the_same_rows_add_up():
    one = np.random.default_rng(0).random(400) < 0.5
    other = np.random.default_rng(1).random(400) < 0.5
    _, together = mean_accuracy(np.stack([one, one], axis=1))
    _, apart = mean_accuracy(np.stack([one, other], axis=1))
    assert together == pytest.approx(0.025, rel=0.01)
    assert apart == pytest.approx(0.025 / 2**0.5, rel=0.1)


def test_a_single_row_has_no_error():
    assert mean_accuracy(np.array([[True, False]])) == (0.5, 0.0)
