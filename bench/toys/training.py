"""Small models of an experiment, trained and scored as those of a study are."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from priorbench.bench.models.build import build_model
from priorbench.bench.objectives.beta_vae import BetaVAE
from priorbench.bench.report.plain_text import format_mean
from priorbench.bench.results.statistics import summarise_columns
from priorbench.bench.scoring.evaluate import Subject
from priorbench.bench.training.ensemble import Ensemble, Loss
from priorbench.bench.training.pixels import Pixels
from priorbench.bench.training.train import Training
from priorbench.datasets.images import ImageDataset, Images

CPU = torch.device("cpu")
LEARNING_RATE = 3e-3
BATCH_SIZE = 64


def train_models(
    prior: Mapping[str, Any],
    dataset: ImageDataset,
    likelihood: Mapping[str, Any],
    hidden: Sequence[int],
    beta: float,
    seeds: int,
    steps: int,
) -> list[Subject]:
    """Train a β-VAE for each of ``seeds``, on ``train``; they are scored on ``test``.

    Args:
        prior: name and arguments, ``latent_dim`` among them.
        dataset: with the splits "train" and "test".
        likelihood: name and arguments.
        hidden: widths of the encoder's layers, and backwards of the decoder's.
        beta: strength of the KL.
        seeds: number of models, with the seeds 0, 1, ...
        steps: of the optimiser, rounded to whole epochs, at least one.

    Raises:
        FloatingPointError: a loss stopped being finite.
    """
    architecture = {"name": "mlp_svae", "hidden": list(hidden)}
    shape, latent_dim = dataset.image_shape, prior["latent_dim"]

    def make_loss() -> Loss:
        model = build_model(prior, architecture, likelihood, latent_dim, shape)
        objective = BetaVAE(beta)
        objective.adapt(model.prior)
        return Loss(model, objective)

    ensemble = Ensemble(make_loss, range(seeds), LEARNING_RATE, CPU)
    train = Pixels(dataset.split("train"), CPU)
    epochs = max(1, round(steps * BATCH_SIZE / len(train)))
    training = Training(ensemble, train, epochs, BATCH_SIZE)
    while not training.done:
        training.run_epoch()
    test = dataset.split("test")
    pixels = Pixels(test, CPU)
    subjects = []
    for trained in training.outcomes():
        if trained.model is None:
            raise FloatingPointError(f"{prior['name']}: {trained.reason}")
        subjects.append(Subject(trained.model, test, pixels, trained.seed))
    return subjects


def encode_split(subject: Subject, images: Images) -> Tensor:
    """Return the representations of images, (n, latent_dim)."""
    other = Subject(subject.model, images, Pixels(images, CPU), subject.seed)
    return other.encoded.posterior.representation.detach()


def track_methods(methods: Sequence[Any]) -> Any:
    """Iterate over what is trained with a bar on the error stream."""
    console = Console(stderr=True)
    return track(methods, "training", console=console, transient=True)


def summarise_seeds(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean over the seeds and its standard error; NaN for one seed."""
    summary = summarise_columns(np.array(values, dtype=float)[:, None])
    return float(summary["mean"][0]), float(summary["se"][0])


def join_mean(mean: float, se: float) -> str:
    """Return a mean and its standard error in words, rounded by the error."""
    return " ± ".join(filter(None, format_mean(mean, se)))
