import gzip
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from PIL import Image

from priorbench.datasets import smallnorb
from priorbench.datasets.about import Original
from priorbench.datasets.files.convert import resize_image

DRAW = np.random.default_rng(0)
SIZES = {"category": 2, "instance": 2, "elevation": 1, "azimuth": 3, "lighting": 2}


def make_matrix(mark, array):
    shape = (*array.shape, 1, 1)[: max(array.ndim, 3)]
    header = np.array([mark, array.ndim, *shape], dtype="<u4")
    return header.tobytes() + array.tobytes()


def write_part(folder, part, images, factors):
    factors = np.array(factors, dtype="<i4") * [1, 1, 1, 2, 1]
    content = {
        "dat": make_matrix(0x1E3D4C55, images),
        "cat": make_matrix(0x1E3D4C54, factors[:, 0].astype("<i4")),
        "info": make_matrix(0x1E3D4C54, factors[:, 1:].astype("<i4")),
    }
    for kind, whole in content.items():
        with gzip.open(folder / f"{part}-{kind}.mat.gz", "wb") as file:
            file.write(whole)


@pytest.fixture
def toys(mine, monkeypatch):
    """Two parts in the official format in a folder; the folder, images and factors."""
    monkeypatch.setattr(smallnorb, "SIZES", SIZES)
    parts = [
        {kind: Original(f"{part}-{kind}.mat.gz") for kind in ("dat", "cat", "info")}
        for part in ("training", "testing")
    ]
    originals = tuple(original for part in parts for original in part.values())
    about = replace(smallnorb.SmallNORB.about, originals=originals)
    monkeypatch.setattr(smallnorb, "PARTS", parts)
    monkeypatch.setattr(smallnorb.SmallNORB, "about", about)
    factors = DRAW.permutation(list(product(*map(range, SIZES.values()))))
    images = DRAW.integers(0, 256, (len(factors), 2, 96, 96), dtype=np.uint8)
    write_part(mine, "training", images[:14], factors[:14])
    write_part(mine, "testing", images[14:], factors[14:])
    return mine, images, factors


def test_both_parts_are_put_into_the_order_of_the_grid(toys, load_from):
    folder, images, factors = toys
    data = load_from(folder, "smallnorb")
    assert data.factor_sizes == tuple(SIZES.values())
    assert data.excluded_factors == data.nuisance_factors == ("instance",)
    assert data.cyclic_factors == ("azimuth",)
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
def test_a_wrong_file_is_refused(toys, load_from, assert_empty, spoil, message):
    folder, _, _ = toys
    path = folder / "testing-dat.mat.gz"
    content = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(spoil(content)))
    with pytest.raises(ValueError, match=rf"testing-dat.*{message}"):
        load_from(folder, "smallnorb")
    path.write_bytes(gzip.compress(content)[:-200])
    with pytest.raises(ValueError, match=r"testing-dat.*as a file of small NORB"):
        load_from(folder, "smallnorb")
    assert_empty()


def test_a_missing_combination_is_named(toys, load_from):
    folder, images, factors = toys
    write_part(folder, "testing", images[:10], factors[:10])
    with pytest.raises(
        ValueError, match=r"every combination of factors .* got no category="
    ):
        load_from(folder, "smallnorb")
