from dataclasses import replace

import numpy as np
import pytest
import scipy.io

from priorbench.datasets import caltech101_silhouettes
from priorbench.datasets.about import Original

NAME = "caltech101_silhouettes"
DRAW = np.random.default_rng(0)


def write_silhouettes(mine, monkeypatch, **changes):
    lengths = {"train": 5, "valid": 3, "test": 2}
    monkeypatch.setattr(caltech101_silhouettes, "LENGTHS", lengths)
    matrices = {
        key: DRAW.integers(0, 2, (n, 784), dtype=np.uint8)
        for key, n in (("train_data", 5), ("val_data", 3), ("test_data", 2))
    }
    matrices.update(changes)
    path = mine / caltech101_silhouettes.ORIGINAL.name
    scipy.io.savemat(path, {k: v for k, v in matrices.items() if v is not None})
    dataset = caltech101_silhouettes.Caltech101Silhouettes
    about = replace(dataset.about, originals=(Original(path.name),))
    monkeypatch.setattr(dataset, "about", about)
    return matrices


def test_silhouettes_are_upright_and_the_object_is_one(mine, monkeypatch, load_from):
    matrices = write_silhouettes(mine, monkeypatch)
    image = load_from(mine, NAME).split("valid").images([1])[0, 0].numpy()
    assert np.array_equal(image, 1 - matrices["val_data"][1].reshape(28, 28).T)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"val_data": None}, "no matrix 'val_data'"),
        (
            {"val_data": np.zeros((4, 784))},
            r"'val_data' of shape \(3, 784\), got float64 of shape",
        ),
        ({"val_data": np.full((3, 784), 7)}, "zeros and ones in 'val_data', got 7"),
    ],
)
def test_wrong_silhouettes_are_refused(
    mine, monkeypatch, load_from, assert_empty, change, message
):
    write_silhouettes(mine, monkeypatch, **change)
    with pytest.raises(ValueError, match=rf"split1\.mat.*{message}"):
        load_from(mine, NAME)
    assert_empty()


@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.95])
def test_truncated_silhouettes_are_refused(
    mine, monkeypatch, load_from, assert_empty, part
):
    write_silhouettes(mine, monkeypatch)
    path = mine / caltech101_silhouettes.ORIGINAL.name
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    with pytest.raises(ValueError, match=r"split1.mat"):
        load_from(mine, NAME)
    assert_empty()


def test_real_files(shared_data, data_folder, load_from):
    data = load_from(shared_data, NAME)
    assert data.lengths == {"train": 4_100, "valid": 2_264, "test": 2_307}
    mean = data.images(range(4_100)).mean().item()
    assert mean == pytest.approx(1 - 0.5510546291687407)
