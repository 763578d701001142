"""Images of handwritten digits and their labels, and the vote of nearest neighbours."""

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from priorbench.datasets.arrays import from_splits
from priorbench.datasets.images import ImageDataset
from priorbench.errors import UserError

NEIGHBOURS = 5

TRAIN = 1297
"""Of scikit-learn's 1,797 digits; 500 are left to test on."""

FILES = {
    ("train", "images"): "train-images-idx3-ubyte",
    ("train", "labels"): "train-labels-idx1-ubyte",
    ("test", "images"): "t10k-images-idx3-ubyte",
    ("test", "labels"): "t10k-labels-idx1-ubyte",
}
"""MNIST's files; each may end in .gz."""


@dataclass(frozen=True)
class Digits:
    """Images of digits in the splits "train" and "test", and their labels."""

    name: str
    dataset: ImageDataset
    labels: dict[str, np.ndarray]


def load_digits(folder: str | None) -> Digits:
    """Load MNIST from a folder of its files, or else scikit-learn's 8 × 8 digits.

    A pixel is on where it is at least half as bright as can be.

    Raises:
        UserError: a file is missing or damaged, or the files do not fit each other.
    """
    if folder is not None:
        return _load_mnist(Path(folder).expanduser())
    from sklearn import datasets  # takes a second to import

    loaded = datasets.load_digits()
    order = np.random.default_rng(0).permutation(len(loaded.images))
    parts = {"train": order[:TRAIN], "test": order[TRAIN:]}
    images = {key: loaded.images[rows] >= 8 for key, rows in parts.items()}
    labels = {key: loaded.target[rows] for key, rows in parts.items()}
    return Digits("8 × 8 digits", from_splits(images, "digits"), labels)


def _load_mnist(folder: Path) -> Digits:
    read = {key: _read_idx(folder, name) for key, name in FILES.items()}
    splits = {split: read[split, "images"] >= 128 for split in ("train", "test")}
    labels = {split: read[split, "labels"] for split in ("train", "test")}
    for split, images in splits.items():
        if images.ndim != 3 or labels[split].shape != images.shape[:1]:
            raise UserError(
                f"{folder}: {FILES[split, 'images']} must hold (N, H, W) images and "
                f"{FILES[split, 'labels']} N labels; got {images.shape} and "
                f"{labels[split].shape}"
            )
    return Digits("MNIST", from_splits(splits, "MNIST"), labels)


def _read_idx(folder: Path, name: str) -> np.ndarray:
    """Read a file of MNIST's format, plain or compressed.

    Two zero bytes, the type 8 (bytes), the number of dimensions, each dimension as a
    big-endian integer of four bytes, and the values.
    """
    found = [p for p in (folder / name, folder / f"{name}.gz") if p.is_file()]
    if not found:
        raise UserError(
            f"no {name} or {name}.gz in {folder}; put MNIST's four files there"
        )
    try:
        content = found[0].read_bytes()
        if found[0].suffix == ".gz":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"cannot read {found[0]}: {error}") from error
    dimensions = content[3] if content[:3] == b"\0\0\x08" and len(content) > 3 else 0
    start = 4 + 4 * dimensions
    shape = tuple(np.frombuffer(content[4:start], ">u4").tolist()) if dimensions else ()
    if not dimensions or len(content) != start + np.prod(shape, dtype=np.int64):
        raise UserError(
            f"{found[0]} is not an idx file of bytes, or is cut short; get it anew"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def fit_neighbours(codes: np.ndarray, labels: np.ndarray, sphere: bool) -> Any:
    """Return scikit-learn's classifier by the vote of the nearest labelled codes.

    Args:
        codes: (n, latent_dim).
        labels: their digits, (n,).
        sphere: measure distances by the cosine in place of the Euclidean ones.
    """
    from sklearn.neighbors import KNeighborsClassifier  # takes a second to import

    metric = "cosine" if sphere else "euclidean"
    return KNeighborsClassifier(NEIGHBOURS, metric=metric).fit(codes, labels)
