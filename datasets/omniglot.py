"""Omniglot: handwritten characters of fifty alphabets, binarized once by a seed."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from priorbench.datasets.about import About, Original
from priorbench.datasets.arguments import check_seed
from priorbench.datasets.base import register
from priorbench.datasets.files.archive import read_members
from priorbench.datasets.files.convert import resize_image
from priorbench.datasets.files.matlab import read_matrices
from priorbench.datasets.files.originals import (
    find_original,
    obtain_original,
    take_originals_from,
)
from priorbench.datasets.files.verify import check_file_kind, explain_read_errors
from priorbench.datasets.stored_splits import StoredSplits

SIDE = 28
FULL_SIDE = 105
LENGTHS = {"iwae": (24_345, 8_070), "lake": (19_280, 13_180)}
"""Images of each source to learn from (train and valid), and to test on."""
VALID = 1_345
IWAE = Original(
    "chardata.mat",
    (
        "https://github.com/yburda/iwae/raw/master/datasets/OMNIGLOT/chardata.mat",
        "https://raw.githubusercontent.com/yburda/iwae/master/datasets/OMNIGLOT/chardata.mat",
    ),
    "md5:21ecaf34373511aa7691cf2e0802aa3d",
)
_LAKE = ("https://github.com/brendenlake/omniglot/raw/master/python/",)
ZIPS = (
    Original.in_folders(
        "images_background.zip",
        _LAKE,
        "sha256:ad41ab679c8b5d90b271ef46be6987cc81211774a695c29dcc5367b2b26ee640",
    ),
    Original.in_folders(
        "images_evaluation.zip",
        _LAKE,
        "sha256:1f61a8f3366785b057fc117d9228e78a16e3d976c8953b2a10fcc74cf0609cee",
    ),
)
REDUCED_FILE = "omniglot_28_uint8.npz"
REDUCED_CHECKSUMS = {
    "background_28": "493e5aff392f8d2c49d58f0095b0f5c0b0536831ac674cff6147c46b273fea7d",
    "evaluation_28": "05484662471246b83a1ca1fd2dac7e33cc1f80aaf66a06e73ccf00f3a5dd0708",
}
"""SHA-256 of the reduced drawings, grey, by their keys in that file."""


@register("omniglot")
class Omniglot(StoredSplits):
    r"""Handwritten characters, 28 × 28, ink 1, binarized once.

    A pixel is drawn from its grey level: x ~ Bernoulli(grey level).

    Two versions, which are not the same images: ``iwae``, the file ``chardata.mat`` of
    Burda et al. that papers on likelihoods use, 24,345 + 8,070; and ``lake``, the
    authors' own drawings, averaged from 105 × 105, split by alphabet: 30 to learn from
    (19,280), 20 others to test on (13,180). Of those to learn from 1,345 are ``valid``,
    chosen by the same seed. Originals of ``lake``: the two official zip archives, or
    ``omniglot_28_uint8.npz``, the reduced drawings.

    References: Lake et al. 2015; Burda et al. 2016, Importance weighted autoencoders.
    Args:
        source: "iwae" or "lake".
        seed: of the draw, >= 0; it gives the same images on every machine.
        progress: show a progress bar on a terminal.
    Raises:
        ValueError: an unknown source or seed, or an original that is not what it should
            be.
        OSError: the originals are not here and cannot be downloaded.
    """

    about = About(
        "handwritten characters",
        "MIT",
        "https://github.com/brendenlake/omniglot",
        "none; train 23,000, valid 1,345, test 8,070 (of lake: 17,935, 1,345, 13,180)",
        sum(LENGTHS["iwae"]),
        (1, SIDE, SIDE),
        binary=True,
        originals=(IWAE, *ZIPS),
    )

    def __init__(
        self,
        source: str = "iwae",
        seed: int = 0,
        progress: bool = True,
    ) -> None:
        if source not in LENGTHS:
            raise ValueError(
                f"'source' must be one of {', '.join(LENGTHS)}; got {source!r}"
            )
        self.source = source
        self.seed = check_seed(seed)
        learn, test = LENGTHS[source]
        lengths = {"train": learn - VALID, "valid": VALID, "test": test}
        variant = f"{source}-{self.seed}"
        super().__init__("omniglot", lengths, variant=variant, progress=progress)

    def find_originals(self, progress: bool) -> dict[str, Path]:
        """Return the files of the source; the reduced drawings, if they are here."""
        reduced = find_original("omniglot", REDUCED_FILE)
        if self.source == "lake" and reduced is not None:
            check_file_kind(reduced)
            return {REDUCED_FILE: reduced}
        originals = (IWAE,) if self.source == "iwae" else ZIPS
        return {
            original.name: obtain_original("omniglot", original, progress)
            for original in originals
        }

    def convert(self, paths: Mapping[str, Path]) -> Iterator[np.ndarray]:
        """Return the images to learn from in a drawn order, and those to test on."""
        if self.source == "iwae":
            parts = _read_iwae(paths[IWAE.name])
        elif REDUCED_FILE in paths:
            parts = _read_reduced(paths[REDUCED_FILE])
        else:
            parts = _read_zips([paths[original.name] for original in ZIPS])
        return _draw_binary(parts, self.seed)

    @staticmethod
    def choose_arguments(folder: Path) -> dict[str, Any]:
        """Return the arguments that the original files in ``folder`` call for."""
        names = (IWAE.name, REDUCED_FILE, *(original.name for original in ZIPS))
        with take_originals_from(folder):
            here = [name for name in names if find_original("omniglot", name)]
        return {"source": "lake"} if here and IWAE.name not in here else {}


def read_drawings(path: Path) -> Iterator[np.ndarray]:
    """Yield the drawings of an official zip archive, by alphabet, character and drawer.

    Yields:
        Ink on white as grey levels of ink, uint8 (28, 28), averaged over the pixels
        they cover.

    Raises:
        ValueError: the archive or an image in it is not what it should be.
    """
    kind = f"a PNG image of {FULL_SIDE} × {FULL_SIDE} pixels"
    for name, content in read_members(path, ".png"):
        with explain_read_errors(f"{path}/{name}", kind):
            with Image.open(BytesIO(content), formats=["PNG"]) as image:
                paper = np.asarray(image.convert("L"))
            if paper.shape != (FULL_SIDE, FULL_SIDE):
                raise ValueError(f"got {paper.shape[1]} × {paper.shape[0]}")
        yield resize_image(255 - paper, SIDE, Image.Resampling.BOX)


def _draw_binary(parts: Iterable[np.ndarray], seed: int) -> Iterator[np.ndarray]:
    """Yield bit-packed draws of grey images; the first part also in a drawn order.

    Args:
        parts: grey images (n, 784) in [0, 1]: those to learn from, those to test on.
        seed: of the draws.
    """
    # A bit generator's raw numbers are the same in every version of NumPy; the draws of
    # its distributions may not be.
    bits = np.random.PCG64(seed)
    for number, grey in enumerate(parts):
        if number == 0:
            order = np.argsort(bits.random_raw(len(grey)), kind="stable")
            grey = grey[order]
        uniform = (bits.random_raw(grey.size) >> np.uint64(11)) * 2.0**-53
        yield np.packbits(uniform.reshape(grey.shape) < grey, axis=1)


def _read_iwae(path: Path) -> Iterator[np.ndarray]:
    learn, test = LENGTHS["iwae"]
    shapes = {"data": (SIDE * SIDE, learn), "testdata": (SIDE * SIDE, test)}
    for key, matrix in read_matrices(path, shapes).items():
        # A column of the matrix is an image, column by column.
        images = matrix.T.reshape(-1, SIDE, SIDE).swapaxes(1, 2)
        grey = images.reshape(-1, SIDE * SIDE)
        if not (grey.min() >= 0 and grey.max() <= 1):
            raise ValueError(
                f"{str(path)!r}: expected {key!r} in [0, 1], got values from "
                f"{grey.min()} to {grey.max()}; replace it"
            )
        yield grey


def _read_reduced(path: Path) -> Iterator[np.ndarray]:
    with (
        explain_read_errors(path, "an .npz file of Omniglot"),
        np.load(path) as content,
    ):
        found = {key: content[key] for key in REDUCED_CHECKSUMS}
        for (key, images), length in zip(found.items(), LENGTHS["lake"], strict=True):
            expected = (length, SIDE, SIDE)
            if images.shape != expected or images.dtype != np.uint8:
                raise ValueError(
                    f"expected {key!r} uint8 of shape {expected}, got "
                    f"{images.dtype} of shape {images.shape}"
                )
            came = hashlib.sha256(images.tobytes()).hexdigest()
            if came != REDUCED_CHECKSUMS[key]:
                raise ValueError(
                    f"expected sha256 {REDUCED_CHECKSUMS[key]} of {key!r}, got {came}"
                )
    for images in found.values():
        yield images.reshape(-1, SIDE * SIDE) / 255


def _read_zips(paths: list[Path]) -> Iterator[np.ndarray]:
    for path, length in zip(paths, LENGTHS["lake"], strict=True):
        images = list(read_drawings(path))
        if len(images) != length:
            raise ValueError(
                f"{str(path)!r}: expected {length} drawings, got {len(images)}; "
                "replace it"
            )
        yield np.stack(images).reshape(-1, SIDE * SIDE) / 255
