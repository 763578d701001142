"""From a trained model to its scores, and to the arrays that figures read."""

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from priorbench.bench.models.vae import VAE
from priorbench.bench.scoring.importance import (
    estimate_log_likelihood,
    summarise_estimates,
)
from priorbench.bench.scoring.pictures import (
    average_codes,
    choose_starts,
    find_kind,
    map_codes,
    show_reconstructions,
    show_traversals,
)
from priorbench.bench.scoring.traversals import average_group_kl, space_rows
from priorbench.bench.study.scores import ScoreRequest
from priorbench.bench.training.encode import Encoded, encode_images
from priorbench.bench.training.failure import explain_failure
from priorbench.bench.training.pixels import Pixels
from priorbench.datasets.base import FactorDataset
from priorbench.datasets.images import Images
from priorbench.metrics.arrays import bin_continuous_factors
from priorbench.metrics.base import Codes, Scores, registry
from priorbench.priors.base import Prior
from priorbench.priors.posteriors.base import Posterior

log = logging.getLogger("priorbench")

FIRST_IMAGES = 10_000
"""Images of which the ISA-VAE authors' code reports the reconstruction."""

KEPT_IMAGES = 1_000
"""Images whose representation is kept, to compare models with each other."""


@dataclass(frozen=True)
class Score:
    """What one request gave for one model.

    Attributes:
        request: what was asked for.
        values: numbers by column; none where ``reason`` is given.
        arrays: by name.
        headline: column that stands for the score in progress lines, tables and
            figures.
        seconds: that it took.
        reason: why it failed, in words.
    """

    request: ScoreRequest
    values: dict[str, float] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    headline: str | None = None
    seconds: float = 0.0
    reason: str | None = None


class Subject:
    """A trained model and its images, which are encoded once for all scores.

    Args:
        model: one seed's, in evaluation mode.
        dataset: where the images are from; it has their factors, if there are any.
        pixels: the images.
        seed: of all draws.
    """

    def __init__(self, model: VAE, dataset: Images, pixels: Pixels, seed: int) -> None:
        self.model = model
        self.dataset = dataset
        self.pixels = pixels
        self.seed = seed

    @cached_property
    def encoded(self) -> Encoded:
        """The images under the model."""
        return encode_images(self.model, self.pixels, self.seed)

    @cached_property
    def codes(self) -> Codes:
        """What metrics read."""
        encoded = self.encoded
        rows = torch.arange(len(self.pixels), device=encoded.z.device)
        return make_codes(
            self.dataset,
            rows,
            encoded.posterior,
            encoded.z,
            self.model.prior,
            encoded.log_prior,
            self.seed,
        )

    @property
    def has_factors(self) -> bool:
        """Whether the data set has factors of variation."""
        return isinstance(self.dataset, FactorDataset)


@dataclass(frozen=True)
class CodesOnly:
    """Codes of no model, which metrics can score."""

    codes: Codes
    has_factors: bool = True


def score_elbo(subject: Subject) -> Scores:
    """Return the evidence lower bound and its two terms, in nats per image."""
    encoded = subject.encoded
    reconstruction = encoded.log_likelihood.mean().item()
    kl = encoded.kl.mean().item()
    scores: Scores = {
        "reconstruction": reconstruction,
        "kl": kl,
        "elbo": reconstruction - kl,
    }
    if subject.has_factors:
        first = encoded.log_likelihood[:FIRST_IMAGES]
        scores["reconstruction_first_10k"] = first.mean().item()
    return scores


def score_group_kl(subject: Subject) -> Scores:
    """Return the KL of each of the prior's groups, ``kl_<i>``, in nats per image.

    They add up to ``kl``. There are none where the prior does not factorise over its
    groups, and where each of them is one latent or one is all there is.
    """
    encoded, prior = subject.encoded, subject.model.prior
    sizes = {len(group) for group in prior.coordinates}
    if len(prior.groups) == 1 or sizes == {1}:
        return {}
    with suppress(NotImplementedError):
        kl = prior.kl_groups(encoded.posterior, encoded.z).double().mean(0)
        return {f"kl_{i}": value for i, value in enumerate(kl.tolist())}
    return {}


def score_log_likelihood(subject: Subject, samples: int, images: int) -> Scores:
    """Return the importance-weighted log-likelihood and its standard error, in nats.

    Args:
        subject: the model and its images.
        samples: draws for each image.
        images: over how many the mean is taken.
    """
    estimates = estimate_log_likelihood(
        subject.model, subject.pixels, subject.seed, samples, images
    )
    return summarise_estimates(estimates)


def keep_representation(subject: Subject) -> Scores:
    """Return the codes of the same images for every model, to compare models by.

    Returns:
        ``representation`` (n, latent_dim) of images evenly spaced over the data set;
        ``latent_kl``, the KL of each latent's group, (latent_dim,), in nats, or that
        of all where the prior does not factorise; and
        ``latent_variance`` of each latent's representation, over all images.
    """
    encoded, prior = subject.encoded, subject.model.prior
    representation = encoded.posterior.representation
    latent_kl = encoded.z.new_zeros(encoded.z.shape[1], dtype=torch.float64)
    for group, value in zip(
        prior.coordinates, average_group_kl(prior, encoded), strict=True
    ):
        latent_kl[list(group)] = value
    return {
        "representation": representation[space_rows(KEPT_IMAGES, encoded.z)].float(),
        "latent_kl": latent_kl,
        "latent_variance": representation.double().var(0, correction=0),
    }


