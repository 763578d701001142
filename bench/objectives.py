"""Training objectives, each a function of one batch of one seed."""

import math
from abc import abstractmethod
from functools import lru_cache

import torch
from torch import Tensor, nn

from bench.model import Draw
from bench.registry import Registry
from priors.special import logsumexp

registry = Registry("objective", "priorbench.objectives")
register = registry.register


class Objective(nn.Module):
    """A loss to be minimised, in nats per image.

    Args:
        beta: strength β of the regularisation, >= 0.
    Raises:
        ValueError: ``beta`` is negative or not finite.
    """

    def __init__(self, beta: float) -> None:
        super().__init__()
        if not 0 <= beta < math.inf:
            raise ValueError(f"'beta' must be a finite number >= 0; got {beta!r}")
        self.beta = float(beta)

    @abstractmethod
    def forward(self, draw: Draw, dataset_size: int, progress: float) -> Tensor:
        """Loss of a batch.

        Args:
            draw: posteriors, latents and log-likelihoods of the batch.
            dataset_size: number of images that the batch was drawn from.
            progress: share of the training that is done, from 0 to 1.
        Returns:
            A scalar, in nats per image.
        """


@register("beta_vae")
class BetaVAE(Objective):
    r"""The β-VAE: :math:`-E_q[\log p(x|z)] + β KL(q(z|x) \| p(z))`.

    References: Higgins et al. 2017; with the ISA prior, Stühmer et al. 2019, Eq. 12.

    Args:
        beta: strength of the KL; 1 gives the evidence lower bound.
    """

    def forward(self, draw: Draw, dataset_size: int, progress: float) -> Tensor:
        """Loss of a batch, a scalar in nats per image."""
        kl = draw.prior.kl(draw.q, draw.z)
        return (self.beta * kl - draw.log_likelihood).mean()


@register("beta_tcvae")
class BetaTCVAE(Objective):
    r"""The β-TCVAE: the KL decomposed, its total correlation weighted by β.

    .. math::
        -E[\log p(x|z)] + I_q(x; z) + β\, KL\Big(q(z) \Big\| \prod_g q(z_g)\Big)
            + E\Big[\sum_g \log q(z_g) - \log p(z)\Big]

    The aggregate posterior q(z) is estimated from the batch.

    References: Chen et al. 2018, Eq. 4 and appendix C (whose published code puts the
    stratified weight 1/N in a fixed column; here it is on the diagonal, where it belongs).

    Args:
        beta: strength of the total correlation.
        estimator: "stratified" (unbiased weights) or "weighted" (the paper's default; its
            values are shifted by constants, its gradients are those of the batch's mixture).
        over: "groups" for the prior's groups of latents, the only choice whose last term is a
            divergence for every prior, or "latents" for single latents.
    Raises:
        ValueError: an unknown estimator or grouping.
    """

    def __init__(
        self, beta: float, estimator: str = "stratified", over: str = "groups"
    ) -> None:
        super().__init__(beta)
        for name, value, known in (("estimator", estimator, ("stratified", "weighted")),
                                   ("over", over, ("groups", "latents"))):
            if value not in known:
                raise ValueError(f"{name!r} must be {known[0]!r} or {known[1]!r}; got {value!r}")
        self.estimator = estimator
        self.over = over

    def forward(self, draw: Draw, dataset_size: int, progress: float) -> Tensor:
        """Loss of a batch, a scalar in nats per image."""
        q, z, batch = draw.q, draw.z, len(draw.z)
        groups = draw.prior.groups
        if self.over == "latents":
            groups = tuple((i,) for i in range(z.shape[-1]))
        log_weights = _log_weights(self.estimator, batch, dataset_size, z.device).to(z.dtype)
        log_joint, log_qz_groups = log_weights, z.new_zeros(())
        for log_group in q.log_prob_pairs(z, groups):
            log_joint = log_joint + log_group
            log_qz_groups = log_qz_groups + logsumexp(log_group + log_weights, dim=1)
        log_qz = logsumexp(log_joint, dim=1)
        information = q.log_prob(z) - log_qz
        total_correlation = log_qz - log_qz_groups
        rest = log_qz_groups - draw.prior.log_prob(z)
        loss = information + self.beta * total_correlation + rest - draw.log_likelihood
        return loss.mean()


@lru_cache(maxsize=4)
def _log_weights(
    estimator: str, batch: int, dataset_size: int, device: torch.device
) -> Tensor:
    """Log weights of the batch's posteriors in q(z) at each of its draws, (batch, batch)."""
    if estimator == "weighted":
        return torch.full((batch, batch), -math.log(batch * dataset_size), device=device)
    return stratified_weights(batch, dataset_size).log().to(device)


def stratified_weights(batch: int, dataset_size: int) -> Tensor:
    """Minibatch-stratified weights of the aggregate posterior, (batch, batch); rows sum to 1.

    With M = batch - 1 others: the image itself 1/N, one other (N - M)/(N M), the rest 1/M.

    References: Chen et al. 2018, appendix C.2.

    Raises:
        ValueError: the batch has fewer than two images, or more than the dataset.

    Example:
        >>> stratified_weights(3, 10)[0]
        tensor([0.1000, 0.4000, 0.5000])
    """
    if not 2 <= batch <= dataset_size:
        raise ValueError(f"the stratified estimator needs a batch of 2 to {dataset_size} images; "
                         f"got {batch}")
    others = batch - 1
    weights = torch.full((batch, batch), 1 / others)
    row = torch.arange(batch)
    weights[row, row] = 1 / dataset_size
    weights[row, (row + 1) % batch] = (dataset_size - others) / (dataset_size * others)
    return weights
