"""The FactorVAE: a total correlation estimated by a network that is trained beside the VAE."""

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
from priorbench.bench.objectives.base import Objective, check_choice, register
from priorbench.priors import Prior

HIDDEN_LAYERS = 5
SLOPE = 0.2
"""Of the leaky ReLU."""


class Discriminator(nn.Module):
    r"""Tells codes of q(z) from codes of :math:`\prod_g q(z_g)`, as a density ratio.

    Six linear layers, latent_dim-hidden-hidden-hidden-hidden-hidden-2, with leaky ReLU between
    them. Trained by cross entropy on as many codes of both kinds, the difference of its two
    logits tends to :math:`\log q(z) - \sum_g \log q(z_g)`.

    References: Stühmer et al. 2019, appendix A.4; Kim and Mnih 2018, section 3.

    Args:
        latent_dim: number of latents.
        hidden: width of the hidden layers; the papers' is 1000.
    """

    def __init__(self, latent_dim: int, hidden: int = 1000) -> None:
        super().__init__()
        self.net = stack_layers(
            [latent_dim, *[hidden] * HIDDEN_LAYERS, 2], partial(nn.LeakyReLU, SLOPE)
        )

    def forward(self, z: Tensor) -> Tensor:
        """Codes (batch, latent_dim) -> estimated log density ratios (batch,), in nats."""
        joint, product = self.net(z).unbind(-1)
        return joint - product


@register("factor_vae")
class FactorVAE(Objective):
    r"""The FactorVAE: the evidence lower bound and a total correlation weighted by γ.

    .. math::
        -E_q[\log p(x|z)] + KL(q(z|x) \| p(z)) + γ\, KL\Big(q(z) \Big\| \prod_g q(z_g)\Big)

    β of the grid is γ. The KL to the prior holds the total correlation once, so a γ is
    β-TCVAE's β - 1. A :class:`Discriminator` estimates the total correlation, and learns, by an
    Adam of its own, to tell the batch's codes from those with every group of latents taken from
    another image of the batch (:func:`exchange_groups`). It is never bfloat16, and not part
    of the trained model.

    Two things differ from Algorithm 2. Kim and Mnih take the exchanged codes from a second batch;
    those of the same batch cost no second pass of the encoder and give the discriminator a
    gradient of the same mean, with another variance. And they update the VAE before the
    discriminator; here both gradients are taken at the same parameters, in one backward pass, and
    neither has a part of the other's loss. The two networks' steps are each of the order of their
    learning rates, so what one step changes in the gradient of the other is of second order.

    References: Kim and Mnih 2018, "Disentangling by Factorising", Eq. 2, Algorithm 2 and
    appendix A (the discriminator's Adam); Stühmer et al. 2019, appendix A.4 (the discriminator).

    Args:
        beta: strength γ of the total correlation; 0 gives the evidence lower bound.
        over: "groups" for the total correlation between the prior's groups of latents, or
            "latents" for that between single latents, the paper's; the same where every group
            is one latent.
        hidden: width of the discriminator's hidden layers.
        discriminator_lr: learning rate of the discriminator.
        discriminator_betas: decay rates of its Adam's two moments.
    Raises:
        ValueError: an unknown ``over``, numbers out of range, or a prior with only one group.
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
            or not all(
                isinstance(decay, int | float) and 0 <= decay < 1 for decay in betas
            )
        ):
            raise ValueError(
                "'discriminator_betas' must be two numbers from 0 to below 1; got "
                f"{betas!r}"
            )
        self.over, self.hidden = over, hidden
        self.discriminator_lr, self.discriminator_betas = discriminator_lr, tuple(betas)

    def adapt(self, prior: Prior) -> None:
        """Make the discriminator of the prior's latents.

        Raises:
            ValueError: fewer than two groups of latents, which have no total correlation.
        """
        super().adapt(prior)
        groups = prior.groups
        if self.over == "latents":
            groups = tuple((i,) for i in range(prior.latent_dim))
        if len(groups) < 2:
            raise ValueError(
                f"'factor_vae' with over={self.over!r} needs at least two "
                f"{self.over}, else there is no total correlation; "
                f"{type(prior).__name__} has {len(groups)}; use "
                "over = \"latents\", or 'beta_vae' with β = 1"
            )
        shifts = torch.empty(prior.latent_dim, dtype=torch.int64)
        for shift, group in enumerate(groups):
            shifts[list(group)] = shift
        self.register_buffer("_shifts", shifts, persistent=False)
        self.discriminator = Discriminator(prior.latent_dim, self.hidden)

    def optimizer_options(self) -> dict[str, dict[str, Any]]:
        """The discriminator's learning rate and decay rates, for each of its parameters."""
        own = {"lr": self.discriminator_lr, "betas": self.discriminator_betas}
        return {name: own for name, _ in self.named_parameters()}

    def forward(
        self, draw: Draw, dataset_size: int, progress: float | Tensor
    ) -> Tensor:
        """Loss of a batch, a scalar in nats per image.

        Its value is the VAE's loss; the discriminator's is there with its gradient only.
        """
        kl = draw.prior.kl(draw.q, draw.z)
        bound = (kl - draw.log_likelihood).mean()
        own = self.discriminator_loss(draw.z.detach())
        return bound + self.beta * self.total_correlation(draw.z) + (own - own.detach())

    def total_correlation(self, z: Tensor) -> Tensor:
        """The discriminator's estimate, in nats; its gradient is to the codes alone.

        Args:
            z: codes of a batch, (batch, latent_dim).
        """
        # under vmap the parameters are those of one seed, which a mere requires_grad_ cannot hold
        frozen = {
            name: value.detach()
            for name, value in self.discriminator.named_parameters()
        }
        return functional_call(self.discriminator, frozen, (z,)).mean()

    def discriminator_loss(self, z: Tensor) -> Tensor:
        """Mean cross entropy of the codes and as many exchanged ones, in nats.

        Args:
            z: codes of a batch, (batch, latent_dim).
        """
        ratio = self.discriminator(torch.cat([z, exchange_groups(z, self._shifts)]))
        of_joint, of_product = ratio.chunk(2)
        return (
            functional.softplus(-of_joint) + functional.softplus(of_product)
        ).mean() / 2


def exchange_groups(z: Tensor, shifts: Tensor) -> Tensor:
    r"""Codes with every group of latents from another image: draws of :math:`\prod_g q(z_g)`.

    Latent j of image i becomes that of image i + ``shifts[j]``, around the end of the batch.
    Batches are in random order, so with a shift of its own for each group, and at least as many
    images as groups, the groups of a code are of different images chosen at random, and no random
    numbers are needed. In a smaller batch some groups share their image.

    References: Kim and Mnih 2018, Algorithm 1, which permutes every latent at random.

    Args:
        z: codes of a batch, (batch, latent_dim).
        shifts: whole numbers >= 0, the same for the latents of a group, (latent_dim,).

    Example:
        >>> z = torch.tensor([[0, 0, 0], [1, 1, 1], [2, 2, 2]])
        >>> exchange_groups(z, torch.tensor([0, 0, 1])).tolist()
        [[0, 0, 1], [1, 1, 2], [2, 2, 0]]
    """
    images = torch.arange(len(z), device=z.device)[:, None] + shifts
    return z.gather(0, images % len(z))
