import numpy as np
import pytest
import torch

from priorbench import datasets
from priorbench.bench.training.pixels import Pixels
from priorbench.datasets import FactorDataset

CPU = torch.device("cpu")


class Colours(FactorDataset):
    """Images that are not binary."""

    def __init__(self):
        super().__init__("colours", ("a", "b"), (4, 5), (3, 2, 4))
        self.values = torch.rand(20, 3, 2, 4)

    def read_images(self, rows):
        return self.values[rows]


def packed(shape, count=20):
    """Random binary images whose padding bits are on, so that reading one is noticed."""
    size = int(np.prod(shape))
    bits = np.random.default_rng(0).integers(0, 2, (count, size), dtype=np.uint8)
    padded = np.ones((count, -(-size // 8) * 8), dtype=np.uint8)
    padded[:, :size] = bits
    data = FactorDataset(
        "bits", ("a", "b"), (4, count // 4), shape, packed=np.packbits(padded, axis=1)
    )
    return data, torch.from_numpy(bits).float()


@pytest.mark.parametrize("shape", [(1, 4, 4), (1, 3, 3), (3, 5, 1), (1, 1, 1)])
def test_packed_images_come_out_as_they_went_in(shape):
    """A last byte that is only partly used included."""
    data, bits = packed(shape)
    pixels = Pixels(data, CPU)
    assert len(pixels) == 20
    assert pixels.shape == shape
    everything = torch.arange(20)
    assert torch.equal(pixels[everything], bits)
    assert torch.equal(pixels[everything], data.images(everything).flatten(1))
    assert pixels[everything].dtype == torch.float32


@pytest.mark.parametrize(
    "data", [packed((1, 3, 3))[0], Colours()], ids=["packed", "not packed"]
)
@pytest.mark.parametrize("shape", [(), (1,), (7,), (3, 5), (2, 3, 4), (0,)])
def test_indices_of_any_shape(data, shape):
    indices = torch.randint(20, shape)
    values = Pixels(data, CPU)[indices]
    assert values.shape == (*shape, int(np.prod(data.image_shape)))
    expected = data.images(indices.flatten()).flatten(1)
    assert torch.equal(values.reshape(expected.shape), expected)


def test_not_packed_images_are_kept_as_they_are():
    data = Colours()
    assert torch.equal(
        Pixels(data, CPU)[torch.tensor([3, 3, 0])], data.values[[3, 3, 0]].flatten(1)
    )


def test_packed_images_stay_packed():
    data, _ = packed((1, 4, 4))
    assert Pixels(data, CPU)._images.numel() == 20 * 2


def test_a_read_only_array_is_taken_without_a_warning():
    """A memory-mapped cache; warnings are errors here."""
    data, bits = packed((1, 4, 4))
    data.packed.flags.writeable = False
    assert torch.equal(Pixels(data, CPU)[torch.arange(20)], bits)


def test_dsprites(tmp_path, monkeypatch):
    monkeypatch.setenv("PRIORBENCH_DATA", str(tmp_path))
    data = datasets.load_dataset(
        "dsprites",
        factors={
            "shape": ["heart"],
            "scale": [0, 5],
            "orientation": [3],
            "posX": [0, 31],
            "posY": [7, 9],
        },
    )
    rows = torch.tensor([7, 0, 3])
    values = Pixels(data, CPU)[rows]
    assert torch.equal(values, data.images(rows).flatten(1))
    assert values.sum() > 300


def test_bytes_stay_bytes_until_they_are_drawn():
    """Grey images take a byte a pixel, and come out as the dataset gives them."""
    stored = np.random.default_rng(0).integers(0, 256, (20, 24), dtype=np.uint8)
    data = FactorDataset("grey", ("a", "b"), (4, 5), (3, 2, 4), pixels=stored)
    pixels = Pixels(data, CPU)
    assert pixels._images.dtype == torch.uint8
    rows = torch.tensor([[3, 0], [19, 3]])
    assert pixels[rows].dtype == torch.float32
    assert torch.equal(pixels[rows][1], data.images([19, 3]).flatten(1))
