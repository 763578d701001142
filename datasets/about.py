"""What is said about a dataset: where it comes from, under which licence, what it holds."""

from dataclasses import dataclass
from math import prod


@dataclass(frozen=True)
class Original:
    """A file of a dataset as its authors distribute it.

    Args:
        name: file name.
        urls: where it can be downloaded, in the order to try; empty if nowhere.
        checksum: ``"sha256:..."`` or ``"md5:..."`` in hexadecimal; None if none is known, and
            then what was downloaded is said to be unverified.
    """

    name: str
    urls: tuple[str, ...] = ()
    checksum: str | None = None


@dataclass(frozen=True)
class About:
    """A dataset in a few words; a dataset's class carries one as ``about``.

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
        >>> corners = About("corners", "MIT", "https://example.org", "y 2, x 2", 4, (1, 2, 2), True)
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
        """Number and shape of the images in words."""
        kind = (
            "binary"
            if self.binary
            else "grey"
            if self.image_shape[0] == 1
            else "colour"
        )
        return f"{self.images:,} × {'×'.join(map(str, self.image_shape))}, {kind}"

    @property
    def stored_bytes(self) -> int:
        """Bytes that the converted images take in the data folder."""
        size = prod(self.image_shape)
        return self.images * (-(-size // 8) if self.binary else size)
