from dataclasses import replace

import numpy as np
import pytest

from priorbench.datasets import About, Original, StoredGrid

BITS = np.random.default_rng(0).integers(0, 2, (6, 15), dtype=np.uint8)
SIZES = {"a": 2, "b": 3}


class Dots(StoredGrid):
    """Binary images that are written as text."""

    about = About(
        "dots",
        "MIT",
        "https://example.org",
        "a 2, b 3",
        images=6,
        image_shape=(1, 3, 5),
        binary=True,
        originals=(Original("dots.txt"),),
    )

    def __init__(self, factors=None, version=1):
        super().__init__(
            "dots",
            SIZES,
            factors,
            version=version,
            excluded_factors=("a",),
            cyclic_factors=("b",),
        )

    def convert(self, paths):
        bits = np.loadtxt(paths["dots.txt"], dtype=np.uint8)
        if self.about.binary:
            bits = np.packbits(bits, axis=1)
        yield bits[:4]
        yield bits[4:]


@pytest.fixture
def dots(data_folder):
    """The original file; its path."""
    data_folder.mkdir()
    np.savetxt(data_folder / "dots.txt", BITS, fmt="%d")
    return data_folder / "dots.txt"


def test_binary_images_are_kept_as_bits(dots, data_folder):
    data = Dots()
    assert data.pixels is None
    assert isinstance(data.packed, np.memmap)
    assert np.array_equal(data.images(range(6)).flatten(1).numpy(), BITS)
    assert data.excluded_factors == ("a",)
    assert data.cyclic_factors == ("b",)
    assert Dots({"a": [1]}).cyclic_factors == ("b",)
    assert Dots({"b": [0, 2]}).cyclic_factors == ()
    (cache,) = data_folder.glob("*.npy")
    assert cache.name.startswith("dots-v1-")


def test_other_images_are_kept_as_bytes(dots, monkeypatch):
    monkeypatch.setattr(Dots, "about", replace(Dots.about, binary=False))
    data = Dots()
    assert data.packed is None
    assert np.array_equal(data.pixels, BITS)


def test_levels_may_be_chosen(dots):
    data = Dots(factors={"b": [2, 0]})
    assert data.levels == ((0, 1), (0, 2))
    assert data.factor_sizes == (2, 2)
    got = data.images(range(4)).flatten(1).numpy()
    assert np.array_equal(got, BITS[[0, 2, 3, 5]])


def test_a_version_is_converted_anew(dots, data_folder):
    Dots()
    Dots(version=2)
    names = sorted(path.name[:8] for path in data_folder.glob("*.npy"))
    assert names == ["dots-v1-", "dots-v2-"]


def test_a_missing_original_is_named(data_folder):
    with pytest.raises(OSError, match=r"'dots\.txt' could not be downloaded"):
        Dots()


def test_an_author_must_define_the_conversion(dots, monkeypatch):
    monkeypatch.delattr(Dots, "convert")
    with pytest.raises(NotImplementedError, match=r"Dots must define convert\(paths\)"):
        Dots()
