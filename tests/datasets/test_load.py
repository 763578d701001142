import numpy as np
import pytest
import torch

from priorbench import datasets
from priorbench.datasets import FactorDataset


class Gradient(FactorDataset):
    """Grey images of three levels."""

    def __init__(self, side=2):
        super().__init__("gradient", ("level",), (3,), (1, side, side))

    def read_images(self, rows):
        levels = torch.from_numpy(rows).float() / 2
        return levels[:, None, None, None].expand(-1, *self.image_shape)


def test_a_registered_dataset_is_loaded_by_name(monkeypatch):
    monkeypatch.setattr(datasets.registry, "_entries", dict(datasets.registry._entries))
    datasets.register("gradient")(Gradient)
    assert "gradient" in datasets.registry.names()
    assert datasets.registry.get("gradient") is Gradient
    assert datasets.load_dataset("gradient", side=4).image_shape == (1, 4, 4)
    datasets.register("wrong")(lambda: [])
    with pytest.raises(
        ValueError, match=r"'wrong' must be a subclass .*FactorDataset; got list"
    ):
        datasets.load_dataset("wrong")


def test_unknown_names_and_options_suggest_near_matches():
    with pytest.raises(
        ValueError, match="unknown dataset 'dsprite'; did you mean 'dsprites'"
    ):
        datasets.load_dataset("dsprite")
    with pytest.raises(
        ValueError, match="no argument 'factor'; did you mean 'factors'"
    ):
        datasets.load_dataset("dsprites", factor={})


def test_a_file_is_loaded_by_its_path(tmp_path):
    path = tmp_path / "mine.npz"
    np.savez(path, images=np.eye(4).reshape(4, 2, 2), factors=[0, 1, 2, 3])
    data = datasets.load_dataset(str(path), factor_names=["corner"])
    assert repr(data) == "<mine: 4 images; corner=4>"
