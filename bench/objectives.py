"""Training objectives, each a function of one batch of one seed."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor, nn

from bench.model import Draw
from bench.registry import Registry
from priors import Prior
from priors.mixture import log_mixture

registry = Registry("objective", "priorbench.objectives")
register = registry.register


class Objective(nn.Module):
    """A loss to be minimised, in nats per image.

    Args:
        beta: strength β of the regularisation, >= 0; where ``per_group`` is true, one number or
            one for each of the prior's groups.
    Raises:
        ValueError: ``beta`` is negative or not finite, or a list where one number is needed.
    """

    per_group: bool = False
    """Whether ``beta`` may have a number for each of the prior's groups."""

    def __init__(self, beta: float | Sequence[float]) -> None:
        super().__init__()
        several = isinstance(beta, Sequence)
        if several and not self.per_group:
            raise ValueError(f"'beta' of {type(self).__name__} must be one number, its "
                             f"regularisation is no sum over groups; got {list(beta)!r}; use "
                             "one number, or the objective 'beta_vae'")
        numbers = tuple(beta) if several else (beta,)
        if not numbers or not all(0 <= number < math.inf for number in numbers):
            raise ValueError(f"'beta' must be a finite number >= 0"
                             f"{', or several' if self.per_group else ''}; got {beta!r}")
        self.beta = tuple(map(float, numbers)) if several else float(beta)

    def check(self, prior: Prior) -> None:
        """See that ``beta``, where it is a list, has a number for each of the prior's groups.

        Raises:
            ValueError: it has not.
        """
        if isinstance(self.beta, tuple) and len(self.beta) != len(prior.groups):
            raise ValueError(f"'beta' must have one number for each of the prior's "
                             f"{len(prior.groups)} groups; got {len(self.beta)}: "
                             f"{list(self.beta)!r}")

    @abstractmethod
    def forward(self, draw: Draw, dataset_size: int, progress: float | Tensor) -> Tensor:
        """Loss of a batch.

        Args:
            draw: posteriors, latents and log-likelihoods of the batch.
            dataset_size: number of images that the batch was drawn from.
            progress: share of the training that is done, from 0 to 1: a number, or on a GPU, where
                the step is recorded, a float64 tensor of no dimension; do not branch on it.
        Returns:
            A scalar, in nats per image.
        """


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

    def forward(self, draw: Draw, dataset_size: int, progress: float | Tensor) -> Tensor:
        """Loss of a batch, a scalar in nats per image."""
        if self._strengths is None:
            weighted = self.beta * draw.prior.kl(draw.q, draw.z)
        else:
            self.check(draw.prior)
            kl = _kl_groups(draw)
            weighted = (self._strengths.to(kl) * kl).sum(-1)
        return (weighted - draw.log_likelihood).mean()


def _kl_groups(draw: Draw) -> Tensor:
    """KL of each group, (batch, groups), in nats."""
    try:
        kl = draw.prior.kl_groups(draw.q, draw.z)
    except NotImplementedError as error:
        raise ValueError(f"'beta' has a number for each group, but {error}; define it, or give "
                         "'beta' as one number") from error
    if kl.shape != (len(draw.z), len(draw.prior.groups)):
        raise ValueError(f"{type(draw.prior).__name__}.kl_groups must give one value an image and "
                         f"group, shape {(len(draw.z), len(draw.prior.groups))}; it gave "
                         f"{tuple(kl.shape)}")
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
            raise ValueError("'c_min' and 'c_max' must be finite with 0 <= c_min <= c_max; got "
                             f"{c_min!r} and {c_max!r}")
        _one_of("over", over, ("image", "batch"))
        self.c_min, self.c_max, self.over = float(c_min), float(c_max), over

    def forward(self, draw: Draw, dataset_size: int, progress: float | Tensor) -> Tensor:
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
        _one_of("estimator", estimator, ("stratified", "weighted"))
        _one_of("over", over, ("groups", "latents"))
        self.estimator = estimator
        self.over = over

    def forward(self, draw: Draw, dataset_size: int, progress: float | Tensor) -> Tensor:
        """Loss of a batch, a scalar in nats per image."""
        q, z = draw.q, draw.z
        groups = draw.prior.groups
        if self.over == "latents":
            groups = tuple((i,) for i in range(z.shape[-1]))
        log_qz, log_qz_groups = log_mixture(q, z, groups, self._log_weights(z, dataset_size))
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
        return _log_stratified(len(z), dataset_size, z.device, z.dtype)


def _one_of(name: str, value: str, known: tuple[str, str]) -> None:
    if value not in known:
        raise ValueError(f"{name!r} must be {known[0]!r} or {known[1]!r}; got {value!r}")


@lru_cache(maxsize=4)
def _log_stratified(
    batch: int, dataset_size: int, device: torch.device, dtype: torch.dtype
) -> Tensor:
    return stratified_weights(batch, dataset_size).log().to(device, dtype)


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
