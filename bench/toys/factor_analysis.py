r"""Factor analysis with mean-field variational inference, in closed form.

The model is :math:`z \sim N(0, I)`, :math:`x \sim N(W z, D)`. β weights the KL; divided
by β, the objective is that of the model with the likelihood raised to the power
:math:`M = 1/β`, that is with the noise D / M.

The letters are the paper's: W (L, K), the weights; D (L,), the diagonal of the noise's
covariance; S (L, L), the data's second moment :math:`Σ_x + μ_x μ_x^T`; R (K, L), the
recognition weights. Everything is in nats per data point and differentiable.

References: Stühmer et al. 2019 (ISA-VAE), appendix B.2, in which four formulas are
misprinted. The mean of the posterior has :math:`\tilde Σ`, not its inverse, as the
recognition weights R have a few lines below. The trace in the first form of Eq. 16 is
that of :math:`W^T D^{-1} W Σ_q`, as in its second form; a W is missing. A rotation of
the latents (B.3) is W R(θ), not R(θ) W, which changes the likelihood. In B.1 the sum
over data points is the modified free energy divided by β.
"""

import torch
from torch import Tensor

from priorbench.priors.numerics.special import LOG_2PI


def rotate(angle: Tensor) -> Tensor:
    """Return the rotation of the plane by angles (...), in radians, (..., 2, 2)."""
    cosine, sine = angle.cos(), angle.sin()
    rows = torch.stack([cosine, -sine], -1), torch.stack([sine, cosine], -1)
    return torch.stack(rows, -2)


def compute_log_likelihood(W: Tensor, D: Tensor, S: Tensor) -> Tensor:
    r"""Compute the log-likelihood of the weights, (..., L, K) -> (...).

    .. math:: -\tfrac12 [\log\det(2π C) + tr(C^{-1} S)], \quad C = W W^T + D
    """
    C = W @ W.mT + torch.diag(D)
    trace = torch.linalg.solve(C, S).diagonal(dim1=-2, dim2=-1).sum(-1)
    return -0.5 * (len(D) * LOG_2PI + torch.logdet(C) + trace)


def compute_posterior(W: Tensor, D: Tensor, beta: float = 1.0) -> tuple[Tensor, Tensor]:
    r"""Compute the exact posterior of the model with the likelihood to the power M.

    .. math:: \tilde Σ = (M W^T D^{-1} W + I)^{-1}, \quad R = \tilde Σ M W^T D^{-1}

    Returns:
        R, so that the mean is R x, (..., K, L), and the covariance, (..., K, K).
    """
    scaled = W.mT / (beta * D)  # M Wᵀ D⁻¹
    covariance = torch.linalg.inv(scaled @ W + torch.eye(W.shape[-1]).to(W))
    return covariance @ scaled, covariance


def compute_free_energy(W: Tensor, D: Tensor, S: Tensor, beta: float = 1.0) -> Tensor:
    r"""Compute the mean-field free energy divided by β, (..., L, K) -> (...).

    It is :math:`E_q[\log p(x|z)]/β - KL(q \| p)` at the best q of independent latents,
    which has the exact posterior's mean and the diagonal of its precision (Eq. 16).
    """
    R, covariance = compute_posterior(W, D, beta)
    variance = 1 / torch.linalg.inv(covariance).diagonal(dim1=-2, dim2=-1)
    residual = torch.eye(len(D)).to(W) - W @ R
    scaled = residual.mT / D
    error = (scaled @ residual * S).sum((-2, -1))
    spread = ((W.square() / D[:, None]).sum(-2) * variance).sum(-1)
    log_noise = len(D) * LOG_2PI + D.log().sum()
    reconstruction = -0.5 / beta * (error + spread + log_noise)
    mean_square = (R.mT @ R * S).sum((-2, -1))
    kl = 0.5 * ((variance - variance.log() - 1).sum(-1) + mean_square)
    return reconstruction - kl
