"""binarized_mnist, caltech101_silhouettes and omniglot."""

import hashlib
import io
import zipfile

import numpy as np
import pytest
import scipy.io
from PIL import Image

from priorbench import datasets
from priorbench.datasets import binarized_mnist, caltech101_silhouettes, omniglot
from priorbench.datasets.files import originals
from priorbench.datasets.about import Original

DRAW = np.random.default_rng(0)


@pytest.fixture
def mine(tmp_path, data_folder):
    (tmp_path / "mine").mkdir()
    return tmp_path / "mine"


def load(folder, name, **options):
    with originals.look_in_folder(folder):
        return datasets.load_dataset(name, **options)


def nothing_kept(data_folder):
    return not data_folder.exists() or not list(data_folder.iterdir())


@pytest.fixture
def digits(mine, monkeypatch):
    """A small binarized MNIST; write(split, images) writes the official text."""
    lengths = {"train": 30, "valid": 10, "test": 20}
    images = {
        split: DRAW.integers(0, 2, (n, 784), dtype=np.uint8)
        for split, n in lengths.items()
    }
    monkeypatch.setattr(binarized_mnist, "LENGTHS", lengths)
    monkeypatch.setattr(
        binarized_mnist,
        "CONTENT",
        {
            split: hashlib.sha256(np.packbits(x, axis=1)).hexdigest()
            for split, x in images.items()
        },
    )

    def write(split, text=None):
        text = text or "".join(" ".join(map(str, row)) + "\n" for row in images[split])
        path = mine / f"binarized_mnist_{split}.amat"
        path.write_text(text)
        checksum = "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
        monkeypatch.setitem(
            binarized_mnist.ORIGINALS, split, Original(path.name, (), checksum)
        )

    for split in lengths:
        write(split)
    return images, write


def test_mnist_from_text_and_matlab(digits, mine, data_folder):
    images, _ = digits
    data = load(mine, "binarized_mnist")
    assert data.lengths == {"train": 30, "valid": 10, "test": 20}
    for split, expected in images.items():
        part = data.split(split)
        assert np.array_equal(
            part.images(range(len(part))).flatten(1).numpy(), expected
        )
    next(data_folder.glob("*.npy")).unlink()
    for split, x in images.items():
        scipy.io.savemat(
            mine / f"binarized_mnist_{split}.amat", {"X": x}, appendmat=False
        )
    assert np.array_equal(load(mine, "binarized_mnist").packed, data.packed)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 1\n", "expected 15680 bytes, 10 lines of 784 digits, got 4"),
        ("2 " * 7840, "expected zeros and ones in its images, got 2"),
        ("1 " * 7840, "not the published ones: expected sha256"),
        ("<html></html>", "HTML page"),
    ],
)
def test_wrong_mnist_text_is_refused(digits, mine, data_folder, text, message):
    digits[1]("valid", text)
    with pytest.raises(ValueError, match=rf"binarized_mnist_valid\.amat.*{message}"):
        load(mine, "binarized_mnist")
    assert nothing_kept(data_folder)


def test_real_mnist(shared_data, data_folder):
    data = load(shared_data, "binarized_mnist")
    assert len(data) == 70_000
    for split, original in binarized_mnist.ORIGINALS.items():
        bits = np.unpackbits(data.split(split).packed, axis=1)
        text = np.full((len(bits), 1568), ord(" "), dtype=np.uint8)
        text[:, ::2], text[:, -1] = bits + ord("0"), ord("\n")
        assert original.checksum == "sha256:" + hashlib.sha256(text.data).hexdigest()


def silhouettes(mine, monkeypatch, **changes):
    monkeypatch.setattr(
        caltech101_silhouettes, "LENGTHS", {"train": 5, "valid": 3, "test": 2}
    )
    matrices = {
        key: DRAW.integers(0, 2, (n, 784), dtype=np.uint8)
        for key, n in (("train_data", 5), ("val_data", 3), ("test_data", 2))
    }
    matrices.update(changes)
    path = mine / caltech101_silhouettes.ORIGINAL.name
    scipy.io.savemat(path, {k: v for k, v in matrices.items() if v is not None})
    monkeypatch.setattr(caltech101_silhouettes, "ORIGINAL", Original(path.name))
    return matrices


def test_silhouettes_are_upright_and_the_object_is_one(mine, monkeypatch):
    matrices = silhouettes(mine, monkeypatch)
    image = (
        load(mine, "caltech101_silhouettes").split("valid").images([1])[0, 0].numpy()
    )
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
def test_wrong_silhouettes_are_refused(mine, monkeypatch, data_folder, change, message):
    silhouettes(mine, monkeypatch, **change)
    with pytest.raises(ValueError, match=rf"split1\.mat.*{message}"):
        load(mine, "caltech101_silhouettes")
    assert nothing_kept(data_folder)


@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.95])
def test_truncated_silhouettes_are_refused(mine, monkeypatch, data_folder, part):
    silhouettes(mine, monkeypatch)
    path = mine / caltech101_silhouettes.ORIGINAL.name
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    with pytest.raises(ValueError, match=r"split1.mat"):
        load(mine, "caltech101_silhouettes")
    assert nothing_kept(data_folder)


