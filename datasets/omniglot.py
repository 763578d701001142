"""Omniglot: handwritten characters of fifty alphabets, binarized once by a numbered draw."""

import hashlib
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from priorbench.datasets.files import originals
from priorbench.datasets.about import About, Original
from priorbench.datasets.files.archive import read_members
from priorbench.datasets.base import register
from priorbench.datasets.images import ImageDataset
from priorbench.datasets.files.matlab import read_matrices
from priorbench.datasets.stored_grid import load_converted, resize_image

SIDE = 28
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
_LAKE = "https://github.com/brendenlake/omniglot/raw/master/python/"
ZIPS = (
    Original(
        "images_background.zip",
        (_LAKE + "images_background.zip",),
        "sha256:ad41ab679c8b5d90b271ef46be6987cc81211774a695c29dcc5367b2b26ee640",
    ),
    Original(
        "images_evaluation.zip",
        (_LAKE + "images_evaluation.zip",),
        "sha256:1f61a8f3366785b057fc117d9228e78a16e3d976c8953b2a10fcc74cf0609cee",
    ),
)
PACKED = Original("omniglot_28_uint8.npz")
CONTENT = {
    "background_28": "493e5aff392f8d2c49d58f0095b0f5c0b0536831ac674cff6147c46b273fea7d",
    "evaluation_28": "05484662471246b83a1ca1fd2dac7e33cc1f80aaf66a06e73ccf00f3a5dd0708",
}
"""SHA-256 of the reduced drawings, grey, of the packed file."""


@register("omniglot")
class Omniglot(ImageDataset):
    r"""Handwritten characters, 28 × 28, ink 1, each pixel drawn once: x ~ Bernoulli(grey level).

    Two versions, which are not the same images: ``iwae``, the file ``chardata.mat`` of Burda et
    al. that papers on likelihoods use, 24,345 + 8,070; and ``lake``, the authors' own drawings,
    averaged from 105 × 105, split by alphabet: 30 to learn from (19,280), 20 others to test on
    (13,180). Of those to learn from 1,345 are ``valid``, chosen by the same draw. Originals of
    ``lake``: the two official zip archives, or ``omniglot_28_uint8.npz``, the reduced drawings.

    References: Lake et al. 2015; Burda et al. 2016, Importance weighted autoencoders.
    Args:
        source: "iwae" or "lake".
        seed: number of the draw; the same images on every machine.
        progress: show a progress bar on a terminal.
    Raises:
        ValueError: an unknown source or seed, or an original that is not what it should be.
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
        self, source: str = "iwae", seed: int = 0, progress: bool = True
    ) -> None:
        if source not in LENGTHS:
            raise ValueError(
                f"'source' must be one of {', '.join(LENGTHS)}; got {source!r}"
            )
        if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
            raise ValueError(f"'seed' must be an integer of at least 0; got {seed!r}")
        learn, test = LENGTHS[source]
        packed = load_converted(
            f"omniglot-{source}-{seed}-v1",
            (learn + test, SIDE * SIDE // 8),
            lambda: _read_blocks(source, seed, progress),
            "converting omniglot",
            2,
            progress,
        )
        lengths = {"train": learn - VALID, "valid": VALID, "test": test}
        super().__init__("omniglot", (1, SIDE, SIDE), lengths, packed=packed)

    @staticmethod
    def options_of(folder: Path) -> dict[str, Any]:
        """The options that the original files in ``folder`` call for."""
        with originals.look_in_folder(folder):
            names = (IWAE.name, PACKED.name, *(original.name for original in ZIPS))
            here = [name for name in names if originals.find_original("omniglot", name)]
        return {"source": "lake"} if here and IWAE.name not in here else {}


def _read_blocks(source: str, seed: int, progress: bool) -> Iterable[np.ndarray]:
    """The images to learn from, in the order of a draw, and those to test on."""
    if source == "iwae":
        parts = _read_iwae(originals.obtain_original("omniglot", IWAE, progress))
    elif (packed := originals.find_original("omniglot", PACKED.name)) is not None:
        originals.check_nature(packed, PACKED)
        parts = _read_packed(packed)
    else:
        parts = _read_zips(
            [
                originals.obtain_original("omniglot", original, progress)
                for original in ZIPS
            ]
        )
    return _draw_binary(parts, seed)


def _draw_binary(parts: Iterable[np.ndarray], seed: int) -> Iterator[np.ndarray]:
    """Bit-packed draws of grey images (n, 784) in [0, 1]; the first part also in a drawn order."""
    # Raw numbers of a bit generator are the same in every version of numpy; its draws may not be.
    bits = np.random.PCG64(seed)
    for number, grey in enumerate(parts):
        if number == 0:
            grey = grey[np.argsort(bits.random_raw(len(grey)), kind="stable")]
        uniform = (bits.random_raw(grey.size) >> np.uint64(11)) * 2.0**-53
        yield np.packbits(uniform.reshape(grey.shape) < grey, axis=1)


def _read_iwae(path: Path) -> Iterator[np.ndarray]:
    learn, test = LENGTHS["iwae"]
    found = read_matrices(
        path, {"data": (SIDE * SIDE, learn), "testdata": (SIDE * SIDE, test)}
    )
    for key in ("data", "testdata"):
        # A column of the matrix is an image, column by column.
        grey = (
            found[key].T.reshape(-1, SIDE, SIDE).swapaxes(1, 2).reshape(-1, SIDE * SIDE)
        )
        if not (grey.min() >= 0 and grey.max() <= 1):
            raise ValueError(
                f"{str(path)!r}: expected {key!r} in [0, 1], got values from "
                f"{grey.min()} to {grey.max()}; replace it"
            )
        yield grey


def _read_packed(path: Path) -> Iterator[np.ndarray]:
    with (
        originals.explain_read_errors(path, "an .npz file of Omniglot"),
        np.load(path) as content,
    ):
        found = {key: content[key] for key in CONTENT}
        for (key, images), length in zip(found.items(), LENGTHS["lake"], strict=True):
            if images.shape != (length, SIDE, SIDE) or images.dtype != np.uint8:
                raise ValueError(
                    f"expected {key!r} uint8 of shape {(length, SIDE, SIDE)}, got "
                    f"{images.dtype} of shape {images.shape}"
                )
            came = hashlib.sha256(images.tobytes()).hexdigest()
            if came != CONTENT[key]:
                raise ValueError(
                    f"expected sha256 {CONTENT[key]} of {key!r}, got {came}"
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


def read_drawings(path: Path) -> Iterator[np.ndarray]:
    """The drawings of an official zip archive, by alphabet, character and drawer.

    Yields:
        Ink on white as grey levels of ink, uint8 (28, 28), averaged over the pixels they cover.

    Raises:
        ValueError: the archive or an image in it is not what it should be.
    """
    for name, content in read_members(path, ".png"):
        with originals.explain_read_errors(
            f"{path}/{name}", "a PNG image of 105 × 105 pixels"
        ):
            with Image.open(BytesIO(content), formats=["PNG"]) as image:
                paper = np.asarray(image.convert("L"))
            if paper.shape != (105, 105):
                raise ValueError(f"got {paper.shape[1]} × {paper.shape[0]}")
        yield resize_image(255 - paper, SIDE, Image.Resampling.BOX)
