import numpy as np
import pytest

from priorbench.datasets import About, Original, StoredSplits

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 12), dtype=np.uint8)


class Ramps(StoredSplits):
    """Grey images of a raw file."""

    about = About(
        "ramps",
        "MIT",
        "https://example.org",
        "none; train 3, test 2",
        images=5,
        image_shape=(1, 3, 4),
        originals=(Original("ramps.bin"),),
    )

    def __init__(self, variant=None):
        super().__init__("ramps", {"train": 3, "test": 2}, variant=variant)

    def convert(self, paths):
        yield np.fromfile(paths["ramps.bin"], dtype=np.uint8).reshape(-1, 12)


@pytest.fixture
def ramps(data_folder):
    data_folder.mkdir()
    (data_folder / "ramps.bin").write_bytes(PIXELS.tobytes())


def test_splits_follow_each_other(ramps, data_folder):
    data = Ramps()
    assert repr(data) == "<ramps: 5 images; train=3, test=2>"
    assert np.array_equal(data.split("test").pixels, PIXELS[3:])
    assert data.packed is None
    (cache,) = data_folder.glob("*.npy")
    assert cache.name.startswith("ramps-v1-")


def test_variants_are_kept_side_by_side(ramps, data_folder):
    Ramps()
    Ramps(variant="other")
    names = sorted(path.name[:-13] for path in data_folder.glob("*.npy"))
    assert names == ["ramps-other-v1", "ramps-v1"]
