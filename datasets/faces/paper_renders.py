"""The images of the papers, from the authors' file, where someone has it."""

from collections.abc import Iterator
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from priorbench.datasets.files.verify import explain_read_errors

FILE = "basel_face_renders.pth"
CACHE = "faces3d-basel-renders-v1"
"""What the names of its conversions begin with."""


def read_renders(path: Path, sizes: tuple[int, ...], side: int) -> Iterator[np.ndarray]:
    """Yield the images of the authors' file, those of an identity at a time.

    It holds one tensor of bytes; its first axes are the factors, or their product.
    Nothing but tensors is unpickled from it.

    References: Chen et al. 2018, Isolating Sources of Disentanglement in VAEs (the
    code).
    Args:
        path: the ``.pth`` file.
        sizes: number of levels of each factor, identity first.
        side: height and width of an image.

    Yields:
        uint8 (images of an identity, side * side).

    Raises:
        ValueError: the file does not hold those images; the message has what was
            expected and what came.
    """
    count = prod(sizes)
    shapes = [(*sizes, side, side), (count, side, side), (count, 1, side, side)]
    remedy = "replace it, or take model='procedural', which needs no file"
    with explain_read_errors(path, "the authors' file of faces", remedy):
        images = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(images, Tensor):
            raise ValueError(f"expected a tensor, got {type(images).__name__}")
        shape = tuple(images.shape)
        if images.dtype != torch.uint8 or shape not in shapes:
            raise ValueError(
                f"expected a uint8 tensor of shape {shapes[0]}, got "
                f"{images.dtype} of shape {shape}"
            )
    yield from images.reshape(sizes[0], -1, side * side).numpy()
