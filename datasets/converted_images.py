"""Images that are converted once from original files, and kept in the data folder."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from priorbench.datasets.about import About
from priorbench.datasets.files.convert import obtain_images
from priorbench.datasets.files.originals import obtain_original


class ConvertedImages:
    """What :class:`StoredGrid` and :class:`StoredSplits` share.

    An author gives the class ``about``, with the original files, and overrides
    :meth:`convert`.
    """

    about: ClassVar[About]
    name: str

    def find_originals(self, progress: bool) -> dict[str, Path]:
        """Return the paths of the original files by their names: found or downloaded.

        By default they are all of ``about.originals``. Override it where not all are
        needed, or where other files will do.

        Args:
            progress: show the progress of downloads on a terminal.

        Raises:
            ValueError: a file is not what it should be.
            OSError: a file is not here and cannot be downloaded.
        """
        return {
            original.name: obtain_original(self.name, original, progress)
            for original in self.about.originals
        }

    def convert(self, paths: Mapping[str, Path]) -> Iterable[np.ndarray]:
        """Return all images in their order, a number of them at a time.

        Args:
            paths: of the original files, by their names.

        Returns:
            uint8 (n, C * H * W), channel by channel, 255 for 1; if they are binary,
            uint8 (n, ceil(C * H * W / 8)) in the bit order of ``numpy.packbits``.

        Raises:
            ValueError: a file is not what it should be.
        """
        raise NotImplementedError(f"{type(self).__name__} must define convert(paths)")

    def obtain_converted(
        self,
        cache_name: str,
        count: int,
        progress: bool,
    ) -> np.ndarray:
        """Return all images, memory-mapped; convert them if they are not here.

        Args:
            cache_name: name of the cache file.
            count: number of images.
            progress: show progress bars on a terminal.
        """
        return obtain_images(
            cache_name,
            (count, self.about.image_bytes),
            lambda: self.convert(self.find_originals(progress)),
            f"converting {self.name}",
            progress,
        )
