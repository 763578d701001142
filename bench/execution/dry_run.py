"""A dry run of every method before anything is trained."""

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from priorbench.bench.models.architectures import Architecture
from priorbench.bench.models.build import build_networks
from priorbench.bench.scoring.evaluate import make_codes
from priorbench.bench.study.grid import Grid
from priorbench.bench.study.job import Setting
from priorbench.bench.training import random_streams
from priorbench.bench.training.ensemble import Ensemble, Loss
from priorbench.bench.training.experiment import Experiment
from priorbench.bench.training.pixels import Pixels
from priorbench.datasets.base import FactorDataset
from priorbench.datasets.images import ImageDataset, Images
from priorbench.errors import UserError, locate_error
from priorbench.machine_errors import is_machine_fault
from priorbench.metrics.base import registry as metrics
from priorbench.priors.base import Prior
from priorbench.priors.posteriors.base import Posterior

log = logging.getLogger("priorbench")

IMAGES = 4
"""Images that a step is tried on."""

SCORED = 64
"""Images that every metric is tried on."""

SEEDS = (0, 1)

COLUMNS = (
    "reconstruction",
    "reconstruction_first_10k",
    "kl",
    "elbo",
    "log_likelihood",
    "log_likelihood_se",
    "valid_elbo",
    "best_epoch",
    "epochs",
    "udr",
)
"""Columns that no metric may give, for every run has them."""

ON_SPHERE = 1e-4
"""How far from length 1 a point of a unit sphere may be."""


def check_study(grid: Grid, settings: Sequence[Setting]) -> None:
    """Try out all that a study names; its plug-ins exist.

    Args:
        grid: the study.
        settings: those that are to be run.

    Raises:
        UserError: a plug-in, an argument, the data set, the networks, a metric or a
            method is at fault; the message names its place in the grid's file.
    """
    first = Experiment(settings[0])
    with grid.blame("dataset"), explain_plugin_errors():
        _warn_about(first.dataset)
        # all images are read, and those of a class of one's own are checked
        first.pixels("cpu")
    with grid.blame("architecture"), explain_plugin_errors():
        shape, d = first.dataset.image_shape, grid.latent_dim
        built = build_networks(grid.architecture.model_dump(), shape, d, 2 * d)
        _check_networks(built, math.prod(shape), d, 2 * d)
    for number, method in enumerate(grid.methods):
        own = [setting for setting in settings if setting.method == method]
        what = f"method {method.name!r}"
        with grid.blame("methods", number, what=what), explain_plugin_errors():
            # one setting of each kind of β whole; the others are built
            kinds = {isinstance(s.beta, tuple): s for s in reversed(own)}
            for setting in reversed(kinds.values()):
                experiment = Experiment(setting)
                try_loss(experiment.make_loss, experiment.pixels("cpu"))
            for setting in own:
                Experiment(setting).make_loss()
        if own:
            key = ("training", "look_ahead")
            where = key if method.training is None else ("methods", number, *key)
            with grid.blame(*where):
                Experiment(own[0]).make_early_stopping("cpu")
            _try_metrics(Experiment(own[0]))


