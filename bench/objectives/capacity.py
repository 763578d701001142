"""Capacity annealing: the KL is held at a value that rises during training."""

import math

from torch import Tensor

from priorbench.bench.models.vae import Draw
from priorbench.bench.objectives.base import Objective, check_choice, register


@register("capacity")
class Capacity(Objective):
    r"""Capacity annealing: the KL is held at C, which rises while the model trains.

    .. math:: -E_q[\log p(x|z)] + β |KL(q(z|x) \| p(z)) - C|

    C goes linearly from ``c_min`` to ``c_max`` over the training. Where the KL is
    estimated from one sample, the modulus is that of the estimate, for each image or
    for the batch's mean.

    References: Pérez Rey 2019, "Disentanglement with Hyperspherical Latent
    Spaces using Diffusion Variational Autoencoders", Eq. 2 (C rises epoch by epoch
    there) and Table 1; Burgess et al. 2018, Eq. 8 (the modulus of the batch's mean).

    Args:
        beta: strength of the modulus.
        c_min: C at the start, in nats, >= 0.
        c_max: C at the end, in nats, >= ``c_min``.
        over: "image" for each image's KL, "batch" for the mean of the batch.

    Raises:
        ValueError: the capacities are out of order or not finite, or ``over`` is
            unknown.
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
        self.c_min = float(c_min)
        self.c_max = float(c_max)
        self.over = over

    def forward(
        self, draw: Draw, dataset_size: int, progress: float | Tensor
    ) -> Tensor:
        """Return the loss of a batch, a scalar in nats per image."""
        kl = draw.prior.kl(draw.q, draw.z)
        if self.over == "batch":
            kl = kl.mean()
        capacity = self.c_min + (self.c_max - self.c_min) * progress
        return self.beta * (kl - capacity).abs().mean() - draw.log_likelihood.mean()
