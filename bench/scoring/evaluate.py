"""From a trained model to its scores and to the arrays that plots read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from priorbench.bench.models.vae import VAE
from priorbench.bench.scoring.importance import (
    estimate_log_likelihood,
    summarise_estimates,
)
from priorbench.bench.scoring.pictures import make_pictures
from priorbench.bench.training.encode import encode_images
from priorbench.bench.training.pixels import Pixels
from priorbench.datasets.base import FactorDataset
from priorbench.datasets.images import Images
from priorbench.metrics.base import Codes, Metric, Scores, registry
from priorbench.priors.base import Prior
from priorbench.priors.posteriors.base import Posterior

FIRST_IMAGES = 10_000
"""Images of which the ISA-VAE authors' code reports the reconstruction."""


@dataclass
class Evaluation:
    """Scores of one run, and arrays kept for plots.

    Attributes:
        scores: numbers by column.
        learned: what the prior learned, by name.
        artefacts: arrays by name.
        headlines: columns that stand for the run in progress lines, tables and figures,
            in the order of the chosen metrics.
    """

    scores: dict[str, float] = field(default_factory=dict)
    learned: dict[str, list[float]] = field(default_factory=dict)
    artefacts: dict[str, np.ndarray] = field(default_factory=dict)
    headlines: list[str] = field(default_factory=list)

    def add(self, source: str, columns: Mapping[str, float | Tensor]) -> None:
        """Add what a metric gives: numbers are scores, arrays are kept for plots.

        Args:
            source: what gives the columns, for the message of an error.
            columns: numbers and tensors by name.

        Raises:
            ValueError: there is a column of the same name already.
        """
        for column, value in columns.items():
            if column in self.scores or column in self.artefacts:
                raise ValueError(f"{source} gives {column!r}, which is there already")
            if isinstance(value, Tensor) and value.ndim:
                self.artefacts[column] = value.cpu().numpy()
            else:
                self.scores[column] = float(value)


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
    """Score a trained model over ``pixels``; the log-likelihood is over some of them.

    Args:
        model: one seed's, in evaluation mode.
        dataset: where the images are from; it has their factors, if there are any.
        pixels: the images.
        seed: seed of the draws.
        chosen: metrics by name, each with its arguments.
        importance_samples: draws of the importance-weighted log-likelihood for every
            image; 0 leaves it out.
        importance_images: images over which its mean is taken; None for all.

    Raises:
        ValueError: a metric refuses the codes or its arguments, or gives a column that
            is there already; the message names the metric.
        RuntimeError: a metric raises any other error; the message names the metric.
    """
    encoded = encode_images(model, pixels, seed)
    reconstruction = encoded.log_likelihood.mean().item()
    kl = encoded.kl.mean().item()
    result = Evaluation()
    result.scores["reconstruction"] = reconstruction
    result.scores["kl"] = kl
    result.scores["elbo"] = reconstruction - kl

    has_factors = isinstance(dataset, FactorDataset)
    if has_factors:
        first = encoded.log_likelihood[:FIRST_IMAGES]
        result.scores["reconstruction_first_10k"] = first.mean().item()
    if importance_samples:
        estimates = estimate_log_likelihood(
            model, pixels, seed, importance_samples, importance_images
        )
        result.scores |= summarise_estimates(estimates)
        if not has_factors:
            result.headlines.append("log_likelihood")

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
        metric = registry.get(name)
        result.add(f"metric {name!r}", _compute_metric(metric, codes, arguments))
        if metric.headline in result.scores:
            result.headlines.append(metric.headline)

    for name, value in model.prior.learned().items():
        result.learned[name] = value.flatten().tolist()
    result.artefacts |= make_pictures(model, pixels, encoded)
    return result


def make_codes(
    dataset: Images,
    rows: Tensor,
    q: Posterior,
    z: Tensor,
    prior: Prior,
    log_prior: Tensor,
    seed: int = 0,
) -> Codes:
    """Return what the metrics read of images.

    Where the data set has no factors, the codes have none.

    Args:
        dataset: where the images are from.
        rows: rows of the images in it, int64 (N,).
        q: their posteriors.
        z: a draw of each, (N, latent_dim).
        prior: p(z).
        log_prior: log p(z), (N,), in nats.
        seed: seed of the metrics' draws.
    """
    factors = torch.zeros(len(z), 0, dtype=torch.int64, device=z.device)
    names: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    excluded: tuple[str, ...] = ()
    if isinstance(dataset, FactorDataset):
        factors = dataset.factors().to(z.device)[rows]
        names = tuple(dataset.factor_names)
        sizes = tuple(dataset.factor_sizes)
        excluded = tuple(dataset.excluded_factors)
    return Codes(
        posterior=q,
        z=z,
        log_prior=log_prior,
        factors=factors,
        factor_names=names,
        factor_sizes=sizes,
        groups=prior.coordinates,
        excluded=excluded,
        seed=seed,
    )


def _compute_metric(
    metric: Metric, codes: Codes, arguments: Mapping[str, Any]
) -> Scores:
    """Compute a metric, and blame an error on it.

    Raises:
        ValueError, RuntimeError: what the metric raised; the message names the metric.
    """
    try:
        return metric(codes, **arguments)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        refused = isinstance(error, ValueError)
        text = str(error) if refused else f"{type(error).__name__}: {error}"
        blame = f"metric {metric.name!r}"
        if not text.startswith(blame):
            text = f"{blame}: {text}"
        kind = ValueError if refused else RuntimeError
        # with the traceback of the error, from which the line in a plug-in is found
        raise kind(text).with_traceback(error.__traceback__) from error
