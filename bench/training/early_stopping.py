"""Early stopping of each seed by its own evidence lower bound of validation images."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from priorbench.bench.models.vae import VAE
from priorbench.bench.training.encode import encode_images
from priorbench.bench.training.pixels import Pixels


@dataclass
class ValidationHistory:
    """How the validation of one seed went.

    Attributes:
        elbos: evidence lower bound after each epoch, in nats per image, -inf where it
            was NaN.
        best_epoch: counted from 1; the first where several are the best.
        model: after the best epoch.
    """

    elbos: list[float] = field(default_factory=list)
    best_epoch: int = 0
    model: VAE | None = None

    @property
    def best_elbo(self) -> float:
        """Return the bound after the best epoch, in nats per image."""
        return self.elbos[self.best_epoch - 1]

    def add(self, elbo: float, model: VAE) -> None:
        """Add the next epoch."""
        self.elbos.append(-math.inf if math.isnan(elbo) else elbo)
        if self.model is None or self.elbos[-1] > self.best_elbo:
            self.best_epoch = len(self.elbos)
            self.model = model


class EarlyStopping:
    """Ends a seed's training when its validation ELBO has not risen for some epochs.

    The bound is that of β = 1, whatever is trained, with one draw of the latents for
    each image and the same noise after every epoch. The model of the best epoch is the
    one that is kept. Epochs of the warm-up do not count as waiting, since the bound is
    not yet what is trained.

    References: Davidson et al. 2019, section 3 (a look-ahead of 50 epochs after a
    warm-up of 100).

    Args:
        valid: the validation images.
        look_ahead: epochs to wait for a better bound, >= 1.
        warm_up: epochs that do not count.

    Raises:
        ValueError: ``look_ahead`` is less than 1.

    Attributes:
        histories: validation history of each seed, by its number.
    """

    def __init__(self, valid: Pixels, look_ahead: int, warm_up: int = 0) -> None:
        if look_ahead < 1:
            raise ValueError(f"'look_ahead' must be at least 1 epoch; got {look_ahead}")
        self.valid = valid
        self.look_ahead = look_ahead
        self.warm_up = warm_up
        self.histories: dict[int, ValidationHistory] = {}

    def validate_seed(self, seed: int, model: VAE) -> bool:
        """Validate a seed after an epoch, and return whether its training goes on.

        Args:
            seed: number of the seed.
            model: the seed's model, which nothing changes afterwards.
        """
        history = self.histories.setdefault(seed, ValidationHistory())
        history.add(self.compute_elbo(model, seed), model)
        waited = len(history.elbos) - max(history.best_epoch, self.warm_up)
        return waited < self.look_ahead

    def load_history(self, seed: int, elbos: Sequence[float], model: VAE) -> None:
        """Take over the history of a seed: its bounds, and the model of the best."""
        best = 1 + max(range(len(elbos)), key=elbos.__getitem__)  # the first of several
        self.histories[seed] = ValidationHistory(list(elbos), best, model)

    @torch.no_grad()
    def compute_elbo(self, model: VAE, seed: int) -> float:
        """Return the bound of the validation images, in nats per image."""
        encoded = encode_images(model, self.valid, seed)
        return (encoded.log_likelihood - encoded.kl).mean().item()
