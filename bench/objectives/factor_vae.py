"""The FactorVAE: a network trained beside the VAE estimates the total correlation."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from priorbench.bench.models.architectures import stack_layers
from priorbench.bench.models.vae import Draw
from priorbench.bench.objectives.base import (
    Objective,
    check_choice,
    list_coordinates,
    register,
)
from priorbench.priors.base import Prior

HIDDEN_LAYERS = 5
NEGATIVE_SLOPE = 0.2
"""Slope of the leaky ReLU below zero."""


class Discriminator(nn.Module):
    r"""A classifier of codes of q(z) against codes of :math:`\prod_g q(z_g)`.

    Six linear layers, latent_dim-hidden-hidden-hidden-hidden-hidden-2, with leaky ReLU
    between them. Trained by cross entropy on as many codes of both kinds, the
    difference of its two logits tends to the log density ratio :math:`\log q(z) -
    \sum_g \log q(z_g)`.

    References: Stühmer et al. 2019, appendix A.4; Kim and Mnih 2018, section 3.

    Args:
        latent_dim: number of latents.
        hidden: width of the hidden layers; 1000 in the papers.
    """

    def __init__(self, latent_dim: int, hidden: int = 1000) -> None:
        super().__init__()
        sizes = [latent_dim, *[hidden] * HIDDEN_LAYERS, 2]
        self.net = stack_layers(sizes, partial(nn.LeakyReLU, NEGATIVE_SLOPE))

    def forward(self, z: Tensor) -> Tensor:
        """Return estimated log density ratios of codes.

        Args:
            z: codes, (batch, latent_dim).

        Returns:
            Ratios, (batch,), in nats.
        """
        joint, product = self.net(z).unbind(-1)
        return joint - product


@register("factor_vae")
class FactorVAE(Objective):
    r"""The FactorVAE: the evidence lower bound and a total correlation weighted by γ.

    .. math::
        -E_q[\log p(x|z)] + KL(q(z|x) \| p(z))
            + γ\, KL\left(q(z) \| \prod_g q(z_g)\right)

    γ is what a grid calls β. The KL to the prior contains the total correlation once,
    so that γ corresponds to β - 1 of β-TCVAE. A :class:`Discriminator` estimates the
    total correlation. It learns, by an Adam of its own, to tell the batch's codes from
    codes that have every group of latents from another image of the batch
    (:func:`exchange_groups`). It is never bfloat16, and not part of the trained model.

    Two things differ from Algorithm 2. Kim and Mnih take the exchanged codes from a
    second batch; those of the same batch need no second pass of the encoder and give
    the discriminator a gradient of the same mean, with another variance. And they
    update the VAE before the discriminator; here both gradients are taken at the same
    parameters, in one backward pass, and neither network gets a gradient from the
    other's loss. The steps of the two networks are each of the order of their learning
    rates, so that what one step changes in the gradient of the other is of second
    order.

    References: Kim and Mnih 2018, "Disentangling by Factorising", Eq. 2, Algorithm 2
    and appendix A (the discriminator's Adam); Stühmer et al. 2019, appendix A.4 (the
    discriminator).

    Args:
        beta: strength γ of the total correlation; 0 gives the evidence lower bound.
        over: "groups" for the total correlation between the prior's groups of latents,
            or "latents" for that between single latents, as in the paper; the two agree
            where every group is one latent.
        hidden: width of the discriminator's hidden layers.
        discriminator_lr: learning rate of the discriminator.
        discriminator_betas: decay rates of the two moments of its Adam.

    Raises:
        ValueError: ``over`` is unknown, a number is out of range, or the prior has only
            one group.
    """

    discriminator: Discriminator
    _shifts: Tensor

    def __init__(
        self,
        beta: float,
        over: str = "groups",
        hidden: int = 1000,
        discriminator_lr: float = 1e-4,
        discriminator_betas: Sequence[float] = (0.5, 0.9),
    ) -> None:
        super().__init__(beta)
        check_choice("over", over, ("groups", "latents"))
        if type(hidden) is not int or hidden < 1:
            raise ValueError(f"'hidden' must be a positive integer; got {hidden!r}")
        if (
            not isinstance(discriminator_lr, int | float)
            or not 0 < discriminator_lr < math.inf
        ):
            raise ValueError(
                "'discriminator_lr' must be a positive number; got "
                f"{discriminator_lr!r}"
            )
        betas = discriminator_betas
        if (
            not isinstance(betas, Sequence)
            or len(betas) != 2
            or not all(isinstance(decay, int | float) for decay in betas)
            or not all(0 <= decay < 1 for decay in betas)
        ):
            raise ValueError(
                "'discriminator_betas' must be two numbers from 0 to below 1; got "
                f"{betas!r}"
            )
        self.over = over
        self.hidden = hidden
        self.discriminator_lr = discriminator_lr
        self.discriminator_betas = tuple(betas)

    def adapt(self, prior: Prior) -> None:
        """Make the discriminator of the prior's latents.

        Raises:
            ValueError: the prior has fewer than two groups of latents, which have no
                total correlation.
        """
        super().adapt(prior)
        coordinates = list_coordinates(prior, self.over)
        if len(coordinates) < 2:
            raise ValueError(
                f"'factor_vae' with over={self.over!r} needs at least two {self.over}, "
                "since otherwise there is no total correlation; "
                f"{type(prior).__name__} has {len(coordinates)}; use "
                "over = \"latents\", or 'beta_vae' with β = 1"
            )
        shifts = torch.empty(prior.latent_dim, dtype=torch.int64)
        for shift, group in enumerate(coordinates):
            shifts[list(group)] = shift
        self.register_buffer("_shifts", shifts, persistent=False)
        self.discriminator = Discriminator(prior.latent_dim, self.hidden)

    def optimizer_options(self) -> dict[str, dict[str, Any]]:
        """Return the discriminator's learning rate and decay rates."""
        options = {"lr": self.discriminator_lr, "betas": self.discriminator_betas}
        return {name: options for name, _ in self.named_parameters()}

    def forward(
        self, draw: Draw, dataset_size: int, progress: float | Tensor
    ) -> Tensor:
        """Return the loss of a batch, a scalar in nats per image.

        Its value is that of the VAE's loss; the discriminator's loss adds its gradient
        alone.
        """
        kl = draw.prior.kl(draw.q, draw.z)
        bound = (kl - draw.log_likelihood).mean()
        loss = bound + self.beta * self.total_correlation(draw.z)
        own = self.discriminator_loss(draw.z.detach())
        return loss + (own - own.detach())

    def total_correlation(self, z: Tensor) -> Tensor:
        """Return the discriminator's estimate in nats; its gradient is to z alone.

        Args:
            z: codes of a batch, (batch, latent_dim).
        """
        # under vmap the parameters are those of one seed, so that requires_grad_(False)
        # would not freeze them
        frozen = {
            name: value.detach()
            for name, value in self.discriminator.named_parameters()
        }
        return functional_call(self.discriminator, frozen, (z,)).mean()

    def discriminator_loss(self, z: Tensor) -> Tensor:
        """Return the mean cross entropy of codes and as many exchanged ones, in nats.

        Args:
            z: codes of a batch, (batch, latent_dim).
        """
        exchanged = exchange_groups(z, self._shifts)
        joint, product = self.discriminator(torch.cat([z, exchanged])).chunk(2)
        losses = functional.softplus(-joint) + functional.softplus(product)
        return losses.mean() / 2


def exchange_groups(z: Tensor, shifts: Tensor) -> Tensor:
    r"""Return codes that have every group of latents from another image.

    They are draws of :math:`\prod_g q(z_g)`: latent j of image i becomes that of image
    i + ``shifts[j]``, around the end of the batch. Batches are in random order, so with
    a different shift for each group, and at least as many images as groups, the groups
    of a code are of different images chosen at random, and no random numbers are
    needed. In a smaller batch some groups share their image.

    References: Kim and Mnih 2018, Algorithm 1, which permutes every latent at random.

    Args:
        z: codes of a batch, (batch, latent_dim).
        shifts: whole numbers >= 0, the same for the latents of a group, (latent_dim,).

    Returns:
        Codes, (batch, latent_dim).

    Example:
        >>> z = torch.tensor([[0, 0, 0], [1, 1, 1], [2, 2, 2]])
        >>> exchange_groups(z, torch.tensor([0, 0, 1])).tolist()
        [[0, 0, 1], [1, 1, 2], [2, 2, 0]]
    """
    images = torch.arange(len(z), device=z.device)[:, None] + shifts
    return z.gather(0, images % len(z))
