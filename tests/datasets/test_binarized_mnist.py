import hashlib

import numpy as np
import pytest
import scipy.io

from priorbench.datasets import binarized_mnist
from priorbench.datasets.about import Original

DRAW = np.random.default_rng(0)


@pytest.fixture
def digits(mine, monkeypatch):
    """A small binarized MNIST; write(split, text) writes the official text."""
    lengths = {"train": 30, "valid": 10, "test": 20}
    images = {
        split: DRAW.integers(0, 2, (n, 784), dtype=np.uint8)
        for split, n in lengths.items()
    }
    monkeypatch.setattr(binarized_mnist, "LENGTHS", lengths)
    monkeypatch.setattr(
        binarized_mnist,
        "CHECKSUMS",
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


def test_text_and_matlab_files_give_the_same(digits, mine, data_folder, load_from):
    images, _ = digits
    data = load_from(mine, "binarized_mnist")
    assert data.lengths == {"train": 30, "valid": 10, "test": 20}
    for split, expected in images.items():
        part = data.split(split)
        got = part.images(range(len(part))).flatten(1).numpy()
        assert np.array_equal(got, expected)
    next(data_folder.glob("*.npy")).unlink()
    for split, x in images.items():
        path = mine / f"binarized_mnist_{split}.amat"
        scipy.io.savemat(path, {"X": x}, appendmat=False)
    again = load_from(mine, "binarized_mnist")
    assert np.array_equal(again.packed, data.packed)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 1\n", "expected 15680 bytes, 10 lines of 784 digits, got 4"),
        ("2 " * 7840, "expected zeros and ones in its images, got 2"),
        ("1 " * 7840, "not the published ones: expected sha256"),
        ("<html></html>", "HTML page"),
    ],
)
def test_wrong_text_is_refused(digits, mine, load_from, assert_empty, text, message):
    digits[1]("valid", text)
    with pytest.raises(ValueError, match=rf"binarized_mnist_valid\.amat.*{message}"):
        load_from(mine, "binarized_mnist")
    assert_empty()


def test_real_files(shared_data, data_folder, load_from):
    data = load_from(shared_data, "binarized_mnist")
    assert len(data) == 70_000
    for split, original in binarized_mnist.ORIGINALS.items():
        bits = np.unpackbits(data.split(split).packed, axis=1)
        text = np.full((len(bits), 1568), ord(" "), dtype=np.uint8)
        text[:, ::2], text[:, -1] = bits + ord("0"), ord("\n")
        assert original.checksum == "sha256:" + hashlib.sha256(text.data).hexdigest()
