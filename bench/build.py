"""From a job's settings to the objects that it trains: dataset, pixels, model and objective."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import torch

import datasets
import priors
from bench import architectures, likelihoods, model, objectives
from bench.architectures import Architecture
from bench.ensemble import Loss
from bench.job import Job
from bench.objectives import Objective
from bench.pixels import Pixels
from bench.record import from_json, to_json
from datasets import FactorDataset

PRECISIONS = ("fp32", "tf32", "bf16")


def dataset(job: Job) -> FactorDataset:
    """The job's dataset; the last one loaded is kept."""
    return _dataset(to_json(job.config["dataset"]))


def pixels(job: Job, device: str) -> Pixels:
    """The images of the job's dataset on ``device``; the last ones are kept."""
    return _pixels(to_json(job.config["dataset"]), device)


def loss(job: Job) -> Loss:
    """One seed's model and objective.

    Raises:
        ValueError: a name or an argument that the plug-ins do not take, or an objective that does
            not go with the prior.
    """
    config = job.config
    prior = priors.build(latent_dim=config["latent_dim"], **config["prior"])
    networks = architecture(job, prior.posterior.num_params(prior.latent_dim))
    likelihood = likelihoods.registry.build(**config["likelihood"])
    autocast = torch.bfloat16 if job.precision == "bf16" else None
    chosen = objective(job)
    chosen.adapt(prior)  # last: the model starts alike under every objective
    return Loss(model.VAE(networks, prior, likelihood, autocast), chosen)


def architecture(job: Job, num_params: int) -> Architecture:
    """The job's encoder and decoder.

    Args:
        job: whose.
        num_params: length of the posterior's raw parameters.
    Raises:
        ValueError: an argument that the architecture does not take.
    """
    return architectures.registry.build(
        image_shape=dataset(job).image_shape, latent_dim=job.config["latent_dim"],
        num_params=num_params, **job.config["architecture"])


def objective(job: Job) -> Objective:
    """The job's objective, with its β.

    Raises:
        ValueError: an argument that the objective does not take.
    """
    return objectives.registry.build(beta=job.beta, **job.config["objective"])


@contextmanager
def precision(name: str) -> Iterator[None]:
    """Matrix products of float32 in full precision, or in TF32 where ``name`` is "tf32".

    With "bf16" the networks run under autocast; what remains in float32 is in full precision.
    """
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if name == "tf32" else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@lru_cache(maxsize=1)
def _dataset(config: str) -> FactorDataset:
    found = datasets.load(**from_json(config))
    if not isinstance(found, FactorDataset):
        raise ValueError(f"dataset {found.name!r} has no factors, only the splits "
                         f"{', '.join(found.lengths)}; grids need a dataset with factors so far")
    return found


@lru_cache(maxsize=1)
def _pixels(config: str, device: str) -> Pixels:
    return Pixels(_dataset(config), torch.device(device))