@contextmanager
def explain_plugin_errors() -> Iterator[None]:
    """Turn any error of a plug-in's code into one line with its place in the file.

    Raises:
        UserError: in place of every error but those of the machine.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if is_machine_fault(error):
            raise
        text = " ".join(str(error).split()) or type(error).__name__
        if "called random operation" in text:
            raise UserError(
                "random numbers are drawn (torch.rand, torch.randperm, dropout, ...) "
                "that are not the seed's own, so that no run could be repeated; a "
                "posterior draws from the noise that it is given, an objective has the "
                f"z of its seed, and networks do without dropout{locate_error(error)}"
            ) from error
        if "vmap" in text or "Batching rule" in text:
            text += (
                "; several seeds run at once by torch.func.vmap, so a plug-in must not "
                "branch on the value of a tensor, nor call .item()"
            )
        if not isinstance(error, ValueError):
            text = f"{type(error).__name__}: {text}"
        raise UserError(text + locate_error(error)) from error


def _warn_about(dataset: Images) -> None:
    """Warn of images that are scored on as trained on, and of incomplete factors."""
    if isinstance(dataset, ImageDataset) and "test" not in dataset.lengths:
        log.warning(
            "dataset %r has no split 'test': its models are scored on the images that "
            "they are trained on",
            dataset.name,
        )
    fault = dataset.incomplete() if isinstance(dataset, FactorDataset) else None
    if fault:
        log.warning(
            "the factors of dataset %r are not a complete grid: %s; scores are divided "
            "by log n_f, the entropy of a factor of n_f values with equal shares",
            dataset.name,
            fault,
        )


def _check_networks(
    networks: Architecture, pixels: int, latent_dim: int, num_params: int
) -> None:
    """Check what the networks make of images and of latents."""
    if any(is_lazy(parameter) for parameter in networks.parameters()):
        raise ValueError(
            "lazy modules have no parameters before their first call; give their "
            "sizes, for example Linear in place of LazyLinear"
        )
    for part, width, expected in (
        ("encoder", pixels, num_params),
        ("decoder", latent_dim, pixels),
    ):
        words = f"the {part} must map (batch, {width}) to (batch, {expected}), here "
        words += f"({IMAGES}, {expected})"
        output = getattr(networks, part)(torch.zeros(IMAGES, width))
        _check_shape(words, output, (IMAGES, expected))


def try_loss(make_loss: Callable[[], Loss], pixels: Pixels) -> None:
    """Take the loss of a few images, for one seed and for two seeds at once.

    A plug-in that runs for one seed alone, but not for several at once, would fail on a
    GPU only.

    Args:
        make_loss: makes one seed's model and objective.
        pixels: the images, on the CPU.

    Raises:
        ValueError: a prior, a likelihood or an objective returns what it should not.
    """
    loss = make_loss()
    prior = loss.model.prior
    d = prior.latent_dim
    _check_prior(prior)
    _check_networks(
        loss.model.architecture,
        math.prod(pixels.shape),
        d,
        prior.posterior.num_params(d),
    )
    ensemble = Ensemble(make_loss, SEEDS, 1.0, torch.device("cpu"))
    rows = torch.arange(min(IMAGES, len(pixels))).expand(len(SEEDS), -1)
    shape = (rows.shape[1], prior.posterior.noise_dim(d))
    noise = random_streams.draw_normal(ensemble.seeds, random_streams.NOISE, 0, shape)
    x = pixels[rows]
    _check_loss(loss, x[0], noise[0], len(pixels))
    ensemble.losses(x, noise, len(pixels), 0.0)


def _check_loss(loss: Loss, x: Tensor, noise: Tensor, dataset_size: int) -> None:
    """Check the loss of one seed, and its gradients."""
    draw = loss.model(x, noise)
    name = type(loss.model.likelihood).__name__
    words = f"{name} must give one log-likelihood an image, shape {(len(x),)}"
    _check_shape(words, draw.log_likelihood, (len(x),))
    _check_finite(f"{name}'s log-likelihood of untrained networks", draw.log_likelihood)
    name = type(loss.objective).__name__
    value = loss.objective(draw, dataset_size, 0.0)
    _check_shape(f"{name}.forward must return a scalar, shape ()", value, ())
    if not value.requires_grad:
        raise ValueError(
            f"{name}.forward must return a loss that has a gradient; it is detached "
            "from the draw"
        )
    _check_finite(f"the loss of {name} with untrained networks", value)
    named = [(k, p) for k, p in loss.named_parameters() if p.requires_grad]
    parameters = [parameter for _, parameter in named]
    gradients = torch.autograd.grad(value, parameters, allow_unused=True)
    for (key, _), gradient in zip(named, gradients, strict=True):
        if gradient is not None:
            _check_finite(f"the gradient of {name}'s loss to {key}", gradient)


def _check_prior(prior: Prior) -> None:
    """Check a prior and its posterior on values that are cheap to compute."""
    name, d = type(prior).__name__, prior.latent_dim
    generator = torch.Generator().manual_seed(0)
    batch = (IMAGES, 3)
    z = prior.sample(batch, generator)
    # the base class checks these, but not in a class that overrides the public methods
    _check_shape(f"{name}.sample must give (*shape, {d})", z, (*batch, d))
    words = f"{name}.log_prob must map z of shape (..., {d}) to (...), here {batch}"
    log_prob = prior.log_prob(z)
    _check_shape(words, log_prob, batch)
    _check_finite(f"{name}.log_prob of its own draws", log_prob)
    for key, learned in prior.learned().items():
        if not isinstance(learned, Tensor):
            raise ValueError(
                f"{name}.learned() must give tensors; {key!r} is "
                f"{type(learned).__name__}"
            )
    _check_spheres(prior, f"{name}.sample", z)
    q, z = _draw_posterior(prior, IMAGES, generator)
    _check_posterior(prior, q, z)
    _check_spheres(prior, f"{name}'s posterior {type(q).__name__}", z)
    words = f"{name}.kl must give one value an image, shape {(IMAGES,)}"
    kl = prior.kl(q, z)
    _check_shape(words, kl, (IMAGES,))
    _check_finite(f"{name}.kl", kl)


def _draw_posterior(
    prior: Prior, count: int, generator: torch.Generator
) -> tuple[Posterior, Tensor]:
    """Return random posteriors and a draw of each, (count, latent_dim)."""
    family, d = prior.posterior, prior.latent_dim
    q = family(torch.randn(count, family.num_params(d), generator=generator))
    noise = torch.randn(count, family.noise_dim(d), generator=generator)
    return q, q.rsample(noise)


def _check_posterior(prior: Prior, q: Posterior, z: Tensor) -> None:
    name, d, groups = type(q).__name__, prior.latent_dim, prior.coordinates
    point = f"must give a point an image, shape {(IMAGES, d)}"
    _check_shape(f"{name}.rsample {point}", z, (IMAGES, d))
    _check_shape(f"{name}.representation {point}", q.representation, (IMAGES, d))
    _check_shape(
        f"{name}.log_prob must give one value an image, shape {(IMAGES,)}",
        q.log_prob(z),
        (IMAGES,),
    )
    _check_shape(
        f"{name}.log_prob_groups must give one value for each of {len(groups)} groups",
        q.log_prob_groups(z, groups),
        (IMAGES, len(groups)),
    )


def _check_spheres(prior: Prior, origin: str, z: Tensor) -> None:
    """Check that draws (..., latent_dim) lie on the unit spheres that groups name."""
    for group in prior.groups:
        if group.on != "sphere":
            continue
        length = z[..., list(group.coordinates)].norm(dim=-1)
        if not (length - 1).abs().max() < ON_SPHERE:
            raise ValueError(
                f"{type(prior).__name__}.groups says that the latents "
                f"{group.coordinates} are on a unit sphere, but a draw of {origin} has "
                f"length {length.flatten()[0].item():.3g} there; a posterior on "
                "spheres is VonMisesFisher(dims=...)"
            )


def _try_metrics(experiment: Experiment) -> None:
    """Score a few random images: a metric's fault is blamed on the metric."""
    grid, method = experiment.grid, experiment.setting.method
    dataset, prior = experiment.dataset, experiment.make_loss().model.prior
    generator = torch.Generator().manual_seed(0)
    with explain_plugin_errors(), torch.no_grad():
        rows = torch.randperm(len(dataset), generator=generator)[:SCORED]
        q, z = _draw_posterior(prior, len(rows), generator)
        codes = make_codes(dataset, rows, q, z, prior, prior.log_prob(z))
    sources = dict.fromkeys(COLUMNS, "every run")
    for position, metric in grid.list_metrics():
        what = f"metric {metric.name!r} of method {method.name!r}"
        with grid.blame("metrics", position, what=what), explain_plugin_errors():
            scores = metrics.get(metric.name)(codes, **metric.arguments)
            for column in scores:
                if column in sources:
                    raise ValueError(
                        f"it gives the column {column!r}, which {sources[column]} has "
                        "already"
                    )
                sources[column] = f"metric {metric.name!r}"


def _check_shape(expected: str, value: object, shape: tuple[int, ...]) -> None:
    if not isinstance(value, Tensor) or value.shape != shape:
        tensor = isinstance(value, Tensor)
        got = tuple(value.shape) if tensor else type(value).__name__
        raise ValueError(f"{expected}; it gave {got}")


def _check_finite(what: str, value: Tensor) -> None:
    wrong = value[~value.isfinite()]
    if len(wrong):
        raise ValueError(
            f"{what} must be finite; {len(wrong)} of {value.numel()} values are not, "
            f"the first is {wrong[0].item()}"
        )
