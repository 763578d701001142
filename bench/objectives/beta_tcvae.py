"""The β-TCVAE: a total correlation estimated from the batch."""

import math
from functools import lru_cache

import torch
from torch import Tensor

from priorbench.bench.models.vae import Draw
from priorbench.bench.objectives.base import (
    Objective,
    check_choice,
    list_coordinates,
    register,
)
from priorbench.priors.posteriors.mixture import log_mixture


@register("beta_tcvae")
class BetaTCVAE(Objective):
    r"""The β-TCVAE: the KL decomposed, with its total correlation weighted by β.

    .. math::
        -E[\log p(x|z)] + I_q(x; z)
            + β\, KL\left(q(z) \| \prod_g q(z_g)\right)
            + E\Big[\sum_g \log q(z_g) - \log p(z)\Big]

    The aggregate posterior q(z) is estimated from the batch.

    References: Chen et al. 2018, Eq. 4 and appendix C. Their published code puts the
    stratified weight 1/N in a fixed column; here it is on the diagonal, where it
    belongs.

    Args:
        beta: strength of the total correlation.
        estimator: "stratified" (unbiased weights) or "weighted" (the paper's default;
            its values are shifted by constants, its gradients are those of the batch's
            mixture).
        over: "groups" for the prior's groups of latents, the only choice with which the
            last term is a divergence for every prior, or "latents" for single latents.

    Raises:
        ValueError: ``estimator`` or ``over`` is unknown.
    """

    def __init__(
        self, beta: float, estimator: str = "stratified", over: str = "groups"
    ) -> None:
        super().__init__(beta)
        check_choice("estimator", estimator, ("stratified", "weighted"))
        check_choice("over", over, ("groups", "latents"))
        self.estimator = estimator
        self.over = over

    def forward(
        self, draw: Draw, dataset_size: int, progress: float | Tensor
    ) -> Tensor:
        """Return the loss of a batch, a scalar in nats per image."""
        q, z, prior = draw.q, draw.z, draw.prior
        if self.estimator == "weighted":
            log_weights = -math.log(len(z) * dataset_size)
        else:
            log_weights = _log_stratified_weights(
                len(z), dataset_size, z.device, z.dtype
            )
        coordinates = list_coordinates(prior, self.over)
        log_qz, log_qz_groups = log_mixture(q, z, coordinates, log_weights)
        log_product = log_qz_groups.sum(-1)

        information = q.log_prob(z) - log_qz
        total_correlation = log_qz - log_product
        rest = log_product - prior.log_prob(z)
        kl = information + self.beta * total_correlation + rest
        return (kl - draw.log_likelihood).mean()


def make_stratified_weights(batch: int, dataset_size: int) -> Tensor:
    """Return the minibatch-stratified weights of the aggregate posterior.

    With M = batch - 1 other images of a data set of N, each row has 1/N for the image
    itself, (N - M)/(N M) for one other and 1/M for the rest.

    References: Chen et al. 2018, appendix C.2.

    Returns:
        Weights, (batch, batch); every row sums to 1.

    Raises:
        ValueError: the batch has fewer than two images, or more than the data set.

    Example:
        >>> make_stratified_weights(3, 10)[0]
        tensor([0.1000, 0.4000, 0.5000])
    """
    if not 2 <= batch <= dataset_size:
        raise ValueError(
            f"the stratified estimator needs a batch of 2 to {dataset_size} images; "
            f"got {batch}"
        )
    others = batch - 1
    weights = torch.full((batch, batch), 1 / others)
    rows = torch.arange(batch)
    weights[rows, rows] = 1 / dataset_size
    one_other = (dataset_size - others) / (dataset_size * others)
    weights[rows, (rows + 1) % batch] = one_other
    return weights


@lru_cache(maxsize=4)
def _log_stratified_weights(
    batch: int, dataset_size: int, device: torch.device, dtype: torch.dtype
) -> Tensor:
    """Return the logarithms of the weights on a device; the last ones are kept."""
    return make_stratified_weights(batch, dataset_size).log().to(device, dtype)
