"""Gauss–Legendre nodes and Lagrange weights."""

from collections.abc import Sequence
from functools import lru_cache, reduce
from operator import mul

import numpy as np
from torch import Tensor


@lru_cache
def legendre_nodes(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the nodes and weights of Gauss–Legendre quadrature on 0 ... 1.

    They integrate polynomials of degree up to ``2 * count - 1`` exactly. The arrays are
    shared by all callers: do not change them in place.

    Args:
        count: number of nodes, >= 1.

    Returns:
        The nodes in rising order, and their weights, which add up to 1; each (count,),
        float64.

    Example:
        >>> nodes, weights = legendre_nodes(3)
        >>> round(float(weights @ nodes**5), 6)
        0.166667
    """
    x, w = np.polynomial.legendre.leggauss(count)  # on -1 ... 1
    nodes = 0.5 + 0.5 * x
    weights = 0.5 * w
    return nodes, weights


def lagrange_weights(
    at: float | Tensor, nodes: Sequence[float]
) -> list[float] | list[Tensor]:
    r"""Return the weights by which the values at the nodes give the value at a point.

    .. math:: w_k(x) = \prod_{j \ne k} \frac{x - x_j}{x_k - x_j}

    They interpolate polynomials of degree up to ``len(nodes) - 1`` exactly.

    Args:
        at: the point x, or a tensor of points.
        nodes: the distinct nodes :math:`x_j`.

    Returns:
        One weight for each node, with the shape of ``at``; together they are 1.

    Example:
        >>> lagrange_weights(0.5, [0.0, 1.0, 2.0])
        [0.375, 0.75, -0.125]
    """
    offsets = [at - node for node in nodes]
    weights = []
    for k, node in enumerate(nodes):
        others = [j for j in range(len(nodes)) if j != k]
        # the compiler does not take math.prod
        top = reduce(mul, [offsets[j] for j in others], 1.0)
        bottom = reduce(mul, [node - nodes[j] for j in others], 1.0)
        weights.append(top / bottom)
    return weights
