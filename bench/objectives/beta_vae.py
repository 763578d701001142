"""The β-VAE, with one β or one for each group of latents."""

from collections.abc import Sequence

import torch
from torch import Tensor

from priorbench.bench.models.vae import Draw
from priorbench.bench.objectives.base import Objective, register


@register("beta_vae")
class BetaVAE(Objective):
    r"""The β-VAE: the evidence lower bound, its KL weighted by β.

    .. math:: -E_q[\log p(x|z)] + β KL(q(z|x) \| p(z))

    With a β for each group g, :math:`\sum_g β_g KL(q(z_g|x) \| p(z_g))` takes the place
    of the KL term.

    References: Higgins et al. 2017; with the ISA prior, Stühmer et al. 2019, Eq. 12.

    Args:
        beta: strength of the KL, one number or one for each of the prior's groups; 1
            gives the evidence lower bound.

    Raises:
        ValueError: the numbers in ``beta`` are not as many as the groups, or the prior
            does not define the log densities of its groups.
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
        """Return the loss of a batch, a scalar in nats per image."""
        if self._strengths is None:
            weighted = self.beta * draw.prior.kl(draw.q, draw.z)
        else:
            self.check_beta(draw.prior)
            kl = self._estimate_kl_groups(draw)
            weighted = (self._strengths.to(kl) * kl).sum(-1)
        return (weighted - draw.log_likelihood).mean()

    @staticmethod
    def _estimate_kl_groups(draw: Draw) -> Tensor:
        """Return the KL of each group, (batch, groups), in nats."""
        prior = draw.prior
        try:
            kl = prior.kl_groups(draw.q, draw.z)
        except NotImplementedError as error:
            raise ValueError(
                f"'beta' has a number for each group, but {error}; define it, or give "
                "'beta' as one number"
            ) from error
        shape = (len(draw.z), len(prior.groups))
        if kl.shape != shape:
            raise ValueError(
                f"{type(prior).__name__}.kl_groups must give one value for each image "
                f"and group, shape {shape}; it gave {tuple(kl.shape)}"
            )
        return kl