def draw_pictures(subject: Subject) -> Scores:
    """Return pictures of the model, as PNG files, and what its latents mean.

    Returns:
        ``reconstructions.png``; what :func:`show_traversals` gives, from an image of
        each kind where there are kinds and images are grey; for each factor, if there
        are any, ``latents_by_<factor>`` of :func:`average_codes`; and
        ``latents_over_<across>, <down>`` of :func:`map_codes` where two factors are a
        position.
    """
    model, pixels, encoded = subject.model, subject.pixels, subject.encoded
    scores: Scores = {
        "reconstructions.png": show_reconstructions(model, pixels, encoded)
    }
    if not isinstance(subject.dataset, FactorDataset):
        return scores | show_traversals(model, pixels, encoded)
    factors, sizes = subject.codes.factors, subject.codes.factor_sizes
    names, representation = subject.codes.factor_names, encoded.posterior.representation
    # of coloured images a block for each kind would take a megabyte a model
    kind = find_kind(sizes) if pixels.shape[0] == 1 else None
    starts = [] if kind is None else choose_starts(factors, sizes, kind)
    scores |= show_traversals(model, pixels, encoded, starts)
    means = average_codes(representation, factors, sizes)
    for name, levels in zip(names, means, strict=True):
        scores[f"latents_by_{name}"] = levels
    if position := subject.dataset.position_factors:
        place = [names.index(name) for name in position]
        scores[f"latents_over_{', '.join(position)}"] = map_codes(
            representation, factors[:, place], [sizes[f] for f in place]
        )
    return scores


MODEL_FUNCTIONS: dict[str, Callable[..., Scores]] = {
    "elbo": score_elbo,
    "log_likelihood": score_log_likelihood,
    "representation": keep_representation,
    "pictures": draw_pictures,
    "group_kl": score_group_kl,
}
"""The scores that are no metrics, which read the model itself."""


@torch.no_grad()
def score_model(
    subject: Subject | CodesOnly, requests: Sequence[ScoreRequest]
) -> Iterator[Score]:
    """Yield a score for each request; one that fails leaves the others alone.

    Args:
        subject: the model and its images, or codes, which only metrics can score.
        requests: what is asked for, in order.

    Raises:
        MemoryError, torch.OutOfMemoryError: it is the machine's fault, not the model's.
    """
    for request in requests:
        started = time.perf_counter()
        try:
            yield _compute_score(subject, request, started)
        except Exception as error:
            reason = explain_failure(error)
            seconds = time.perf_counter() - started
            yield Score(request, seconds=seconds, reason=reason)


def _compute_score(
    subject: Subject | CodesOnly, request: ScoreRequest, started: float
) -> Score:
    """Compute one score.

    Raises:
        ValueError: a value is not finite.
    """
    if request.name in MODEL_FUNCTIONS:
        scores = MODEL_FUNCTIONS[request.name](subject, **request.arguments)
        likelihood = request.name == "log_likelihood" and not subject.has_factors
        headline = request.name if likelihood else None
    else:
        scores = _run_metric(subject.codes, request)
        headline = registry.get(request.name).headline
    values, arrays = {}, {}
    for name, value in scores.items():
        if isinstance(value, Tensor | np.ndarray) and value.ndim:
            arrays[name] = np.asarray(value.cpu() if torch.is_tensor(value) else value)
        else:
            values[name] = float(value)
    wrong = [f"{n} is {v:g}" for n, v in values.items() if not math.isfinite(v)]
    if wrong:
        raise ValueError(", ".join(wrong))
    return Score(
        request,
        values,
        arrays,
        headline if headline in values else None,
        time.perf_counter() - started,
    )


def _run_metric(codes: Codes, request: ScoreRequest) -> Scores:
    """Run a metric on the codes' device, or on the CPU where it has no room there."""
    metric = registry.get(request.name)
    if codes.z.device.type == "cpu":
        return metric(codes, **request.arguments)
    with suppress(torch.OutOfMemoryError):
        return metric(codes, **request.arguments)
    log.warning(
        "metric %r has no room in the device's memory and runs on the CPU, slower",
        request.name,
    )
    return metric(_move_to_cpu(codes), **request.arguments)


def _move_to_cpu(codes: Codes) -> Codes:
    q, log_prior = codes.posterior, codes.log_prior
    return replace(
        codes,
        posterior=q.family(q.params.cpu()),
        z=codes.z.cpu(),
        log_prior=None if log_prior is None else log_prior.cpu(),
        factors=codes.factors.cpu(),
    )


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

    Where the data set has no factors, the codes have none. Continuous factors are
    binned, see :func:`priorbench.metrics.arrays.bin_continuous_factors`.

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
    nuisance: tuple[str, ...] = ()
    cyclic: tuple[str, ...] = ()
    if isinstance(dataset, FactorDataset):
        names = tuple(dataset.factor_names)
        # by all images, whatever rows there are: a few of them repeat no value
        levels, sizes = bin_continuous_factors(
            dataset.factors(), dataset.factor_sizes, names
        )
        factors = levels[rows.to(levels.device)].to(z.device)
        excluded = tuple(dataset.excluded_factors)
        nuisance = tuple(dataset.nuisance_factors)
        cyclic = tuple(dataset.cyclic_factors)
    return Codes(
        posterior=q,
        z=z,
        log_prior=log_prior,
        factors=factors,
        factor_names=names,
        factor_sizes=sizes,
        groups=prior.coordinates,
        excluded=excluded,
        nuisance=nuisance,
        cyclic=cyclic,
        seed=seed,
    )
