"""From a job's settings to the objects that it trains: dataset, pixels, model and objective."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import torch

import datasets
import priors
from bench import architectures, likelihoods, model, objectives
from bench.architectures import Architecture
from bench.early_stopping import EarlyStopping
from bench.ensemble import Loss
from bench.job import Job
from bench.objectives import Objective
from bench.pixels import Pixels
from bench.record import from_json, to_json
from datasets import FactorDataset, ImageDataset, Images

PRECISIONS = ("fp32", "tf32", "bf16")


def dataset(job: Job) -> Images:
    """The job's dataset; the last one loaded is kept."""
    return _dataset(to_json(job.config["dataset"]))


def pixels(job: Job, device: str, split: str = "train") -> Pixels:
    """Images of the job's dataset on ``device``; the last ones are kept.

    A dataset with factors is trained and scored on all its images, as are those of the papers
    on disentanglement; one without factors is in splits.

    Args:
        job: whose.
        device: where they stay.
        split: "train", "valid" to stop early by, or "test" to be scored on; where a dataset has
            no images to test on, those that it was trained on.
    Raises:
        ValueError: the dataset has no images to validate with.
    """
    found = _pixels(to_json(job.config["dataset"]), device)
    if split not in found:
        data = dataset(job)
        of = " (a dataset with factors is not split)" if isinstance(data, FactorDataset) else ""
        raise ValueError(f"'look_ahead' needs images to validate with, and dataset {data.name!r} "
                         f"has no split {split!r}{of}; leave it out")
    return found[split]


def lengths(job: Job) -> dict[str, int]:
    """Number of images of each split of :func:`pixels`."""
    return {name: len(images) for name, images in _splits(dataset(job)).items()}


def early_stopping(job: Job, device: str) -> EarlyStopping | None:
    """What stops the job's seeds; None where they train to the last epoch.

    Raises:
        ValueError: the dataset has no images to validate with.
    """
    training = job.config["training"]
    if "look_ahead" not in training:
        return None
    return EarlyStopping(pixels(job, device, "valid"), training["look_ahead"],
                         training.get("warm_up", 0))


def loss(job: Job) -> Loss:
    """One seed's model and objective.

    Raises:
        ValueError: a name or an argument that the plug-ins do not take, or an objective that does
            not go with the prior.
    """
    config, training = job.config, job.config["training"]
    prior = priors.build(**{"latent_dim": config["latent_dim"], **config["prior"]})
    networks = architecture(job, prior.latent_dim, prior.posterior.num_params(prior.latent_dim))
    likelihood = likelihoods.registry.build(**config["likelihood"])
    autocast = torch.bfloat16 if job.precision == "bf16" else None
    chosen = objective(job)
    chosen.adapt(prior)  # last: the model starts alike under every objective
    return Loss(model.VAE(networks, prior, likelihood, autocast), chosen,
                training.get("warm_up", 0) / training["epochs"])


def architecture(job: Job, latent_dim: int, num_params: int) -> Architecture:
    """The job's encoder and decoder.

    Args:
        job: whose.
        latent_dim: number of latents.
        num_params: length of the posterior's raw parameters.
    Raises:
        ValueError: an argument that the architecture does not take.
    """
    return architectures.registry.build(
        image_shape=dataset(job).image_shape, latent_dim=latent_dim, num_params=num_params,
        **job.config["architecture"])


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
def _dataset(config: str) -> Images:
    return datasets.load(**from_json(config))


@lru_cache(maxsize=1)
def _pixels(config: str, device: str) -> dict[str, Pixels]:
    """The images of every split; what stands for two of them is there once."""
    splits = _splits(_dataset(config))
    once = {images: Pixels(images, torch.device(device)) for images in set(splits.values())}
    return {name: once[images] for name, images in splits.items()}


def _splits(dataset: Images) -> dict[str, Images]:
    """What is trained on, validated with where there is such, and scored on."""
    if not isinstance(dataset, ImageDataset):
        return {"train": dataset, "test": dataset}
    splits = {name: dataset.split(name) for name in dataset.lengths}
    return {"test": splits["train"], **splits}
