"""Binarized MNIST: the fixed binary digits of Larochelle."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from priorbench.datasets.about import About, Original
from priorbench.datasets.base import register
from priorbench.datasets.files.matlab import (
    check_binary,
    is_matlab_file,
    read_matrices,
)
from priorbench.datasets.files.originals import find_original, obtain_original
from priorbench.datasets.files.verify import explain_read_errors, verify_images
from priorbench.datasets.stored_splits import StoredSplits

SIDE = 28
LENGTHS = {"train": 50_000, "valid": 10_000, "test": 10_000}
CHECKSUMS = {
    "train": "727146c35424b019f3e350e1e69faa05644a0abaf787e3f4e1a9632220a13906",
    "valid": "a256ac44ae26be720fad8616a05ed6ecfd1619930d9a208379bb2a4405df5b6d",
    "test": "9fcd8da6f0fdf09b2ba30fe63a0bb784042a0de82563172530229b983e294ff2",
}
"""SHA-256 of each split's bit-packed images."""
_SOURCE = "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/"
_MIRROR = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
_FILE_CHECKSUMS = {
    "train": "ad693b29f94c14277b095f5238ddefbbdaaae0939789dd2f4f0205278cee3e4d",
    "valid": "1de3d397c40fe8eeb33dafd4099a1f665ec01e96d9be234aaeeac8a34930e2e2",
    "test": "e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c",
}
ORIGINALS = {
    split: Original.in_folders(
        f"binarized_mnist_{split}.amat", (_SOURCE, _MIRROR), f"sha256:{sha256}"
    )
    for split, sha256 in _FILE_CHECKSUMS.items()
}


@register("binarized_mnist")
class BinarizedMNIST(StoredSplits):
    """Handwritten digits, binarized once: 50,000 train, 10,000 valid, 10,000 test.

    Originals: the three text files ``binarized_mnist_*.amat``, a line for each image,
    or MATLAB files of the same names with the images in ``X``.

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
        super().__init__("binarized_mnist", LENGTHS, progress=progress)

    def find_originals(self, progress: bool) -> dict[str, Path]:
        """Return the files; those of MATLAB are verified by their images only."""
        paths = {}
        for original in ORIGINALS.values():
            path = find_original("binarized_mnist", original.name)
            if path is None or not is_matlab_file(path):
                path = obtain_original("binarized_mnist", original, progress)
            paths[original.name] = path
        return paths

    def convert(self, paths: Mapping[str, Path]) -> Iterator[np.ndarray]:
        """Yield the images of one split after the other."""
        for split, original in ORIGINALS.items():
            path = paths[original.name]
            shape = (LENGTHS[split], SIDE * SIDE)
            if is_matlab_file(path):
                images = read_matrices(path, {"X": shape})["X"]
            else:
                images = _read_text(path, shape)
            with explain_read_errors(path, f"the {split} images of binarized MNIST"):
                packed = np.packbits(check_binary("its images", images), axis=1)
            yield from verify_images([packed], CHECKSUMS[split], path)


def _read_text(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """Return the images of a text file, uint8 of ``shape``.

    It has the digits 0 and 1, each with a space or, at the end of a line, a newline
    behind it.
    """
    count, pixels = shape
    expected = 2 * count * pixels
    with explain_read_errors(path, "text of zeros and ones"):
        content = np.frombuffer(path.read_bytes(), dtype=np.uint8)
        if content.size != expected:
            raise ValueError(
                f"expected {expected} bytes, {count} lines of {pixels} digits, "
                f"got {content.size}"
            )
        return content[::2].reshape(shape) - ord("0")
