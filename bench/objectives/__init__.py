"""The training objectives."""

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from priorbench.bench.objectives.factor_vae import FactorVAE
from priorbench.bench.models.vae import Draw
from priorbench.bench.objectives.base import Objective, check_choice, register, registry
from priorbench.priors.posteriors.mixture import log_mixture

__all__ = [
    "BetaTCVAE",
    "BetaVAE",
    "Capacity",
    "FactorVAE",
    "Objective",
    "register",
    "registry",
    "stratified_weights",
]


@register("beta_vae")
class BetaVAE(Objective):
    r"""The β-VAE: :math:`-E_q[\log p(x|z)] + β KL(q(z|x) \| p(z))`.

    With a β for each group, :math:`\sum_g β_g KL(q(z_g|x) \| p(z_g))` takes the KL's place.

    References: Higgins et al. 2017; with the ISA prior, Stühmer et al. 2019, Eq. 12.

    Args:
        beta: strength of the KL, one number or one for each of the prior's groups; 1 gives the
            evidence lower bound.
    Raises:
        ValueError: as many numbers as there are no groups, or a prior that does not say its
            groups' log densities.
    """

    per_group = True

    def __init__(self, beta: float | Sequence[float]) -> None:
        super().__init__(beta)
        several = isinstance(self.beta, tuple)
        strengths = torch.tensor(self.beta, dtype=torch.float64) if several else None
        self.register_buffer("_strengths", strengths, persistent=False)

    def forward(
        self, draw: Draw, dataset_size: int, progress: float | Tensor
    ) -> Tensor:
        """Loss of a batch, a scalar in nats per image."""
        if self._strengths is None:
            weighted = self.beta * draw.prior.kl(draw.q, draw.z)
        else:
            self.check(draw.prior)
            kl = _estimate_kl_groups(draw)
            weighted = (self._strengths.to(kl) * kl).sum(-1)
        return (weighted - draw.log_likelihood).mean()


def _estimate_kl_groups(draw: Draw) -> Tensor:
    """KL of each group, (batch, groups), in nats."""
    try:
        kl = draw.prior.kl_groups(draw.q, draw.z)
    except NotImplementedError as error:
        raise ValueError(
            f"'beta' has a number for each group, but {error}; define it, or give "
            "'beta' as one number"
        ) from error
    if kl.shape != (len(draw.z), len(draw.prior.groups)):
        raise ValueError(
            f"{type(draw.prior).__name__}.kl_groups must give one value an image and "
            f"group, shape {(len(draw.z), len(draw.prior.groups))}; it gave "
            f"{tuple(kl.shape)}"
        )
    return kl


@register("capacity")
class Capacity(Objective):
    r"""Capacity annealing: the KL is held at C, which rises while the model trains.

    .. math:: -E_q[\log p(x|z)] + β |KL(q(z|x) \| p(z)) - C|

    C goes linearly from ``c_min`` to ``c_max`` over the training. With a one-sample estimate of
    the KL the modulus is that of the estimate, for each image or for the batch's mean.

    References: Pérez Rey et al. 2019, "Disentanglement with Hyperspherical Latent Spaces using
    Diffusion Variational Autoencoders", Eq. 2 (C rises epoch by epoch there) and Table 1;
    Burgess et al. 2018, Eq. 8 (the modulus of the batch's mean).

    Args:
        beta: strength of the modulus.
        c_min: C at the start, in nats, >= 0.
        c_max: C at the end, in nats, >= ``c_min``.
        over: "image" for each image's KL, "batch" for the mean of the batch.
    Raises:
        ValueError: capacities out of order or not finite, or an unknown ``over``.
    """

    def __init__(
        self, beta: float, c_min: float = 0.0, c_max: float = 15.0, over: str = "image"
    ) -> None:
        super().__init__(beta)
        if not 0 <= c_min <= c_max < math.inf:
            raise ValueError(
                "'c_min' and 'c_max' must be finite with 0 <= c_min <= c_max; got "
                f"{c_min!r} and {c_max!r}"
            )
        check_choice("over", over, ("image", "batch"))
        self.c_min, self.c_max, self.over = float(c_min), float(c_max), over

    def forward(
        self, draw: Draw, dataset_size: int, progress: float | Tensor
    ) -> Tensor:
        """Loss of a batch, a scalar in nats per image."""
        kl = draw.prior.kl(draw.q, draw.z)
        if self.over == "batch":
            kl = kl.mean()
        capacity = self.c_min + (self.c_max - self.c_min) * progress
        return self.beta * (kl - capacity).abs().mean() - draw.log_likelihood.mean()


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
        check_choice("estimator", estimator, ("stratified", "weighted"))
        check_choice("over", over, ("groups", "latents"))
        self.estimator = estimator
        self.over = over

    def forward(
        self, draw: Draw, dataset_size: int, progress: float | Tensor
    ) -> Tensor:
        """Loss of a batch, a scalar in nats per image."""
        q, z = draw.q, draw.z
        groups = draw.prior.groups
        if self.over == "latents":
            groups = tuple((i,) for i in range(z.shape[-1]))
        log_qz, log_qz_groups = log_mixture(
            q, z, groups, self._log_weights(z, dataset_size)
        )
        information = q.log_prob(z) - log_qz
        log_qz_groups = log_qz_groups.sum(-1)
        total_correlation = log_qz - log_qz_groups
        rest = log_qz_groups - draw.prior.log_prob(z)
        loss = information + self.beta * total_correlation + rest - draw.log_likelihood
        return loss.mean()

    def _log_weights(self, z: Tensor, dataset_size: int) -> Tensor | float:
        """Log weights of the batch's posteriors in q(z) at each of its draws."""
        if self.estimator == "weighted":
            return -math.log(len(z) * dataset_size)
        return _log_stratified_weights(len(z), dataset_size, z.device, z.dtype)


@lru_cache(maxsize=4)
def _log_stratified_weights(
    batch: int, dataset_size: int, device: torch.device, dtype: torch.dtype
) -> Tensor:
    return make_stratified_weights(batch, dataset_size).log().to(device, dtype)


def make_stratified_weights(batch: int, dataset_size: int) -> Tensor:
    """Minibatch-stratified weights of the aggregate posterior, (batch, batch); rows sum to 1.

    With M = batch - 1 others: the image itself 1/N, one other (N - M)/(N M), the rest 1/M.

    References: Chen et al. 2018, appendix C.2.

    Raises:
        ValueError: the batch has fewer than two images, or more than the dataset.

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
    row = torch.arange(batch)
    weights[row, row] = 1 / dataset_size
    weights[row, (row + 1) % batch] = (dataset_size - others) / (dataset_size * others)
    return weights
