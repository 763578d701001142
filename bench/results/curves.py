"""Loss curves, made shorter."""

from collections.abc import Mapping

import numpy as np


def thin_curve(losses: Mapping[str, np.ndarray], points: int) -> dict[str, np.ndarray]:
    """Return a loss curve of ``points`` points: means over equal parts of the steps.

    The loss of a single step scatters by its batch. What is not a number is left out of
    a mean, as are the steps between two validations; the step is the last one of its
    part. A curve that is short enough is returned as it is.

    Args:
        losses: columns by name, one entry per step, ``step`` among them.
        points: at most.

    Example:
        >>> curve = {"step": np.arange(4), "loss": np.array([4.0, 2.0, np.nan, 1.0])}
        >>> thin_curve(curve, 2)
        {'step': array([1, 3]), 'loss': array([3., 1.])}
    """
    length = len(losses["step"])
    if length <= points:
        return dict(losses)
    starts = np.linspace(0, length, points, endpoint=False).astype(int)
    thinned = {}
    for name, values in losses.items():
        if name == "step":
            thinned[name] = values[[*(starts[1:] - 1), length - 1]]
            continue
        finite = np.isfinite(values)
        sums = np.add.reduceat(np.where(finite, values, 0.0), starts)
        counts = np.add.reduceat(finite, starts, dtype=int)
        thinned[name] = np.divide(
            sums, counts, out=np.full(points, np.nan), where=counts > 0
        )
    return thinned
