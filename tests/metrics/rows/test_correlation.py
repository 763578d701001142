import numpy as np
import pytest

from priorbench.metrics.rows.correlation import (
    correlate_columns,
    explain_targets,
    find_constant_columns,
    whiten_columns,
)

DRAW = np.random.default_rng(0)


def test_correlations_are_those_of_numpy():
    x = DRAW.standard_normal((50, 3)) * [1e-8, 1, 1e8] + [0, 1e3, -5]
    y = x[:, ::-1] + DRAW.standard_normal((50, 3))
    expected = np.corrcoef(x.T, y.T)[:3, 3:]
    np.testing.assert_allclose(correlate_columns(x, y), expected, atol=1e-9)


def test_rounding_is_constant():
    x = np.full((100, 4), 0.1)
    x[::2, 1] = np.nextafter(0.1, 1)
    x[::2, 2] += 1e-6
    x[:, 3] = 0
    assert find_constant_columns(x).tolist() == [True, True, False, True]
    assert (correlate_columns(x, x)[[0, 1, 3]] == 0).all()


def test_multiple_r2_is_that_of_least_squares():
    x = DRAW.standard_normal((80, 5))
    x[:, 4] = x[:, 0] - x[:, 1]  # a coordinate that the others give
    target = x[:, [1]] + DRAW.standard_normal((80, 1)) + 3
    inputs = np.column_stack([x[:, [0, 1, 4]], np.ones(80)])
    rest = target - inputs @ np.linalg.lstsq(inputs, target, rcond=None)[0]
    expected = 1 - rest.var() / target.var()
    got = explain_targets(x, [target], [[0, 1, 4], [2], [3]])
    assert got.shape == (3, 1)
    assert got[0, 0] == pytest.approx(expected, abs=1e-10)
    single = correlate_columns(x, target)[2, 0] ** 2
    assert got[1, 0] == pytest.approx(single, abs=1e-12)


def test_turning_a_group_or_a_target_changes_nothing():
    x = DRAW.standard_normal((60, 3))
    target = x[:, :2] + DRAW.standard_normal((60, 2))
    turn = np.linalg.qr(DRAW.standard_normal((3, 3)))[0]
    other = np.linalg.qr(DRAW.standard_normal((2, 2)))[0]
    first = explain_targets(x, [target], [[0, 1, 2]])
    second = explain_targets(x @ turn, [target @ other], [[0, 1, 2]])
    np.testing.assert_allclose(first, second, atol=1e-12)


def test_whitening():
    x = DRAW.standard_normal((70, 4)) * [1e-6, 1, 1e6, 1]
    x[:, 3] = 0.1
    x = np.column_stack([x, x[:, 0] + x[:, 1]])
    white = whiten_columns(x)
    assert white.shape == (70, 3)
    np.testing.assert_allclose(white.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(np.cov(white.T, ddof=0), np.eye(3), atol=1e-9)
    mix = DRAW.standard_normal((3, 3)) + 2 * np.eye(3)
    mixed = whiten_columns(white @ mix)
    turn = white.T @ mixed / 70
    np.testing.assert_allclose(white @ turn, mixed, atol=1e-9)
    assert whiten_columns(np.ones((5, 2))).shape == (5, 0)
