"""Caltech-101 Silhouettes: outlines of the objects of Caltech 101."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from priorbench.datasets.files import originals
from priorbench.datasets.about import About, Original
from priorbench.datasets.base import register
from priorbench.datasets.images import ImageDataset
from priorbench.datasets.files.matlab import check_binary, read_matrices
from priorbench.datasets.stored_grid import load_converted

SIDE = 28
LENGTHS = {"train": 4_100, "valid": 2_264, "test": 2_307}
KEYS = {"train": "train_data", "valid": "val_data", "test": "test_data"}
ORIGINAL = Original(
    "caltech101_silhouettes_28_split1.mat",
    ("https://people.cs.umass.edu/~marlin/data/caltech101_silhouettes_28_split1.mat",),
    "sha256:eb6735e8d84b1850fabc5590124aab1755e90c9fd28123585324398405e1e42a",
)


@register("caltech101_silhouettes")
class Caltech101Silhouettes(ImageDataset):
    """Silhouettes, binary, 28 × 28: 4,100 train, 2,264 valid, 2,307 test.

    The object is 1 and the background 0, as in the literature; the original file has them the
    other way round, and each image column by column.

    References: Marlin et al. 2010, Inductive principles for restricted Boltzmann machine learning.
    Args:
        progress: show a progress bar on a terminal.
    Raises:
        ValueError: the original is not what it should be.
        OSError: the original is not here and cannot be downloaded.
    """

    about = About(
        "silhouettes of objects",
        "none stated",
        "https://people.cs.umass.edu/~marlin/data.shtml",
        "none; train 4,100, valid 2,264, test 2,307",
        sum(LENGTHS.values()),
        (1, SIDE, SIDE),
        binary=True,
        originals=(ORIGINAL,),
    )

    def __init__(self, progress: bool = True) -> None:
        shape = (sum(LENGTHS.values()), SIDE * SIDE // 8)
        packed = load_converted(
            "caltech101_silhouettes-v1",
            shape,
            lambda: _read_blocks(progress),
            "converting caltech101_silhouettes",
            len(LENGTHS),
            progress,
        )
        super().__init__(
            "caltech101_silhouettes", (1, SIDE, SIDE), LENGTHS, packed=packed
        )


def _read_blocks(progress: bool) -> Iterable[np.ndarray]:
    path = originals.obtain_original("caltech101_silhouettes", ORIGINAL, progress)
    return _read_splits(path)


def _read_splits(path: Path) -> Iterator[np.ndarray]:
    shapes = {KEYS[split]: (length, SIDE * SIDE) for split, length in LENGTHS.items()}
    found = read_matrices(path, shapes)
    for key in KEYS.values():
        with originals.explain_read_errors(path, "the silhouettes of Caltech 101"):
            images = 1 - check_binary(repr(key), found[key]).reshape(
                -1, SIDE, SIDE
            ).swapaxes(1, 2)
        yield np.packbits(images.reshape(len(images), -1), axis=1)
