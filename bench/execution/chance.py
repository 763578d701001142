"""The scores of noise: what a metric gives where there is nothing to be found."""

import math

import torch

from priorbench.bench.execution.provenance import make_provenance
from priorbench.bench.execution.worker import make_score_record
from priorbench.bench.results.store import Store
from priorbench.bench.scoring.evaluate import CodesOnly, make_codes, score_model
from priorbench.bench.study.data import identify_dataset, load_study_dataset
from priorbench.bench.study.grid import Grid
from priorbench.bench.study.identity import hash_values
from priorbench.bench.study.scores import MODEL_SCORES, ScoreRequest
from priorbench.datasets.base import FactorDataset
from priorbench.metrics.base import Codes
from priorbench.priors.normal import Normal
from priorbench.priors.posteriors.gaussian import Gaussian

SEED = 0
SCALE = 0.5
"""Standard deviation of the posteriors of noise; that of all codes together is 1."""


def identify_chance(grid: Grid) -> str:
    """Return the name under which the scores of a study's noise are stored."""
    shape = {"dataset": identify_dataset(grid.dataset), "latent_dim": grid.latent_dim}
    return f"chance-{hash_values(shape)}"


def score_chance(
    store: Store, grid: Grid, requests: list[ScoreRequest], command: str | None = None
) -> None:
    """Score noise of a study's shape by those of its metrics that were not yet.

    The codes are normal and independent of the factors, which are the data set's.

    Args:
        store: where the scores go, beside those of models.
        grid: the study; nothing is done where its data set has no factors.
        requests: what is scored of each model.
        command: kept in the records.

    Raises:
        OSError: the scores cannot be written.
    """
    dataset = load_study_dataset(grid.dataset)
    if not isinstance(dataset, FactorDataset):
        return
    model = identify_chance(grid)
    wanted = [request for request in requests if request.name not in MODEL_SCORES]
    found = store.load_scores(model, [request.key for request in wanted])
    missing = [request for request in wanted if request.key not in found]
    if not missing:
        return
    subject = CodesOnly(make_noise(dataset, grid.latent_dim))
    provenance = make_provenance("cpu", command)
    for score in score_model(subject, missing):
        store.save_score(make_score_record(model, SEED, score, provenance), {})


def make_noise(dataset: FactorDataset, latent_dim: int) -> Codes:
    """Make codes of a data set that know nothing of its factors.

    The posteriors are normal, with normal means; together they are the standard normal
    prior.
    """
    generator = torch.Generator().manual_seed(SEED)
    shape = (len(dataset), latent_dim)
    loc = torch.randn(shape, generator=generator) * math.sqrt(1 - SCALE**2)
    log_scale = torch.full(shape, math.log(SCALE))
    posterior = Gaussian()(torch.cat([loc, log_scale], dim=1))
    z = posterior.rsample(torch.randn(shape, generator=generator))
    prior, rows = Normal(latent_dim), torch.arange(len(dataset))
    return make_codes(dataset, rows, posterior, z, prior, prior.log_prob(z), SEED)
