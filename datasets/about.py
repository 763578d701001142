"""The description of a dataset: its origin, its licence, and what it holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod


@dataclass(frozen=True)
class Original:
    """A file of a dataset as its authors distribute it.

    Args:
        name: file name.
        urls: addresses to download it from, in the order to try; empty if there is
            none.
        checksum: ``"sha256:..."`` or ``"md5:..."`` in hexadecimal; None if none is
            known, and then a warning says that the file is not verified.
    """

    name: str
    urls: tuple[str, ...] = ()
    checksum: str | None = None

    @classmethod
    def in_folders(
        cls,
        name: str,
        folders: tuple[str, ...],
        checksum: str | None = None,
    ) -> "Original":
        """Return a file that is at the same name in each of several folders.

        Args:
            name: file name.
            folders: addresses that end with a slash, in the order to try.
            checksum: as for the class.

        Example:
            >>> Original.in_folders("a.zip", ("https://example.org/data/",)).urls
            ('https://example.org/data/a.zip',)
        """
        return cls(name, tuple(folder + name for folder in folders), checksum)


@dataclass(frozen=True)
class About:
    """The description of a dataset; a dataset's class carries one as ``about``.

    Args:
        title: what the images show.
        licence: of the data, "none stated" if its authors give none.
        source: address of the page that describes it.
        factors: the factors and their sizes in words, or the splits.
        images: number of images.
        image_shape: (channels, height, width).
        binary: whether a pixel takes one bit rather than a byte.
        originals: files that it is made from.

    Example:
        >>> corners = About(
        ...     "corners", "MIT", "https://example.org", "y 2, x 2", 4, (1, 2, 2), True
        ... )
        >>> corners.shape, corners.stored_bytes
        ('4 × 1×2×2, binary', 4)
    """

    title: str
    licence: str
    source: str
    factors: str
    images: int
    image_shape: tuple[int, int, int]
    binary: bool = False
    originals: tuple[Original, ...] = ()

    @property
    def shape(self) -> str:
        """Return the number and shape of the images in words."""
        if self.binary:
            kind = "binary"
        else:
            kind = "grey" if self.image_shape[0] == 1 else "colour"
        shape = "×".join(map(str, self.image_shape))
        return f"{self.images:,} × {shape}, {kind}"

    @property
    def image_bytes(self) -> int:
        """Return the number of bytes that one converted image takes."""
        pixels = prod(self.image_shape)
        return -(-pixels // 8) if self.binary else pixels

    @property
    def stored_bytes(self) -> int:
        """Return the number of bytes that all converted images take."""
        return self.images * self.image_bytes


def describe_sizes(sizes: Mapping[str, int]) -> str:
    """Return the factors and their numbers of levels in words.

    Example:
        >>> describe_sizes({"shape": 3, "scale": 6})
        'shape 3, scale 6'
    """
    return ", ".join(f"{factor} {size}" for factor, size in sizes.items())
