"""Early stopping on the evidence lower bound of validation images, of each seed by its own."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from priorbench.bench.training.ensemble import Ensemble
from priorbench.bench.scoring.evaluate import encode_images
from priorbench.bench.models.vae import VAE
from priorbench.bench.training.pixels import Pixels


@dataclass
class Course:
    """How the validation of one seed went.

    Attributes:
        elbos: evidence lower bound after each epoch, in nats per image, -inf where it was NaN.
        best_epoch: from 1; the first where several are the best.
        model: after the best epoch.
    """

    elbos: list[float] = field(default_factory=list)
    best_epoch: int = 0
    model: VAE | None = None

    def add(self, elbo: float, model: VAE) -> None:
        """Take in the next epoch."""
        self.elbos.append(-math.inf if math.isnan(elbo) else elbo)
        if self.model is None or self.elbos[-1] > self.elbos[self.best_epoch - 1]:
            self.best_epoch, self.model = len(self.elbos), model


class EarlyStopping:
    """Ends a seed's training when its validation ELBO has not risen for some epochs.

    The bound is that of β = 1, whatever is trained, with one draw of the latents for each image,
    the same noise after every epoch. The model of the best epoch is the one that is kept. Epochs
    of the warm-up do not count as waiting, since the bound is not yet what is trained. References:
    Davidson et al. 2019, section 3 (a look-ahead of 50 epochs after a warm-up of 100).

    Args:
        valid: the validation images.
        look_ahead: epochs to wait for a better bound, >= 1.
        warm_up: epochs that do not count.

    Attributes:
        courses: of each seed, by its number.
    """

    def __init__(self, valid: Pixels, look_ahead: int, warm_up: int = 0) -> None:
        if look_ahead < 1:
            raise ValueError(f"'look_ahead' must be at least 1 epoch; got {look_ahead}")
        self.valid = valid
        self.look_ahead = look_ahead
        self.warm_up = warm_up
        self.courses: dict[int, Course] = {}

    def after_epoch(self, ensemble: Ensemble) -> None:
        """Validate every seed of the block; those that have waited long enough leave it."""
        seeds = ensemble.seeds.tolist()
        for index, seed in enumerate(seeds):
            model = ensemble.member(index)
            self.courses.setdefault(seed, Course()).add(self.elbo(model, seed), model)
        if not all(going := self._going(seeds)):
            ensemble.keep(torch.tensor(going, device=ensemble.seeds.device))

    @torch.no_grad()
    def elbo(self, model: VAE, seed: int) -> float:
        """Evidence lower bound of the validation images, in nats per image."""
        encoded = encode_images(model, self.valid, seed)
        return (encoded.log_likelihood - encoded.kl).mean().item()

    def _going(self, seeds: Sequence[int]) -> list[bool]:
        """Which seeds are to go on."""
        courses = [self.courses[seed] for seed in seeds]
        return [
            len(course.elbos) - max(course.best_epoch, self.warm_up) < self.look_ahead
            for course in courses
        ]
