"""A dataset's images on a device: bits or bytes as they are stored, made float batch by batch."""

import warnings

import torch
from torch import Tensor
from torch.nn import functional

from priorbench.datasets.images import Images
from priorbench.compiled import fuse_on_gpu


class Pixels:
    """All images of a dataset, resident on ``device``.

    Binary images stay packed, eight pixels to a byte, and grey or coloured ones bytes; a batch
    becomes float32 only when drawn. Only a dataset that has neither is kept as float32.

    Args:
        dataset: whose images they are.
        device: where they stay.
    """

    def __init__(self, dataset: Images, device: torch.device) -> None:
        self.shape = dataset.image_shape
        self.size = len(dataset)
        self._bits = None
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
        if dataset.packed is None:
            return
        self._shifts = torch.arange(7, -1, -1, dtype=torch.uint8, device=device)
        self._bits = _unpack_bits(
            torch.arange(256, dtype=torch.uint8), self._shifts.cpu()
        ).to(device)

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, indices: Tensor) -> Tensor:
        """Images at ``indices`` (...), float32 (..., pixels) in [0, 1]."""
        indices = indices.to(self._images.device)
        rows = self._images[indices]
        if self._bits is None:
            return rows.float() / 255 if rows.dtype == torch.uint8 else rows
        if rows.device.type == "cpu":
            pixels = functional.embedding(rows.int(), self._bits).flatten(-2)
        else:
            pixels = _unpack_bits(rows, self._shifts).flatten(-2)
        return pixels[..., : self.shape[0] * self.shape[1] * self.shape[2]]


@fuse_on_gpu
def _unpack_bits(rows: Tensor, shifts: Tensor) -> Tensor:
    """The bits of bytes (...), float32 (..., 8)."""
    return (rows[..., None] >> shifts & 1).float()
