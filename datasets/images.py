"""Images in compact arrays, and datasets of them with splits but no known factors."""

from collections.abc import Iterable, Mapping, Sequence
from math import prod

import numpy as np
import torch
from torch import Tensor

from priorbench.datasets.arguments import check_positive
from priorbench.registry import suggest_names

Indices = Sequence[int] | np.ndarray | Tensor


class Images:
    """Images of one shape, kept at one bit or one byte per pixel.

    Only the images asked for become floating point; the arrays may be memory-mapped. An
    author passes ``packed`` for binary images or ``pixels`` for grey and coloured ones,
    and otherwise overrides :meth:`read_images` and ``__len__``.

    Args:
        name: what errors call them.
        image_shape: (channels, height, width).
        packed: binary images, uint8 (N, ceil(channels * height * width / 8)), in the
            bit order of ``numpy.packbits`` (most significant bit first).
        pixels: grey or coloured images, uint8 (N, channels * height * width), channel
            by channel; 255 stands for 1.

    Raises:
        ValueError: an argument that does not fit the others; the message names it.

    Example:
        >>> stored = np.array([[0, 51, 255]], dtype=np.uint8)
        >>> ramp = Images("ramp", (1, 1, 3), pixels=stored)
        >>> len(ramp), [round(x, 3) for x in ramp.images([0]).flatten().tolist()]
        (1, [0.0, 0.2, 1.0])
    """

    def __init__(
        self,
        name: str,
        image_shape: Iterable[int],
        *,
        packed: np.ndarray | None = None,
        pixels: np.ndarray | None = None,
    ) -> None:
        self.name = name
        self.image_shape = check_positive("image_shape", image_shape)
        if len(self.image_shape) != 3:
            raise ValueError(
                "'image_shape' must be (channels, height, width); "
                f"got {self.image_shape}"
            )
        if packed is not None and pixels is not None:
            raise ValueError("'packed' and 'pixels' must not both be given")
        self.packed = packed
        self.pixels = pixels

    def __len__(self) -> int:
        """Return the number of images, N."""
        stored = self.pixels if self.packed is None else self.packed
        if stored is None:
            raise NotImplementedError(f"{type(self).__name__} must define __len__")
        return len(stored)

    def images(self, indices: Indices) -> Tensor:
        """Return the images at ``indices`` (n,).

        Returns:
            float32 (n, channels, height, width) in [0, 1].

        Raises:
            IndexError: an index is negative, or not below the length.
            ValueError: the indices are not one-dimensional integers, or the images of a
                class of your own are not what they must be.
        """
        rows = self._check_indices(indices)
        images = self.read_images(rows)
        if type(self).read_images is not Images.read_images:
            self._check_images(images, len(rows))
        return images

    def _check_images(self, images: Tensor, count: int) -> None:
        """Check what a subclass has read."""
        expected = (count, *self.image_shape)
        right = isinstance(images, Tensor) and images.dtype == torch.float32
        if not right or images.shape != expected:
            got = type(images).__name__
            if isinstance(images, Tensor):
                got = f"{images.dtype} of shape {tuple(images.shape)}"
            raise ValueError(
                f"{type(self).__name__}.read_images must return a float32 tensor of "
                f"shape {expected}; it returned {got}"
            )
        if count:
            low, high = (value.item() for value in images.aminmax())
            if not (low >= 0 and high <= 1):  # NaN is neither
                raise ValueError(
                    f"{type(self).__name__}.read_images must return values in [0, 1]; "
                    f"they lie in [{low:.4g}, {high:.4g}]"
                )

    def read_images(self, rows: np.ndarray) -> Tensor:
        """Return the images at ``rows``, valid int64 (n,); only these are read."""
        if self.packed is not None:
            count = prod(self.image_shape)
            flat = np.unpackbits(self.packed[rows], axis=1, count=count)
            return torch.from_numpy(flat).view(len(rows), *self.image_shape).float()
        if self.pixels is not None:
            flat = torch.from_numpy(self.pixels[rows])
            return flat.view(len(rows), *self.image_shape).float().div_(255)
        raise NotImplementedError(
            f"{type(self).__name__} must define read_images(rows)"
        )

    def _check_indices(self, indices: Indices) -> np.ndarray:
        """Check indices, and return them as int64."""
        if isinstance(indices, Tensor):
            indices = indices.detach().cpu().numpy()
        rows = np.asarray(indices)
        if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
            raise ValueError(
                "'indices' must be a one-dimensional sequence of integers; "
                f"got {rows.dtype} of shape {rows.shape}"
            )
        wrong = rows[(rows < 0) | (rows >= len(self))]
        if wrong.size:
            raise IndexError(
                f"index {wrong[0]} is out of range for dataset {self.name!r} "
                f"of length {len(self)}"
            )
        return rows.astype(np.int64)

    def _check_stored(self, count: int) -> None:
        """Check the shape and type of the stored array of ``count`` images."""
        size = prod(self.image_shape)
        for argument, stored, width in (
            ("packed", self.packed, -(-size // 8)),
            ("pixels", self.pixels, size),
        ):
            if stored is None:
                continue
            expected = (count, width)
            if stored.shape != expected or stored.dtype != np.uint8:
                raise ValueError(
                    f"{argument!r} must be uint8 of shape {expected}; "
                    f"got {stored.dtype} of shape {stored.shape}"
                )


class ImageDataset(Images):
    """Images without known factors, in named splits: train, valid and test.

    As a whole it holds the images of all splits, one split after the other;
    :meth:`split` is one of them. A model trains on ``train``, stops early by ``valid``
    and is scored on ``test``. No metric that needs factors, such as MIG, is defined
    on it.

    Args:
        name: the dataset's name, used in errors.
        image_shape: (channels, height, width).
        lengths: number of images of each split, in their order; ``train`` is among
            them.
        packed, pixels: the images, as for :class:`Images`; one of the two.

    Raises:
        ValueError: an argument that does not fit the others; the message names it.

    Example:
        >>> bits = np.packbits(np.eye(4, dtype=np.uint8), axis=1)
        >>> data = ImageDataset("dots", (1, 2, 2), {"train": 3, "test": 1}, packed=bits)
        >>> data, len(data.split("train"))
        (<dots: 4 images; train=3, test=1>, 3)
        >>> data.split("test").images([0]).tolist()
        [[[[0.0, 0.0], [0.0, 1.0]]]]
    """

    def __init__(
        self,
        name: str,
        image_shape: Iterable[int],
        lengths: Mapping[str, int],
        *,
        packed: np.ndarray | None = None,
        pixels: np.ndarray | None = None,
    ) -> None:
        super().__init__(name, image_shape, packed=packed, pixels=pixels)
        if "train" not in lengths:
            raise ValueError(
                f"'lengths' must give the length of 'train'; got {dict(lengths)}"
            )
        checked = check_positive("lengths", lengths.values())
        self.lengths = dict(zip(lengths, checked, strict=True))
        if packed is None and pixels is None:
            raise ValueError("one of 'packed' and 'pixels' must be given")
        self._check_stored(sum(self.lengths.values()))

    def __repr__(self) -> str:
        """Return the name, the length and the splits."""
        splits = ", ".join(f"{name}={length}" for name, length in self.lengths.items())
        return f"<{self.name}: {len(self)} images; {splits}>"

    def split(self, name: str) -> Images:
        """Return the images of one split; nothing is copied.

        Raises:
            ValueError: there is no such split.
        """
        if name not in self.lengths:
            raise ValueError(
                f"dataset {self.name!r} has no split {name!r}; "
                f"{suggest_names(name, list(self.lengths))}"
            )
        before = list(self.lengths).index(name)
        start = sum(list(self.lengths.values())[:before])
        rows = slice(start, start + self.lengths[name])
        return Images(
            f"{self.name} ({name})",
            self.image_shape,
            packed=None if self.packed is None else self.packed[rows],
            pixels=None if self.pixels is None else self.pixels[rows],
        )
