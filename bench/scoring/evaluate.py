"""From a trained model to its scores and to what the plots read."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from priorbench import metrics
from priorbench.bench.scoring import importance
from priorbench.bench.training import random_streams
from priorbench.bench.models.vae import VAE
from priorbench.bench.training.pixels import Pixels
from priorbench.datasets import FactorDataset, Images
from priorbench.priors import Posterior, Prior

CHUNK = 4096
FIRST = 10_000
"""Images that the ISA-VAE authors' code reports the reconstruction of."""


@dataclass
class Evaluation:
    """Scores of one run and arrays kept for plots."""

    scores: dict[str, float] = field(default_factory=dict)
    learned: dict[str, list[float]] = field(default_factory=dict)
    artefacts: dict[str, np.ndarray] = field(default_factory=dict)

    def add(self, source: str, columns: Mapping[str, float | Tensor]) -> None:
        """Take in what a metric gives: numbers are scores, arrays are kept for plots.

        Raises:
            ValueError: a column that is there already; ``source`` is named.
        """
        for column, value in columns.items():
            if column in self.scores or column in self.artefacts:
                raise ValueError(f"{source} gives {column!r}, which is there already")
            if isinstance(value, Tensor) and value.ndim:
                self.artefacts[column] = value.cpu().numpy()
            else:
                self.scores[column] = float(value)


@dataclass(frozen=True)
class Encoded:
    """Images under a model, with one draw of the latents for every image.

    Attributes:
        posterior: q(z|x_n), parameters (N, num_params).
        z: the draws, (N, latent_dim).
        log_likelihood: log p(x_n|z_n), (N,), in nats.
        log_prior: log p(z_n), (N,), in nats.
        kl: the prior's KL(q(z|x_n) || p), closed or from the draw, (N,), in nats.
    """

    posterior: Posterior
    z: Tensor
    log_likelihood: Tensor
    log_prior: Tensor
    kl: Tensor


@torch.no_grad()
def evaluate_model(
    model: VAE,
    dataset: Images,
    pixels: Pixels,
    seed: int,
    chosen: Mapping[str, dict],
    importance_samples: int = 0,
    importance_images: int | None = None,
) -> Evaluation:
    """Scores of a trained model over ``pixels``; the log-likelihood's over some of them.

    Args:
        model: one seed's, in evaluation mode.
        dataset: what they are from; it has their factors, if there are any.
        pixels: the images.
        seed: of the draws.
        chosen: metrics by name, each with its arguments.
        importance_samples: of the importance-weighted log-likelihood; 0 leaves it out.
        importance_images: that it is the mean of; None for all.
    """
    encoded = encode_images(model, pixels, seed)
    reconstruction, kl = encoded.log_likelihood.mean().item(), encoded.kl.mean().item()
    result = Evaluation(
        {
            "reconstruction": reconstruction,
            "kl": kl,
            "elbo": reconstruction - kl,
        }
    )
    if isinstance(dataset, FactorDataset):
        first = encoded.log_likelihood[:FIRST]
        result.scores["reconstruction_first_10k"] = first.mean().item()
    if importance_samples:
        result.scores |= _log_likelihood(
            importance.estimate_log_likelihood(
                model, pixels, seed, importance_samples, importance_images
            )
        )
    rows = torch.arange(len(pixels), device=encoded.z.device)
    codes = make_codes(
        dataset,
        rows,
        encoded.posterior,
        encoded.z,
        model.prior,
        encoded.log_prior,
        seed,
    )
    for name, arguments in chosen.items():
        result.add(f"metric {name!r}", metrics.get(name)(codes, **arguments))
    learned = model.prior.learned().items()
    result.learned = {name: value.flatten().tolist() for name, value in learned}
    result.artefacts |= _make_pictures(model, pixels, encoded)
    return result


def _log_likelihood(values: Tensor) -> dict[str, float]:
    """Mean over the images and its standard error, in nats.

    The error is that of the images' spread, as though they were few of many: it says how far the
    mean of other images may be, not how far two models scored on the same ones may.
    """
    spread = values.std(correction=1).item() if len(values) > 1 else 0.0
    return {
        "log_likelihood": values.mean().item(),
        "log_likelihood_se": spread / math.sqrt(len(values)),
    }


def encode_images(model: VAE, pixels: Pixels, seed: int) -> Encoded:
    """Pass all the images through the model, chunk by chunk."""
    device = next(model.parameters()).device
    seeds = torch.tensor([seed], device=device)
    columns: list[tuple[Tensor, ...]] = []
    prior = model.prior
    for number, rows in enumerate(
        torch.arange(len(pixels), device=device).split(CHUNK)
    ):
        shape = (len(rows), prior.posterior.noise_dim(prior.latent_dim))
        noise = random_streams.draw_normal(
            seeds, random_streams.EVALUATION, number, shape
        )[0]
        draw = model(pixels[rows], noise)
        columns.append(
            (
                draw.q.params,
                draw.z,
                draw.log_likelihood.double(),
                prior.log_prob(draw.z).double(),
                prior.kl(draw.q, draw.z).double(),
            )
        )
    params, *rest = (torch.cat(parts) for parts in zip(*columns, strict=True))
    return Encoded(prior.posterior(params), *rest)


def make_codes(
    dataset: Images,
    rows: Tensor,
    q: Posterior,
    z: Tensor,
    prior: Prior,
    log_prior: Tensor,
    seed: int = 0,
) -> metrics.Codes:
    """What the metrics read of images; without factors where the dataset has none.

    Args:
        dataset: what they are from.
        rows: which they are, int64 (N,).
        q: their posteriors.
        z: a draw of each, (N, latent_dim).
        prior: p(z).
        log_prior: log p(z), (N,), in nats.
        seed: of the metrics' draws.
    """
    if isinstance(dataset, FactorDataset):
        factors = dataset.factors().to(z.device)[rows]
        known = {
            "factor_names": tuple(dataset.factor_names),
            "factor_sizes": tuple(dataset.factor_sizes),
            "excluded": tuple(dataset.excluded_factors),
        }
    else:
        factors = torch.zeros(len(z), 0, dtype=torch.int64, device=z.device)
        known = {"factor_names": (), "factor_sizes": ()}
    return metrics.Codes(
        posterior=q,
        z=z,
        log_prior=log_prior,
        factors=factors,
        **known,
        groups=prior.groups,
        seed=seed,
    )


def _make_pictures(
    model: VAE, pixels: Pixels, encoded: Encoded, count: int = 8
) -> dict[str, Any]:
    """Images spread over the dataset and their reconstructions, uint8 (count, C, H, W)."""
    rows = torch.linspace(0, len(pixels) - 1, count, device=encoded.z.device).long()
    means = model.log_likelihood.mean(model.decode(encoded.z[rows]))
    return {
        name: (255 * values).round().byte().reshape(count, *pixels.shape).cpu().numpy()
        for name, values in (("images", pixels[rows]), ("reconstructions", means))
    }
