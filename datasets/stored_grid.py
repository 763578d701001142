"""Complete grids of images that are kept in the data folder, converted or rendered."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import prod

import numpy as np

from priorbench.datasets.base import FactorDataset
from priorbench.datasets.converted_images import ConvertedImages
from priorbench.datasets.factor_grid import (
    Levels,
    choose_levels,
    find_grid_rows,
    list_complete_factors,
)
from priorbench.datasets.files.cache import read_cache
from priorbench.datasets.files.convert import obtain_images, track_images


class StoredGrid(ConvertedImages, FactorDataset):
    """A complete grid of images that are converted once from original files.

    An author gives the class ``about``, with the original files, and overrides
    :meth:`convert`, which gives the images in the order of the grid. They are kept in
    the data folder, a bit or a byte per pixel as ``about.binary`` says.

    Args:
        name: the dataset's name.
        sizes: number of levels of each factor, the first one varying slowest.
        factors: levels to keep, by factor, from 0; the others keep all.
        version: of the converted images; it goes up whenever one of them changes.
        excluded_factors: factors that the published MIG leaves out.
        nuisance_factors: factors that no metric counts.
        cyclic_factors: factors with levels that are equally spaced on a circle; those
            of which some levels are left out do not count as cyclic.
        progress: show progress bars on a terminal.

    Raises:
        ValueError: a level that does not exist, or an original that is not what it
            should be.
        OSError: an original is not here and cannot be downloaded, or the data folder
            cannot be written.
    """

    def __init__(
        self,
        name: str,
        sizes: Mapping[str, int],
        factors: Mapping[str, Sequence[int]] | None = None,
        *,
        version: int = 1,
        excluded_factors: Sequence[str] = (),
        nuisance_factors: Sequence[str] = (),
        cyclic_factors: Sequence[str] = (),
        progress: bool = True,
    ) -> None:
        self.levels = choose_levels(sizes, factors)
        super().__init__(
            name,
            sizes,
            map(len, self.levels),
            self.about.image_shape,
            excluded_factors=excluded_factors,
            nuisance_factors=nuisance_factors,
            cyclic_factors=list_complete_factors(sizes, self.levels, cyclic_factors),
        )
        count = prod(sizes.values())
        images = self.obtain_converted(f"{name}-v{version}", count, progress)
        images = pick_images(images, sizes, self.levels)
        if self.about.binary:
            self.packed = images
        else:
            self.pixels = images


def load_rendered(
    name: str,
    sizes: Mapping[str, int],
    levels: Levels,
    image_bytes: int,
    render: Callable[[Levels], Iterable[np.ndarray]],
    title: str,
    progress: bool = True,
) -> np.ndarray:
    """Return the images of a grid that is rendered.

    The complete grid is rendered once and kept in the data folder. A smaller one is
    taken from it, or rendered in memory where the complete one is not kept.

    Args:
        name: of the cache file; it has a version, which goes up whenever an image
            changes.
        sizes: number of levels of each factor of the complete grid.
        levels: levels of each factor that are kept.
        image_bytes: bytes of an image.
        render: renders the images of a grid of levels, uint8 (n, image_bytes) at a
            time.
        title: of the progress bar.
        progress: show a progress bar on a terminal.

    Returns:
        uint8 (N, image_bytes).

    Raises:
        OSError: the data folder cannot be written.
    """
    shape = (prod(sizes.values()), image_bytes)
    images = read_cache(name, shape)
    if images is None and not _is_complete(sizes, levels):
        count = prod(map(len, levels))
        return np.concatenate(
            list(track_images(render(levels), title, count, progress))
        )
    if images is None:
        complete = choose_levels(sizes)
        images = obtain_images(name, shape, lambda: render(complete), title, progress)
    return pick_images(images, sizes, levels)


def pick_images(
    images: np.ndarray,
    sizes: Mapping[str, int],
    levels: Levels,
) -> np.ndarray:
    """Return the images of a sub-grid; the array itself if that is the complete grid.

    Args:
        images: of the complete grid, (N, bytes of each one).
        sizes: number of levels of each factor of the complete grid.
        levels: levels of each factor that are kept.
    """
    if _is_complete(sizes, levels):
        return images
    return np.asarray(images[find_grid_rows(sizes.values(), levels)])


def _is_complete(sizes: Mapping[str, int], levels: Levels) -> bool:
    return tuple(map(len, levels)) == tuple(sizes.values())
