"""dSprites: white shapes on black, every combination of five factors."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import prod

import numpy as np
from rich.console import Console
from rich.progress import track

from priorbench.datasets.files import cache, originals
from priorbench.datasets.sprites import official_file
from priorbench.datasets.about import About, Original
from priorbench.datasets.base import FactorDataset, register
from priorbench.datasets.sprites.render import FACTORS, SHAPES, SIDE, render_grid
from priorbench.datasets.factor_grid import choose_levels, find_grid_rows

CACHE = "dsprites-rendered-v1"
"""Cache file of the rendered images; the number goes up whenever an image changes."""


@register("dsprites")
class DSprites(FactorDataset):
    """Binary 64 x 64 images of a square, an ellipse or a heart, 737,280 in all.

    Scales run from 0.5 to 1, orientations over a full turn with both ends, positions from 1/4 to
    3/4 of the image, posX to the right and posY downwards. The images are rendered and kept in
    the data folder (environment variable PRIORBENCH_DATA), unless the official file
    ``dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz`` is there, which is then used.

    References: Matthey et al. 2017, dSprites: disentanglement testing sprites dataset.
    Args:
        factors: levels to keep, by factor: positions, or names for the shape. The others keep
            all. The result is a smaller complete grid, in the order of the full one whatever
            the order given; without cached images only it is rendered, in memory.
        progress: show a progress bar on a terminal.
    Raises:
        ValueError: a level or factor that does not exist, is repeated or missing; or an official
            file that is not what it should be.
        OSError: the data folder cannot be written.
    Example:
        >>> data = DSprites(factors={"shape": ["heart"], "scale": [5], "orientation": [0]})
        >>> data.factor_sizes, len(data), data.images([0]).shape
        ((1, 1, 1, 32, 32), 1024, torch.Size([1, 1, 64, 64]))
    """

    about = About(
        "white shapes on black",
        "Apache-2.0",
        "https://github.com/deepmind/dsprites-dataset",
        ", ".join(f"{name} {size}" for name, size in FACTORS.items()),
        prod(FACTORS.values()),
        (1, SIDE, SIDE),
        binary=True,
        originals=(Original(official_file.FILE),),
    )

    def __init__(
        self,
        factors: Mapping[str, Sequence[int | str]] | None = None,
        progress: bool = True,
    ) -> None:
        self.levels = choose_levels(FACTORS, factors or {}, {"shape": SHAPES})
        super().__init__(
            "dsprites",
            FACTORS,
            map(len, self.levels),
            (1, SIDE, SIDE),
            packed=_load_packed(self.levels, progress),
            excluded_factors=("shape",),
        )


def _load_packed(levels: Sequence[Sequence[int]], progress: bool) -> np.ndarray:
    """Bit-packed images of the grid of ``levels``, uint8 (N, 512)."""
    whole = [range(size) for size in FACTORS.values()]
    shape = (prod(map(len, whole)), SIDE * SIDE // 8)
    everything = tuple(map(len, levels)) == tuple(FACTORS.values())
    packed = _load_official(shape, progress)
    if packed is None:
        packed = cache.read_cache(CACHE, shape)
    if packed is None and not everything:
        blocks = _show_progress(
            "rendering dSprites", render_grid(levels), levels, progress
        )
        return np.concatenate(list(blocks))
    if packed is None:
        blocks = _show_progress(
            "rendering dSprites", render_grid(whole), whole, progress
        )
        packed = cache.write_cache(CACHE, shape, blocks)
    return (
        packed
        if everything
        else np.asarray(packed[find_grid_rows(FACTORS.values(), levels)])
    )


def _load_official(shape: tuple[int, int], progress: bool) -> np.ndarray | None:
    """Bit-packed images of the official file, None where there is no such file."""
    path = originals.find_original("dsprites", official_file.FILE)
    if path is None:
        return None
    stem = official_file.make_stem(path)
    packed = cache.read_cache(stem, shape)
    if packed is None:
        levels = [range(size) for size in FACTORS.values()]
        blocks = official_file.read_packed_blocks(path, tuple(FACTORS.values()))
        packed = cache.write_cache(
            stem,
            shape,
            _show_progress(f"reading {path.name}", blocks, levels, progress),
        )
        official_file.forget_others(stem)
    return packed


def _show_progress(
    title: str,
    blocks: Iterable[np.ndarray],
    levels: Sequence[Sequence[int]],
    progress: bool,
) -> Iterator[np.ndarray]:
    """The blocks, one for each shape, scale and orientation, behind a progress bar."""
    silent = not (progress and sys.stderr.isatty())
    total = prod(map(len, levels[:3]))
    console = Console(stderr=True)
    yield from track(
        blocks, title, total, console=console, transient=True, disable=silent
    )
