"""A trial of every method before anything is run: what a plug-in does wrong is said at once."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from priorbench import metrics
from priorbench.bench.execution import experiment
from priorbench import plugins
from priorbench.errors import locate_error
from priorbench.bench.training import random_streams
from priorbench.bench.training.ensemble import Ensemble, Loss
from priorbench.errors import UserError
from priorbench.bench.scoring.evaluate import make_codes
from priorbench.bench.study.job import Job
from priorbench.priors import Posterior, Prior

IMAGES = 4
SEEDS = (0, 1)
SCORED = 64
"""Images that every metric is tried on."""

ON_SPHERE = 1e-4
"""How far from length 1 a point of a unit sphere may be."""


def try_method(job: Job) -> None:
    """Build one method, score a few images untrained, and take one step of two seeds.

    A plug-in that runs for one seed alone, but not for several at once, would fail on a GPU only.

    Raises:
        UserError: what went wrong and where in the plug-in's file, or what a prior returned that
            it should not.
    """
    with explain_plugin_errors():
        loss = experiment.make_loss(job)
        _check_prior(loss.model.prior)
        with torch.no_grad():
            _check_metrics(job, loss)
        ensemble = Ensemble(
            lambda: experiment.make_loss(job), SEEDS, 1e-3, torch.device("cpu")
        )
        pixels = experiment.load_pixels(job, "cpu")
        rows = torch.arange(min(IMAGES, len(pixels))).expand(len(SEEDS), -1)
        prior = loss.model.prior
        shape = (rows.shape[1], prior.posterior.noise_dim(prior.latent_dim))
        noise = random_streams.draw_normal(
            ensemble.seeds, random_streams.NOISE, 0, shape
        )
        values, _ = ensemble.losses(pixels[rows], noise, len(pixels), 0.0)
        if values.shape != (len(SEEDS),):
            raise ValueError(
                f"the objective must return a scalar for each seed; got shape "
                f"{tuple(values.shape[1:])}"
            )


@contextmanager
def explain_plugin_errors() -> Iterator[None]:
    """Turn any error of a plug-in's code into one line with the place in its file."""
    try:
        yield
    except (UserError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        text = " ".join(str(error).split()) or type(error).__name__
        if "vmap" in text:
            text += (
                "; several seeds run at once, so a plug-in must not branch on the value of a "
                "tensor, nor call .item()"
            )
        if isinstance(error, ValueError):
            raise UserError(text + locate_error(error)) from error
        raise UserError(
            f"{type(error).__name__}: {text}{locate_error(error)}"
        ) from error


def _check_prior(prior: Prior) -> None:
    """What the harness counts on, of values that are cheap to compute."""
    name, d = type(prior).__name__, prior.latent_dim
    generator = torch.Generator().manual_seed(0)
    z = prior.sample((IMAGES, 3), generator)
    _check_shape(f"{name}.sample(shape) must give (*shape, {d})", z, (IMAGES, 3, d))
    _check_shape(
        f"{name}.log_prob must map z of shape (..., {d}) to shape (...), here "
        f"{(IMAGES, 3)}",
        prior.log_prob(z),
        (IMAGES, 3),
    )
    if sorted(i for group in prior.groups for i in group) != list(range(d)):
        raise ValueError(
            f"{name}.groups must hold each of the latents 0 to {d - 1} once; got "
            f"{prior.groups!r}"
        )
    kinds = prior.support
    if len(kinds) != len(prior.groups) or not {"real", "sphere"}.issuperset(kinds):
        raise ValueError(
            f"{name}.support must say 'real' or 'sphere' for each of its "
            f"{len(prior.groups)} groups; got {kinds!r}"
        )
    for key, learned in prior.learned().items():
        if not isinstance(learned, Tensor):
            raise ValueError(
                f"{name}.learned() must give tensors; {key!r} is "
                f"{type(learned).__name__}"
            )
    _check_spheres(prior, f"{name}.sample", z)
    q, z = _check_posterior(prior, generator)
    _check_spheres(prior, f"{name}'s posterior {type(q).__name__}", z)
    _check_shape(
        f"{name}.kl must give one value an image, shape {(IMAGES,)}",
        prior.kl(q, z),
        (IMAGES,),
    )


def _check_posterior(
    prior: Prior, generator: torch.Generator
) -> tuple[Posterior, Tensor]:
    """Posteriors of random parameters and a draw of each, (IMAGES, latent_dim)."""
    family, d = prior.posterior, prior.latent_dim
    q = family(torch.randn(IMAGES, family.num_params(d), generator=generator))
    name = type(q).__name__
    z = q.rsample(torch.randn(IMAGES, family.noise_dim(d), generator=generator))
    _check_shape(
        f"{name}.rsample must give a point an image, shape {(IMAGES, d)}",
        z,
        (IMAGES, d),
    )
    _check_shape(
        f"{name}.log_prob must give one value an image, shape {(IMAGES,)}",
        q.log_prob(z),
        (IMAGES,),
    )
    _check_shape(
        f"{name}.log_prob_groups must give one value for each of {len(prior.groups)} "
        "groups",
        q.log_prob_groups(z, prior.groups),
        (IMAGES, len(prior.groups)),
    )
    _check_shape(
        f"{name}.representation must be a point an image, shape {(IMAGES, d)}",
        q.representation,
        (IMAGES, d),
    )
    return q, z


def _check_spheres(prior: Prior, drawn: str, z: Tensor) -> None:
    """See that draws (..., latent_dim) lie on the unit spheres that ``support`` names."""
    for kind, group in zip(prior.support, prior.groups, strict=True):
        length = z[..., list(group)].norm(dim=-1)
        if kind == "sphere" and not (length - 1).abs().max() < ON_SPHERE:
            raise ValueError(
                f"{type(prior).__name__}.support says that the latents "
                f"{tuple(group)} are on a unit sphere, but a draw of {drawn} has "
                f"length {length.flatten()[0].item():.3g} there; a posterior on "
                "spheres is VonMisesFisher.family(dims=...)"
            )


def _check_metrics(job: Job, loss: Loss) -> None:
    """Score a few random images: a metric that cannot be had is told before the training."""
    dataset, prior = experiment.load_dataset(job), loss.model.prior
    family, d, generator = (
        prior.posterior,
        prior.latent_dim,
        torch.Generator().manual_seed(0),
    )
    rows = torch.randperm(len(dataset), generator=generator)[:SCORED]
    q = family(torch.randn(len(rows), family.num_params(d), generator=generator))
    z = q.rsample(torch.randn(len(rows), family.noise_dim(d), generator=generator))
    codes = make_codes(dataset, rows, q, z, prior, prior.log_prob(z))
    for part in job.config["metrics"]:
        arguments = {key: value for key, value in part.items() if key != "name"}
        metrics.get(part["name"])(codes, **arguments)


def _check_shape(expected: str, value: object, shape: tuple[int, ...]) -> None:
    if not isinstance(value, Tensor) or value.shape != shape:
        got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(f"{expected}; it gave {got}")
