import gzip
from itertools import product

import numpy as np
import pytest

from priorbench import datasets
from priorbench.datasets.files import originals
from priorbench.datasets import smallnorb
from priorbench.datasets.about import Original
from priorbench.datasets.stored_grid import Image, resize_image

DRAW = np.random.default_rng(0)
SIZES = {"category": 2, "instance": 2, "elevation": 1, "azimuth": 3, "lighting": 2}


def matrix(mark, array):
    shape = (*array.shape, 1, 1)[: max(array.ndim, 3)]
    header = np.array([mark, array.ndim, *shape], dtype="<u4")
    return header.tobytes() + array.tobytes()


def write(folder, part, images, factors):
    factors = np.array(factors, dtype="<i4") * [1, 1, 1, 2, 1]
    content = {
        "dat": matrix(0x1E3D4C55, images),
        "cat": matrix(0x1E3D4C54, factors[:, 0].astype("<i4")),
        "info": matrix(0x1E3D4C54, factors[:, 1:].astype("<i4")),
    }
    for kind, whole in content.items():
        with gzip.open(folder / f"{part}-{kind}.mat.gz", "wb") as file:
            file.write(whole)


@pytest.fixture
def toys(tmp_path, data_folder, monkeypatch):
    """Two parts in the official format in a folder; the folder, images and factors."""
    monkeypatch.setattr(smallnorb, "SIZES", SIZES)
    monkeypatch.setattr(
        smallnorb,
        "PARTS",
        [
            {kind: Original(f"{part}-{kind}.mat.gz") for kind in ("dat", "cat", "info")}
            for part in ("training", "testing")
        ],
    )
    factors = DRAW.permutation(list(product(*map(range, SIZES.values()))))
    images = DRAW.integers(0, 256, (len(factors), 2, 96, 96), dtype=np.uint8)
    (tmp_path / "mine").mkdir()
    write(tmp_path / "mine", "training", images[:14], factors[:14])
    write(tmp_path / "mine", "testing", images[14:], factors[14:])
    return tmp_path / "mine", images, factors


def load(folder, **options):
    with originals.look_in_folder(folder):
        return datasets.load_dataset("smallnorb", **options)


def test_both_parts_are_put_into_the_order_of_the_grid(toys):
    folder, images, factors = toys
    data = load(folder)
    assert data.factor_sizes == tuple(SIZES.values())
    assert data.excluded_factors == ("instance",)
    for pair, levels in list(zip(images, factors, strict=True))[::5]:
        row = np.ravel_multi_index(levels, tuple(SIZES.values()))
        expected = resize_image(pair[0], 64, Image.Resampling.LANCZOS)
        assert np.array_equal(data.pixels[row].reshape(64, 64), expected)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda content: content[:-5], "expected 18432 more bytes"),
        (lambda content: b"\0" * 100, "got the mark 0x0"),
    ],
)
def test_a_wrong_file_is_refused(toys, data_folder, spoil, message):
    folder, _, _ = toys
    path = folder / "testing-dat.mat.gz"
    content = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(spoil(content)))
    with pytest.raises(ValueError, match=rf"testing-dat.*{message}"):
        load(folder)
    path.write_bytes(gzip.compress(content)[:-200])
    with pytest.raises(ValueError, match=r"testing-dat.*is not what it should be"):
        load(folder)
    assert not data_folder.exists() or list(data_folder.iterdir()) == []


def test_a_missing_combination_is_named(toys):
    folder, images, factors = toys
    write(folder, "testing", images[:10], factors[:10])
    with pytest.raises(
        ValueError, match=r"every combination of factors .* got no category="
    ):
        load(folder)
