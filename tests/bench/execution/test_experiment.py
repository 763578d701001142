import numpy as np
import pytest
import torch

from priorbench.bench.execution import experiment
from priorbench.bench.study.job import Job


def job(dataset, **training):
    config = {
        "architecture": {"name": "mlp", "hidden": 4},
        "dataset": {"name": str(dataset)},
        "latent_dim": 3,
        "likelihood": {"name": "bernoulli"},
        "objective": {"name": "beta_vae"},
        "prior": {"name": "normal"},
        "sources": {},
        "training": {"epochs": 8, "batch_size": 4, "learning_rate": 1e-3, **training},
    }
    return Job("grid", "paper", "N", 1.0, 0, "fp32", config)


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 2, (24, 3, 3), np.uint8)


@pytest.fixture
def splits(tmp_path, images):
    path = tmp_path / "splits.npz"
    np.savez(path, train=images[:12], valid=images[12:20], test=images[20:])
    return path


@pytest.fixture
def with_factors(tmp_path, images):
    path = tmp_path / "factors.npz"
    factors = np.stack(np.unravel_index(np.arange(24), (4, 6)), axis=1)
    np.savez(path, images=images, factors=factors)
    return path


def test_each_split_has_its_images(splits, images):
    expected = {"train": images[:12], "valid": images[12:20], "test": images[20:]}
    for name, part in expected.items():
        pixels = experiment.load_pixels(job(splits), "cpu", name)
        np.testing.assert_array_equal(
            pixels[torch.arange(len(part))], part.reshape(-1, 9)
        )
    assert experiment.count_images(job(splits)) == {"train": 12, "valid": 8, "test": 4}


def test_a_dataset_with_factors_is_trained_and_scored_on_all_its_images(with_factors):
    own = job(with_factors)
    assert experiment.load_pixels(own, "cpu") is experiment.load_pixels(
        own, "cpu", "test"
    )
    assert experiment.count_images(own) == {"train": 24, "test": 24}
    with pytest.raises(ValueError, match="'factors' has no split 'valid'"):
        experiment.load_pixels(own, "cpu", "valid")


def test_early_stopping_is_as_the_grid_says(splits):
    assert experiment.make_early_stopping(job(splits), "cpu") is None
    stopping = experiment.make_early_stopping(
        job(splits, look_ahead=5, warm_up=2), "cpu"
    )
    assert (stopping.look_ahead, stopping.warm_up, len(stopping.valid)) == (5, 2, 8)
    assert experiment.make_early_stopping(job(splits, look_ahead=5), "cpu").warm_up == 0


def test_warm_up_is_a_share_of_the_training(splits):
    assert experiment.make_loss(job(splits)).warm_up == 0
    assert experiment.make_loss(job(splits, warm_up=2)).warm_up == 0.25


def test_a_prior_may_have_latents_of_its_own(splits):
    own = job(splits)
    own.config["prior"] = {"name": "hypersphere", "dims": [4], "latent_dim": 5}
    loss = experiment.make_loss(own)
    assert loss.model.prior.latent_dim == 5
    assert loss.model.architecture.decoder(loss.model.prior.sample((2,))).shape == (
        2,
        9,
    )
    assert experiment.make_loss(job(splits)).model.prior.latent_dim == 3
