"""One model, trained here and now, to be looked at: ``priorbench.train``."""

import copy
import io
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from rich.progress import track

from priorbench.bench.execution.dry_run import explain_plugin_errors, try_loss
from priorbench.bench.execution.plan import pick_device
from priorbench.bench.models.build import build_networks
from priorbench.bench.models.likelihoods import registry as likelihoods
from priorbench.bench.models.vae import VAE
from priorbench.bench.objectives.base import registry as objectives
from priorbench.bench.scoring.evaluate import Subject, draw_pictures, score_model
from priorbench.bench.study.scores import ScoreRequest
from priorbench.bench.training.ensemble import Ensemble, Loss
from priorbench.bench.training.pixels import Pixels
from priorbench.bench.training.train import Trained, Training
from priorbench.datasets.base import FactorDataset
from priorbench.datasets.images import ImageDataset
from priorbench.datasets.load import load_dataset
from priorbench.priors.base import Prior, build_prior

Choice = str | Mapping[str, Any]
"""A registered name, or a mapping of a name and arguments, as in a grid."""


class TrainedModel:
    """A model that :func:`train` has trained.

    Attributes:
        model: encoder, prior and decoder, in evaluation mode.
        dataset: what it was trained on.
        losses: columns ``step``, ``loss`` and ``log_likelihood``, in nats per image.
        seed: of the training, and of the draws of scores.
    """

    def __init__(
        self,
        trained: Trained,
        dataset: FactorDataset | ImageDataset,
        pixels: Pixels,
    ) -> None:
        assert trained.model is not None
        self.model = trained.model
        self.dataset = dataset
        self.losses = pd.DataFrame(trained.losses)
        self.seed = trained.seed
        self._subject = Subject(self.model, dataset, pixels, trained.seed)

    def score(self, *metrics: str | Mapping[str, Any]) -> dict[str, float]:
        """Return the ELBO and its terms, in nats per image, and what metrics give.

        Args:
            metrics: registered names, or mappings of a name and arguments.

        Raises:
            ValueError: a metric is unknown or fails.
        """
        scores: dict[str, float] = {}
        for metric in ("elbo", *metrics):
            name, arguments = _split_choice(metric)
            (score,) = score_model(self._subject, [ScoreRequest(name, arguments)])
            if score.reason is not None:
                raise ValueError(f"{name!r}: {score.reason}")
            scores |= score.values
        return scores

    def show_reconstructions(self) -> Image.Image:
        """Return images spread over the data set, and their reconstructions below."""
        return self._open_picture("reconstructions.png")

    def show_traversals(self) -> Image.Image:
        """Return what the decoder makes of lines along the active latents.

        A row is a line, those of the largest KL first; on a sphere it is a great
        circle. Of grey images with a factor of few levels, such as a shape, there is a
        block from one image of each.

        Raises:
            ValueError: no latent is active.
        """
        if "traversals.png" not in self._pictures:
            raise ValueError("no latent is active, so there is nothing to traverse")
        return self._open_picture("traversals.png")

    @cached_property
    @torch.no_grad()
    def _pictures(self) -> dict[str, Any]:
        return draw_pictures(self._subject)

    def _open_picture(self, name: str) -> Image.Image:
        return Image.open(io.BytesIO(np.asarray(self._pictures[name]).tobytes()))


def train(
    prior: Prior | type[Prior] | Choice = "normal",
    dataset: FactorDataset | ImageDataset | Choice = "dsprites",
    *,
    objective: Choice = "beta_vae",
    beta: float | tuple[float, ...] = 1.0,
    architecture: Choice = "mlp",
    likelihood: Choice = "bernoulli",
    latent_dim: int = 10,
    epochs: int = 20,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
    seed: int = 0,
    device: str = "auto",
    progress: bool = True,
) -> TrainedModel:
    """Train one model, and return it; nothing is written to the disk.

    It is for trying a prior out, in a notebook or a script; a study of many seeds is a
    grid, ``python -m bench.run``, in which everything is checked, kept and reported.

    Args:
        prior: p(z): an object, a class, which is called with ``latent_dim``, or what is
            registered.
        dataset: an object, what is registered, or the path of your own images.
        objective: what is minimised, by its registered name.
        beta: its strength, or one for each of the prior's groups.
        architecture: encoder and decoder, by their registered name.
        likelihood: p(x|z), by its registered name.
        latent_dim: number of latents, where ``prior`` is not an object.
        epochs: passes over the data.
        batch_size: images of a step; at most all.
        learning_rate: of Adam.
        seed: of the initialisation, the order of the data and the noise.
        device: "auto", "cpu" or "cuda:N".
        progress: show a progress bar.

    Raises:
        UserError: an argument or a plug-in is at fault; the message says which.
        FloatingPointError: the loss stopped being finite.

    Example::

        model = priorbench.train(prior=MyPrior(6), dataset="mine.npz", epochs=5)
        model.score("mig")
        model.show_traversals()
    """
    place = torch.device(pick_device(device))
    with explain_plugin_errors():
        if not isinstance(dataset, FactorDataset | ImageDataset):
            name, arguments = _split_choice(dataset)
            dataset = load_dataset(name, **arguments)
        made = _make_prior(prior, latent_dim)

        def make_loss() -> Loss:
            own = copy.deepcopy(made)
            name, arguments = _split_choice(architecture)
            networks = build_networks(
                {"name": name, **arguments},
                dataset.image_shape,
                own.latent_dim,
                own.posterior.num_params(own.latent_dim),
            )
            name, arguments = _split_choice(likelihood)
            model = VAE(networks, own, likelihoods.build(name, **arguments))
            name, arguments = _split_choice(objective)
            built = objectives.build(name, beta=beta, **arguments)
            built.adapt(own)
            return Loss(model, built)

        splits = isinstance(dataset, ImageDataset)
        trained_on = dataset.split("train") if splits else dataset
        pixels = Pixels(trained_on, place)
        try_loss(make_loss, Pixels(trained_on, torch.device("cpu")))
    ensemble = Ensemble(make_loss, [seed], learning_rate, place)
    training = Training(ensemble, pixels, epochs, batch_size)
    for _ in track(range(epochs), "training", disable=not progress):
        if not training.done:
            training.run_epoch()
    (trained,) = training.outcomes()
    if trained.reason is not None:
        raise FloatingPointError(trained.reason)
    scored = trained_on
    if isinstance(dataset, ImageDataset) and "test" in dataset.lengths:
        scored = dataset.split("test")
    return TrainedModel(trained, scored, Pixels(scored, place))


def _make_prior(prior: Prior | type[Prior] | Choice, latent_dim: int) -> Prior:
    if isinstance(prior, Prior):
        return prior
    if isinstance(prior, str | Mapping):
        name, arguments = _split_choice(prior)
        return build_prior(name, **{"latent_dim": latent_dim, **arguments})
    made = prior(latent_dim)
    if not isinstance(made, Prior):
        raise ValueError(
            f"'prior' must be a Prior, its class or a name; got {type(made).__name__}"
        )
    return made


def _split_choice(choice: Choice) -> tuple[str, dict[str, Any]]:
    """Return the name and the arguments of what is chosen."""
    if isinstance(choice, str):
        return choice, {}
    arguments = dict(choice)
    if "name" not in arguments:
        raise ValueError(
            f"a mapping must have 'name' beside its arguments; got {choice}"
        )
    return arguments.pop("name"), arguments
