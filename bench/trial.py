"""A trial of every method before anything is run: what a plug-in does wrong is said at once."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from bench import build, plugins
from bench.ensemble import Ensemble
from bench.errors import UserError
from bench.job import Job
from priors import Prior

IMAGES = 4
SEEDS = (0, 1)


def trial(job: Job) -> None:
    """Build one method and take one step of two seeds on a few images.

    A plug-in that runs for one seed alone, but not for several at once, would fail on a GPU only.

    Raises:
        UserError: what went wrong and where in the plug-in's file, or what a prior returned that
            it should not.
    """
    with said():
        loss = build.loss(job)
        _check_prior(loss.model.prior)
        ensemble = Ensemble(lambda: build.loss(job), SEEDS, 1e-3, torch.device("cpu"))
        pixels = build.pixels(job, "cpu")
        rows = torch.arange(min(IMAGES, len(pixels))).expand(len(SEEDS), -1)
        prior = loss.model.prior
        shape = (*rows.shape, prior.posterior.noise_dim(prior.latent_dim))
        values, _ = ensemble.losses(pixels[rows], torch.zeros(shape), len(pixels), 0.0)
        if values.shape != (len(SEEDS),):
            raise ValueError(f"the objective must return a scalar for each seed; got shape "
                             f"{tuple(values.shape[1:])}")


@contextmanager
def said() -> Iterator[None]:
    """Turn any error of a plug-in's code into one line with the place in its file."""
    try:
        yield
    except (UserError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        text = " ".join(str(error).split()) or type(error).__name__
        if "vmap" in text:
            text += ("; several seeds run at once, so a plug-in must not branch on the value of a "
                     "tensor, nor call .item()")
        if isinstance(error, ValueError):
            raise UserError(text + plugins.place_of(error)) from error
        raise UserError(f"{type(error).__name__}: {text}{plugins.place_of(error)}") from error


def _check_prior(prior: Prior) -> None:
    """What the harness counts on, of values that are cheap to compute."""
    name = type(prior).__name__
    d = prior.latent_dim
    z = torch.zeros(IMAGES, 3, d)
    value = prior.log_prob(z)
    if not isinstance(value, Tensor) or value.shape != (IMAGES, 3):
        got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(f"{name}.log_prob must map z of shape (..., {d}) to shape (...); for "
                         f"{(IMAGES, 3, d)} it gave {got}")
    if sorted(i for group in prior.groups for i in group) != list(range(d)):
        raise ValueError(f"{name}.groups must hold each of the latents 0 to {d - 1} once; got "
                         f"{prior.groups!r}")
    for key, learned in prior.learned().items():
        if not isinstance(learned, Tensor):
            raise ValueError(f"{name}.learned() must give tensors; {key!r} is "
                             f"{type(learned).__name__}")
    raw = torch.zeros(IMAGES, prior.posterior.num_params(d))
    kl = prior.kl(prior.posterior(raw), torch.zeros(IMAGES, d))
    if kl.shape != (IMAGES,):
        raise ValueError(f"{name}.kl must give one value an image, shape {(IMAGES,)}; got "
                         f"{tuple(kl.shape)}")
