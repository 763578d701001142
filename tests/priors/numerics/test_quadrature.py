import numpy as np
import pytest
import torch

from priorbench.priors.numerics.quadrature import lagrange_weights, legendre_nodes


@pytest.mark.parametrize("count", [1, 2, 5, 16, 128])
def test_polynomials_are_integrated_exactly(count):
    nodes, weights = legendre_nodes(count)
    assert nodes.dtype == weights.dtype == np.float64
    assert nodes.shape == weights.shape == (count,)
    assert 0 < nodes[0] <= nodes[-1] < 1
    for degree in (0, 1, count, 2 * count - 1):
        if degree < 2 * count:
            assert weights @ nodes**degree == pytest.approx(1 / (degree + 1), rel=1e-12)


def test_weights_are_one_at_their_own_node():
    nodes = [0.0, 1.0, 2.5, 4.0]
    for k, node in enumerate(nodes):
        weights = lagrange_weights(node, nodes)
        assert weights == [float(j == k) for j in range(4)]


@pytest.mark.parametrize("at", [-0.3, 1.7, 2.5])
def test_polynomials_are_interpolated_exactly(at):
    nodes = range(4)
    weights = lagrange_weights(at, nodes)
    values = [2 * x**3 - x + 5 for x in nodes]
    expected = 2 * at**3 - at + 5
    assert np.dot(weights, values) == pytest.approx(expected, rel=1e-12)
    assert sum(weights) == pytest.approx(1)


def test_tensors_of_points_and_their_gradient():
    at = torch.tensor([0.2, 1.5], dtype=torch.float64, requires_grad=True)
    weights = lagrange_weights(at, (0, 1, 2))
    square = sum(weight * x**2 for weight, x in zip(weights, (0, 1, 2), strict=True))
    square.sum().backward()
    torch.testing.assert_close(square, at.square())
    torch.testing.assert_close(at.grad, 2 * at.detach())
