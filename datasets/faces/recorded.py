"""The images of the papers, from the authors' file, where someone has it."""

import pickle
from collections.abc import Iterator
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

FILE = "basel_face_renders.pth"
CACHE = "faces3d-basel-renders-v1"


def make_stem(path: Path) -> str:
    """Name of the converted file's cache: it changes when the file's size or time does."""
    status = path.stat()
    return f"{CACHE}-{status.st_size}-{status.st_mtime_ns}"


def read_blocks(
    path: Path, sizes: tuple[int, ...], pixels: int
) -> Iterator[np.ndarray]:
    """Images of the authors' file, uint8 (images of an identity, pixels) at a time.

    It holds one tensor of bytes whose first axes are the factors, or their product. Nothing but
    tensors is unpickled from it.

    References: Chen et al. 2018, Isolating Sources of Disentanglement in VAEs (the code).
    Args:
        path: the ``.pth`` file.
        sizes: number of levels of each factor, identity first.
        pixels: values of an image.

    Raises:
        ValueError: the file does not hold those images; what was expected and came is named.
    """
    images = _read_tensor(path)
    count, side = prod(sizes), int(np.sqrt(pixels))
    shapes = [(*sizes, side, side), (count, side, side), (count, 1, side, side)]
    if images.dtype != torch.uint8 or tuple(images.shape) not in shapes:
        raise _refuse_file(
            path,
            f"expected a uint8 tensor of shape {shapes[0]}, got "
            f"{images.dtype} of shape {tuple(images.shape)}",
        )
    yield from images.reshape(sizes[0], -1, pixels).numpy()


def _read_tensor(path: Path) -> Tensor:
    try:
        images = torch.load(path, map_location="cpu", weights_only=True)
    except (
        pickle.UnpicklingError,
        RuntimeError,
        ValueError,
        EOFError,
        OSError,
        KeyError,
    ) as error:
        reason = str(error).partition("\n")[0]
        raise _refuse_file(
            path,
            f"expected a tensor that torch.load reads with weights_only, got "
            f"{type(error).__name__}: {reason}",
        ) from error
    if not isinstance(images, Tensor):
        raise _refuse_file(path, f"expected a tensor, got {type(images).__name__}")
    return images


def _refuse_file(path: Path, reason: str) -> ValueError:
    return ValueError(
        f"{str(path)!r} is not the authors' file of faces: {reason}; replace it, or "
        "take model='procedural', which needs no file"
    )
