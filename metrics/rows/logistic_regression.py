"""Multinomial logistic regression without a penalty."""

import numpy as np

MAX_STEPS = 500
"""Steps of L-BFGS; where classes can be separated the optimum is at infinity."""

GRADIENT = 1e-7
"""Largest entry of the gradient at which the steps end."""


def regress_classes(
    x: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray,
) -> np.ndarray:
    r"""Return the cross-entropy of each row's class under the best linear predictor.

    .. math:: \min_{W, b} \sum_i w_i \ell_i, \qquad
        \ell_i = -\log \mathrm{softmax}(W x_i + b)_{y_i}

    by L-BFGS from 0, of which each step is the same when x is turned.

    Args:
        x: float64 (n, d), best of uncorrelated columns of mean 0 and variance 1.
        labels: classes y, int64 (n,), from 0 to K - 1.
        weights: w, float64 (n,); their sum is 1.

    Returns:
        The losses in nats, (n,).

    Example:
        >>> losses = regress_classes(
        ...     np.array([[-1.0], [1.0]]), np.array([0, 1]), np.full(2, 0.5)
        ... )
        >>> losses.max().item() < 1e-6
        True
    """
    from scipy.optimize import minimize  # slow to import

    num_rows = len(x)
    num_classes = int(labels.max()) + 1
    inputs = np.column_stack([x, np.ones(num_rows)])
    own = (np.arange(num_rows), labels)

    def predict(parameters: np.ndarray) -> np.ndarray:
        """Return the log probability of each class, (n, K)."""
        matrix = parameters.reshape(-1, num_classes)
        scores = inputs @ matrix
        scores -= scores.max(axis=1, keepdims=True)
        total = np.exp(scores).sum(axis=1, keepdims=True)
        scores -= np.log(total)
        return scores

    def evaluate(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the objective and its gradient."""
        log_prob = predict(parameters)
        loss = -weights @ log_prob[own]
        residual = np.exp(log_prob, out=log_prob)
        residual[own] -= 1
        residual *= weights[:, None]
        gradient = inputs.T @ residual
        return loss, gradient.ravel()

    start = np.zeros(inputs.shape[1] * num_classes)
    options = {
        "maxiter": MAX_STEPS,
        "maxfun": 2 * MAX_STEPS,
        "gtol": GRADIENT,
        "ftol": 0.0,
    }
    found = minimize(evaluate, start, jac=True, method="L-BFGS-B", options=options)
    return -predict(found.x)[own]
