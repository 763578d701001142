import hashlib
import io
import zipfile

import numpy as np
import pytest
import scipy.io
from PIL import Image

from priorbench import datasets
from priorbench.datasets import omniglot
from priorbench.datasets.about import Original

DRAW = np.random.default_rng(0)


@pytest.fixture
def characters(mine, monkeypatch):
    """chardata.mat with few images, of which 3 are for validation; its matrices."""
    monkeypatch.setattr(omniglot, "LENGTHS", {"iwae": (20, 6), "lake": (8, 4)})
    monkeypatch.setattr(omniglot, "VALID", 3)
    monkeypatch.setattr(omniglot, "IWAE", Original("chardata.mat"))
    matrices = {"data": DRAW.random((784, 20)), "testdata": DRAW.random((784, 6))}
    scipy.io.savemat(mine / "chardata.mat", matrices)
    return matrices


def test_it_is_drawn_once(characters, mine, load_from):
    data = load_from(mine, "omniglot")
    assert data.lengths == {"train": 17, "valid": 3, "test": 6}
    means = data.images(range(26)).mean((1, 2, 3)).numpy()
    grey = characters["testdata"].mean(0)
    assert np.abs(means[20:] - grey).max() < 5 * (0.25 / 784) ** 0.5
    assert np.array_equal(load_from(mine, "omniglot").packed, data.packed)
    other = load_from(mine, "omniglot", seed=1)
    assert not np.array_equal(other.packed, data.packed)


def test_it_is_upright(characters, mine, load_from):
    row = np.zeros((28, 28))
    row[3] = 1
    matrices = {
        "data": np.tile(row.ravel(order="F")[:, None], 20),
        "testdata": characters["testdata"],
    }
    scipy.io.savemat(mine / "chardata.mat", matrices)
    image = load_from(mine, "omniglot").images([4])[0, 0].numpy()
    assert np.array_equal(image, row)


def test_the_draw_is_the_same_everywhere():
    grey = np.linspace(0, 1, 64).reshape(2, 32)
    packed = np.concatenate(list(omniglot._draw_binary([grey, grey], seed=0)))
    assert hashlib.sha256(packed).hexdigest()[:16] == "3e7f2b7c694a8e22"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"source": "iwea"}, "'source' must be one of iwae, lake; got 'iwea'"),
        ({"seed": -1}, "'seed' must be an integer >= 0; got -1"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        datasets.load_dataset("omniglot", **arguments)


def test_grey_levels_outside_are_refused(characters, mine, load_from, assert_empty):
    for value in (1.2, np.nan):
        characters["testdata"][5, 5] = value
        scipy.io.savemat(mine / "chardata.mat", characters)
        with pytest.raises(ValueError, match=r"'testdata' in \[0, 1\]"):
            load_from(mine, "omniglot")
        assert_empty()


def draw_png(side=105):
    stream = io.BytesIO()
    paper = DRAW.integers(0, 2, (side, side), dtype=np.uint8) * 255
    Image.fromarray(paper).save(stream, "PNG")
    return stream.getvalue()


def test_official_archives_are_read(
    characters, mine, monkeypatch, data_folder, load_from, assert_empty
):
    names = ("images_background.zip", "images_evaluation.zip")
    monkeypatch.setattr(omniglot, "ZIPS", tuple(map(Original, names)))
    for name, count in zip(names, (8, 4), strict=True):
        with zipfile.ZipFile(mine / name, "w") as archive:
            for i in range(count):
                member = f"{name[:-4]}/Latin/character01/0001_{i:02}.png"
                archive.writestr(member, draw_png())
    assert omniglot.Omniglot.choose_arguments(mine) == {}
    (mine / "chardata.mat").unlink()
    assert omniglot.Omniglot.choose_arguments(mine) == {"source": "lake"}
    data = load_from(mine, "omniglot", source="lake")
    assert data.lengths == {"train": 5, "valid": 3, "test": 4}
    next(data_folder.glob("*.npy")).unlink()
    with zipfile.ZipFile(mine / names[1], "a") as archive:
        archive.writestr("images_evaluation/5.png", draw_png(28))
    with pytest.raises(ValueError, match=r"5\.png.*105 × 105 pixels: got 28 × 28"):
        load_from(mine, "omniglot", source="lake")
    assert_empty()


def test_real_files(shared_data, data_folder, load_from):
    arguments = omniglot.Omniglot.choose_arguments(shared_data)
    data = load_from(shared_data, "omniglot", **arguments)
    assert data.lengths == {"train": 17_935, "valid": 1_345, "test": 13_180}
    reduced = np.load(shared_data / "omniglot/omniglot_28_uint8.npz")
    mean = data.split("test").images(range(13_180)).mean().item()
    expected = reduced["evaluation_28"].mean() / 255
    assert mean == pytest.approx(expected, abs=1e-3)
    path = shared_data / "omniglot/images_background_small1.zip"
    drawings = np.stack(list(omniglot.read_drawings(path)))
    names = reduced["background_alphabet_names"][reduced["background_alphabet"]]
    kept = np.isin(names, ["Balinese", "Early_Aramaic", "Greek", "Korean", "Latin"])
    assert np.array_equal(drawings, reduced["background_28"][kept])
