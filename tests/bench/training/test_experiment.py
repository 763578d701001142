"""An experiment: its images by split, and what a setting's keys build."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from priorbench.bench.training.experiment import PRECISIONS, Experiment
from tests.bench.small_study import DATASET, METRICS, load_jobs


@pytest.fixture
def make(tmp_path):
    """Makes the first experiment of the small study on a file of images."""

    def make(path, training="", prior='prior = "normal"'):
        first, *_ = load_jobs(
            tmp_path,
            (DATASET, f"dataset = '{path}'\n"),
            (METRICS, "metrics = []"),
            ("epochs = 3\n", f"epochs = 8\n{training}\n"),
            ('prior = "normal"', prior),
        )
        return Experiment(first.setting)

    return make


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


def test_each_split_has_its_images(make, splits, images):
    expected = {"train": images[:12], "valid": images[12:20], "test": images[20:]}
    own = make(splits)
    for name, part in expected.items():
        rows = own.pixels("cpu", name)[torch.arange(len(part))]
        np.testing.assert_array_equal(rows, part.reshape(-1, 9))
    assert own.lengths == {"train": 12, "valid": 8, "test": 4}


def test_a_dataset_with_factors_is_not_split(make, with_factors):
    """It is trained and scored on all its images."""
    own = make(with_factors)
    assert own.pixels("cpu") is own.pixels("cpu", "test")
    assert own.lengths == {"train": 24, "test": 24}
    with pytest.raises(ValueError, match="'factors' has no split 'valid'"):
        own.pixels("cpu", "valid")


def test_experiments_on_one_dataset_share_it(make, with_factors):
    first, second = make(with_factors), make(with_factors, "learning_rate = 0.1")
    assert first.dataset is second.dataset
    assert first.pixels("cpu") is second.pixels("cpu")


def test_early_stopping_is_as_the_grid_says(make, splits):
    assert make(splits).make_early_stopping("cpu") is None
    stopping = make(splits, "look_ahead = 5\nwarm_up = 2").make_early_stopping("cpu")
    assert (stopping.look_ahead, stopping.warm_up, len(stopping.valid)) == (5, 2, 8)
    assert make(splits, "look_ahead = 5").make_early_stopping("cpu").warm_up == 0


def test_warm_up_is_a_share_of_the_training(make, splits):
    assert make(splits).make_loss().warm_up == 0
    assert make(splits, "warm_up = 2").make_loss().warm_up == 0.25


def test_a_prior_may_have_latents_of_its_own(make, splits):
    sphere = '{ name = "hypersphere", dims = [4], latent_dim = 5 }'
    loss = make(splits, prior=f"prior = {sphere}").make_loss()
    prior = loss.model.prior
    assert prior.latent_dim == 5
    assert loss.model.architecture.decoder(prior.sample((2,))).shape == (2, 9)
    assert make(splits).make_loss().model.prior.latent_dim == 4


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("new", [True, False])
def test_convolutions_have_the_precision_of_the_products(
    tmp_path, monkeypatch, precision, new
):
    """PyTorch lets cuDNN take TF32 where nobody asks for it."""
    if new and not hasattr(torch.backends.cudnn, "conv"):
        pytest.skip("this version has one name")
    if not new:
        monkeypatch.setattr(torch.backends, "cudnn", SimpleNamespace(allow_tf32=True))
    setting = replace(load_jobs(tmp_path)[0].setting, precision=precision)
    before = read_tf32(new)
    with Experiment(setting).set_precision():
        assert read_tf32(new) == (precision == "tf32")
    assert read_tf32(new) == before


def read_tf32(new):
    cudnn = torch.backends.cudnn
    return cudnn.conv.fp32_precision == "tf32" if new else cudnn.allow_tf32
