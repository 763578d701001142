"""From a job's settings to the objects that it trains: dataset, pixels, model and objective."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import torch

from priorbench import datasets
from priorbench import priors
from priorbench.bench.models import architectures, likelihoods, vae
from priorbench.bench import objectives
from priorbench.bench.models.architectures import Architecture
from priorbench.bench.training.early_stopping import EarlyStopping
from priorbench.bench.training.ensemble import Loss
from priorbench.bench.study.job import Job
from priorbench.bench.objectives import Objective
from priorbench.bench.training.pixels import Pixels
from priorbench.bench.results.store import decode_json, encode_json
from priorbench.datasets import FactorDataset, ImageDataset, Images

PRECISIONS = ("fp32", "tf32", "bf16")


def load_dataset(job: Job) -> Images:
    """The job's dataset; the last one loaded is kept."""
    return _load_dataset(encode_json(job.config["dataset"]))


def load_pixels(job: Job, device: str, split: str = "train") -> Pixels:
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
    found = _load_pixels(encode_json(job.config["dataset"]), device)
    if split not in found:
        data = load_dataset(job)
        of = (
            " (a dataset with factors is not split)"
            if isinstance(data, FactorDataset)
            else ""
        )
        raise ValueError(
            f"'look_ahead' needs images to validate with, and dataset {data.name!r} "
            f"has no split {split!r}{of}; leave it out"
        )
    return found[split]


def count_images(job: Job) -> dict[str, int]:
    """Number of images of each split of :func:`load_pixels`."""
    return {
        name: len(images) for name, images in _list_splits(load_dataset(job)).items()
    }


def make_early_stopping(job: Job, device: str) -> EarlyStopping | None:
    """What stops the job's seeds; None where they train to the last epoch.

    Raises:
        ValueError: the dataset has no images to validate with.
    """
    training = job.config["training"]
    if "look_ahead" not in training:
        return None
    return EarlyStopping(
        load_pixels(job, device, "valid"),
        training["look_ahead"],
        training.get("warm_up", 0),
    )


def make_loss(job: Job) -> Loss:
    """One seed's model and objective.

    Raises:
        ValueError: a name or an argument that the plug-ins do not take, or an objective that does
            not go with the prior.
    """
    config, training = job.config, job.config["training"]
    prior = priors.build_prior(
        **{"latent_dim": config["latent_dim"], **config["prior"]}
    )
    networks = make_architecture(
        job, prior.latent_dim, prior.posterior.num_params(prior.latent_dim)
    )
    likelihood = likelihoods.registry.build(**config["likelihood"])
    autocast = torch.bfloat16 if job.precision == "bf16" else None
    chosen = make_objective(job)
    chosen.adapt(prior)  # last: the model starts alike under every objective
    return Loss(
        vae.VAE(networks, prior, likelihood, autocast),
        chosen,
        training.get("warm_up", 0) / training["epochs"],
    )


def make_architecture(job: Job, latent_dim: int, num_params: int) -> Architecture:
    """The job's encoder and decoder.

    Args:
        job: whose.
        latent_dim: number of latents.
        num_params: length of the posterior's raw parameters.
    Raises:
        ValueError: an argument that the architecture does not take.
    """
    return architectures.registry.build(
        image_shape=load_dataset(job).image_shape,
        latent_dim=latent_dim,
        num_params=num_params,
        **job.config["architecture"],
    )


def make_objective(job: Job) -> Objective:
    """The job's objective, with its β.

    Raises:
        ValueError: an argument that the objective does not take.
    """
    return objectives.registry.build(beta=job.beta, **job.config["objective"])


@contextmanager
def set_precision(name: str) -> Iterator[None]:
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
def _load_dataset(config: str) -> Images:
    return datasets.load_dataset(**decode_json(config))


@lru_cache(maxsize=1)
def _load_pixels(config: str, device: str) -> dict[str, Pixels]:
    """The images of every split; what stands for two of them is there once."""
    splits = _list_splits(_load_dataset(config))
    once = {
        images: Pixels(images, torch.device(device)) for images in set(splits.values())
    }
    return {name: once[images] for name, images in splits.items()}


def _list_splits(dataset: Images) -> dict[str, Images]:
    """What is trained on, validated with where there is such, and scored on."""
    if not isinstance(dataset, ImageDataset):
        return {"train": dataset, "test": dataset}
    splits = {name: dataset.split(name) for name in dataset.lengths}
    return {"test": splits["train"], **splits}
