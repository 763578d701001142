"""Binarized MNIST: the fixed binary digits of Larochelle."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from priorbench.datasets.files import originals
from priorbench.datasets.about import About, Original
from priorbench.datasets.base import register
from priorbench.datasets.images import ImageDataset
from priorbench.datasets.files.matlab import MAGIC, check_binary, read_matrices
from priorbench.datasets.stored_grid import split_rows, load_converted, verify_blocks

SIDE = 28
LENGTHS = {"train": 50_000, "valid": 10_000, "test": 10_000}
CONTENT = {
    "train": "727146c35424b019f3e350e1e69faa05644a0abaf787e3f4e1a9632220a13906",
    "valid": "a256ac44ae26be720fad8616a05ed6ecfd1619930d9a208379bb2a4405df5b6d",
    "test": "9fcd8da6f0fdf09b2ba30fe63a0bb784042a0de82563172530229b983e294ff2",
}
"""SHA-256 of each split's bit-packed images."""
_SOURCE = "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/"
_MIRROR = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"


def _make_original(split: str, sha256: str) -> Original:
    name = f"binarized_mnist_{split}.amat"
    return Original(name, (_SOURCE + name, _MIRROR + name), f"sha256:{sha256}")


ORIGINALS = {
    "train": _make_original(
        "train", "ad693b29f94c14277b095f5238ddefbbdaaae0939789dd2f4f0205278cee3e4d"
    ),
    "valid": _make_original(
        "valid", "1de3d397c40fe8eeb33dafd4099a1f665ec01e96d9be234aaeeac8a34930e2e2"
    ),
    "test": _make_original(
        "test", "e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c"
    ),
}


@register("binarized_mnist")
class BinarizedMNIST(ImageDataset):
    """Handwritten digits, binarized once and for all: 50,000 train, 10,000 valid, 10,000 test.

    Originals: the three text files ``binarized_mnist_*.amat``, a line for each image, or MATLAB
    files of the same names with the images in ``X``.

    References: Salakhutdinov and Murray 2008; Larochelle and Murray 2011.
    Args:
        progress: show a progress bar on a terminal.
    Raises:
        ValueError: an original is not what it should be.
        OSError: the originals are not here and cannot be downloaded.
    """

    about = About(
        "handwritten digits",
        "CC BY-SA 3.0 (MNIST)",
        _SOURCE,
        "none; train 50,000, valid 10,000, test 10,000",
        sum(LENGTHS.values()),
        (1, SIDE, SIDE),
        binary=True,
        originals=tuple(ORIGINALS.values()),
    )

    def __init__(self, progress: bool = True) -> None:
        shape = (sum(LENGTHS.values()), SIDE * SIDE // 8)
        packed = load_converted(
            "binarized_mnist-v1",
            shape,
            lambda: _read_blocks(progress),
            "converting binarized_mnist",
            len(LENGTHS),
            progress,
        )
        super().__init__("binarized_mnist", (1, SIDE, SIDE), LENGTHS, packed=packed)


def _read_blocks(progress: bool) -> Iterable[np.ndarray]:
    paths = {
        split: _find_path(original, progress) for split, original in ORIGINALS.items()
    }
    return (
        block for split, path in paths.items() for block in _read_split(split, path)
    )


def _find_path(original: Original, progress: bool) -> Path:
    """The file; MATLAB files of the same name are verified by their content instead."""
    path = originals.find_original("binarized_mnist", original.name)
    if path is not None and _is_matlab(path):
        return path
    return originals.obtain_original("binarized_mnist", original, progress)


def _is_matlab(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _read_split(split: str, path: Path) -> Iterator[np.ndarray]:
    shape = (LENGTHS[split], SIDE * SIDE)
    images = (
        read_matrices(path, {"X": shape})["X"]
        if _is_matlab(path)
        else _read_text(path, shape)
    )
    with originals.explain_read_errors(path, f"the {split} images of binarized MNIST"):
        packed = np.packbits(check_binary("its images", images), axis=1)
    yield from verify_blocks(split_rows(packed, len(packed)), CONTENT[split], str(path))


def _read_text(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """Digits 0 and 1, each with a space or, at the end of a line, a newline behind it."""
    with originals.explain_read_errors(path, "text of zeros and ones"):
        content = np.frombuffer(path.read_bytes(), dtype=np.uint8)
        if content.size != 2 * shape[0] * shape[1]:
            raise ValueError(
                f"expected {2 * shape[0] * shape[1]} bytes, {shape[0]} lines of "
                f"{shape[1]} digits, got {content.size}"
            )
        return content[::2].reshape(shape) - ord("0")
