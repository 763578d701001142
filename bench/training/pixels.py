"""A data set's images on a device, as they are stored; made float batch by batch."""

import math
import warnings

import torch
from torch import Tensor
from torch.nn import functional

from priorbench.compiled import fuse_on_gpu, is_fused
from priorbench.datasets.images import Images


class Pixels:
    """All images of a data set, resident on ``device``.

    Binary images stay packed, eight pixels to a byte, and grey or coloured ones bytes;
    a batch becomes float32 only when it is drawn. Only the images of a data set that
    has neither are kept as float32.

    Args:
        dataset: the images.
        device: where they stay.
    """

    def __init__(self, dataset: Images, device: torch.device) -> None:
        self.shape = dataset.image_shape
        self.size = len(dataset)
        self._bits: Tensor | None = None
        stored = dataset.pixels if dataset.packed is None else dataset.packed
        if stored is None:
            self._images = dataset.images(torch.arange(self.size)).flatten(1).to(device)
            return
        with warnings.catch_warnings():
            # the cache is mapped read-only; nothing here writes to it
            warnings.filterwarnings(
                "ignore", message="The given NumPy array is not writ"
            )
            self._images = torch.from_numpy(stored).to(device)
        if dataset.packed is not None:
            every_byte = torch.arange(256, dtype=torch.uint8)
            shifts = torch.arange(7, -1, -1, dtype=torch.uint8)
            self._bits = _unpack_bits(every_byte, shifts).to(device)
            self._shifts = shifts.to(device)

    def __len__(self) -> int:
        """Return the number of images."""
        return self.size

    def __getitem__(self, indices: Tensor) -> Tensor:
        """Return images at ``indices`` (...), float32 (..., pixels) in [0, 1]."""
        rows = self._images[indices.to(self._images.device)]
        if self._bits is None:
            return rows.float() / 255 if rows.dtype == torch.uint8 else rows
        if is_fused(rows):
            pixels = _unpack_bits(rows, self._shifts)
        else:
            pixels = functional.embedding(rows.int(), self._bits)
        return pixels.flatten(-2)[..., : math.prod(self.shape)]


@fuse_on_gpu
def _unpack_bits(rows: Tensor, shifts: Tensor) -> Tensor:
    """Return the bits of bytes (...), float32 (..., 8)."""
    return (rows[..., None] >> shifts & 1).float()
