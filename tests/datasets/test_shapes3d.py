import sys
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from priorbench import datasets
from priorbench.datasets import shapes3d
from priorbench.datasets.about import Original

SIZES = {
    "floor_hue": 2,
    "wall_hue": 1,
    "object_hue": 2,
    "scale": 2,
    "shape": 2,
    "orientation": 3,
}


@pytest.fixture
def rooms(mine, monkeypatch):
    """write(**changes) an HDF5 file in the official format; its arrays."""
    h5py = pytest.importorskip("h5py")
    monkeypatch.setattr(shapes3d, "SIZES", SIZES)
    about = replace(shapes3d.Shapes3D.about, originals=(Original("3dshapes.h5"),))
    monkeypatch.setattr(shapes3d.Shapes3D, "about", about)
    levels = np.array(list(product(*map(range, SIZES.values()))))
    draw = np.random.default_rng(0)
    good = {
        "images": draw.integers(0, 256, (len(levels), 64, 64, 3), dtype=np.uint8),
        "labels": levels * [0.1, 0.1, 0.1, 0.5, 1, 30] - [0, 0, 0, 0, 0, 30],
    }

    def write(**changes):
        with h5py.File(mine / "3dshapes.h5", "w") as file:
            for key, array in {**good, **changes}.items():
                if array is not None:
                    file[key] = array
        return good

    return write


def test_the_official_format_is_read(rooms, mine, load_from):
    good = rooms()
    data = load_from(mine, "shapes3d")
    assert data.factor_sizes == tuple(SIZES.values())
    assert data.cyclic_factors == ("floor_hue", "wall_hue", "object_hue")
    expected = good["images"].transpose(0, 3, 1, 2).reshape(len(data), -1)
    assert np.array_equal(data.pixels, expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda g: {"labels": g["labels"][::-1]},
            "expected the levels .* in row 0 of 'labels'",
        ),
        (
            lambda g: {"images": g["images"][:-1]},
            r"'images' of shape \(48, 64, 64, 3\), got \(47,",
        ),
        (lambda g: {"images": g["images"] / 255}, "'images' uint8, got float64"),
        (lambda g: {"labels": None}, "'labels' of shape .* got None"),
    ],
)
def test_a_wrong_file_is_refused(rooms, mine, load_from, assert_empty, change, message):
    rooms(**change(rooms()))
    with pytest.raises(ValueError, match=rf"3dshapes\.h5.*{message}"):
        load_from(mine, "shapes3d")
    assert_empty()


def test_a_truncated_file_is_refused(rooms, mine, load_from):
    rooms()
    path = mine / "3dshapes.h5"
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(ValueError, match=r"3dshapes\.h5' as the HDF5 file of 3D Shape"):
        load_from(mine, "shapes3d")


def test_a_missing_h5py_is_named(data_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ValueError, match="pip install h5py"):
        datasets.load_dataset("shapes3d")