def test_real_silhouettes(shared_data, data_folder):
    data = load(shared_data, "caltech101_silhouettes")
    assert data.lengths == {"train": 4_100, "valid": 2_264, "test": 2_307}
    assert data.images(range(4_100)).mean().item() == pytest.approx(
        1 - 0.5510546291687407
    )


@pytest.fixture
def characters(mine, monkeypatch):
    """chardata.mat with few images, of which 3 are for validation; its matrices."""
    monkeypatch.setattr(omniglot, "LENGTHS", {"iwae": (20, 6), "lake": (8, 4)})
    monkeypatch.setattr(omniglot, "VALID", 3)
    monkeypatch.setattr(omniglot, "IWAE", Original("chardata.mat"))
    matrices = {"data": DRAW.random((784, 20)), "testdata": DRAW.random((784, 6))}
    scipy.io.savemat(mine / "chardata.mat", matrices)
    return matrices


def test_omniglot_is_drawn_once(characters, mine):
    data = load(mine, "omniglot")
    assert data.lengths == {"train": 17, "valid": 3, "test": 6}
    means = data.images(range(26)).mean((1, 2, 3)).numpy()
    grey = characters["testdata"].mean(0)
    assert np.abs(means[20:] - grey).max() < 5 * (0.25 / 784) ** 0.5
    assert np.array_equal(load(mine, "omniglot").packed, data.packed)
    assert not np.array_equal(load(mine, "omniglot", seed=1).packed, data.packed)


def test_omniglot_is_upright(characters, mine):
    row = np.zeros((28, 28))
    row[3] = 1
    matrices = {
        "data": np.tile(row.ravel(order="F")[:, None], 20),
        "testdata": characters["testdata"],
    }
    scipy.io.savemat(mine / "chardata.mat", matrices)
    assert np.array_equal(load(mine, "omniglot").images([4])[0, 0].numpy(), row)


def test_the_draw_is_the_same_everywhere():
    grey = np.linspace(0, 1, 64).reshape(2, 32)
    packed = np.concatenate(list(omniglot._draw_binary([grey, grey], seed=0)))
    assert hashlib.sha256(packed).hexdigest()[:16] == "3e7f2b7c694a8e22"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": "iwea"}, "'source' must be one of iwae, lake; got 'iwea'"),
        ({"seed": -1}, "'seed' must be an integer of at least 0; got -1"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        datasets.load_dataset("omniglot", **options)


def test_grey_levels_outside_are_refused(characters, mine, data_folder):
    for value in (1.2, np.nan):
        characters["testdata"][5, 5] = value
        scipy.io.savemat(mine / "chardata.mat", characters)
        with pytest.raises(ValueError, match=r"'testdata' in \[0, 1\]"):
            load(mine, "omniglot")
        assert nothing_kept(data_folder)


def png(side=105):
    stream = io.BytesIO()
    Image.fromarray(DRAW.integers(0, 2, (side, side), dtype=np.uint8) * 255).save(
        stream, "PNG"
    )
    return stream.getvalue()


def test_omniglot_from_official_archives(characters, mine, monkeypatch, data_folder):
    names = ("images_background.zip", "images_evaluation.zip")
    monkeypatch.setattr(omniglot, "ZIPS", tuple(map(Original, names)))
    for name, count in zip(names, (8, 4), strict=True):
        with zipfile.ZipFile(mine / name, "w") as archive:
            for i in range(count):
                archive.writestr(
                    f"{name[:-4]}/Latin/character01/0001_{i:02}.png", png()
                )
    assert omniglot.Omniglot.options_of(mine) == {}
    (mine / "chardata.mat").unlink()
    assert omniglot.Omniglot.options_of(mine) == {"source": "lake"}
    assert load(mine, "omniglot", source="lake").lengths == {
        "train": 5,
        "valid": 3,
        "test": 4,
    }
    next(data_folder.glob("*.npy")).unlink()
    with zipfile.ZipFile(mine / names[1], "a") as archive:
        archive.writestr("images_evaluation/5.png", png(28))
    with pytest.raises(ValueError, match=r"5\.png.*105 × 105 pixels: got 28 × 28"):
        load(mine, "omniglot", source="lake")
    assert nothing_kept(data_folder)


def test_real_omniglot(shared_data, data_folder):
    options = omniglot.Omniglot.options_of(shared_data)
    data = load(shared_data, "omniglot", **options)
    assert data.lengths == {"train": 17_935, "valid": 1_345, "test": 13_180}
    packed = np.load(shared_data / "omniglot/omniglot_28_uint8.npz")
    mean = packed["evaluation_28"].mean() / 255
    assert data.split("test").images(range(13_180)).mean().item() == pytest.approx(
        mean, abs=1e-3
    )
    mine = list(
        omniglot.read_drawings(shared_data / "omniglot/images_background_small1.zip")
    )
    names = packed["background_alphabet_names"][packed["background_alphabet"]]
    kept = np.isin(names, ["Balinese", "Early_Aramaic", "Greek", "Korean", "Latin"])
    assert np.array_equal(np.stack(mine), packed["background_28"][kept])
