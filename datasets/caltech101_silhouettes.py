"""Caltech-101 Silhouettes: outlines of the objects of Caltech 101."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from priorbench.datasets.about import About, Original
from priorbench.datasets.base import register
from priorbench.datasets.files.matlab import check_binary, read_matrices
from priorbench.datasets.files.verify import explain_read_errors
from priorbench.datasets.stored_splits import StoredSplits

SIDE = 28
LENGTHS = {"train": 4_100, "valid": 2_264, "test": 2_307}
KEYS = {"train": "train_data", "valid": "val_data", "test": "test_data"}
ORIGINAL = Original(
    "caltech101_silhouettes_28_split1.mat",
    ("https://people.cs.umass.edu/~marlin/data/caltech101_silhouettes_28_split1.mat",),
    "sha256:eb6735e8d84b1850fabc5590124aab1755e90c9fd28123585324398405e1e42a",
)


@register("caltech101_silhouettes")
class Caltech101Silhouettes(StoredSplits):
    """Silhouettes, binary, 28 × 28: 4,100 train, 2,264 valid, 2,307 test.

    The object is 1 and the background 0, as in the literature; the original file has
    them the other way round, and each image column by column.

    References: Marlin et al. 2010, Inductive principles for restricted Boltzmann
    machine learning.
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
        super().__init__("caltech101_silhouettes", LENGTHS, progress=progress)

    def convert(self, paths: Mapping[str, Path]) -> Iterator[np.ndarray]:
        """Yield the images of one split after the other."""
        path = paths[ORIGINAL.name]
        shapes = {KEYS[split]: (count, SIDE * SIDE) for split, count in LENGTHS.items()}
        for key, matrix in read_matrices(path, shapes).items():
            with explain_read_errors(path, "the silhouettes of Caltech 101"):
                background = check_binary(repr(key), matrix)
            objects = 1 - background.reshape(-1, SIDE, SIDE)
            upright = objects.swapaxes(1, 2).reshape(-1, SIDE * SIDE)
            yield np.packbits(upright, axis=1)
