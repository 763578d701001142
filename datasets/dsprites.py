"""dSprites: white shapes on black, every combination of five factors."""

from collections.abc import Mapping, Sequence
from math import prod

from priorbench.datasets.about import About, Original, describe_sizes
from priorbench.datasets.base import FactorDataset, register
from priorbench.datasets.factor_grid import choose_levels, list_complete_factors
from priorbench.datasets.files.convert import convert_file
from priorbench.datasets.files.originals import find_original
from priorbench.datasets.sprites import official_file
from priorbench.datasets.sprites.render import FACTORS, SHAPES, SIDE, render_grid
from priorbench.datasets.stored_grid import load_rendered, pick_images

CACHE = "dsprites-rendered-v1"
"""Cache file of the rendered images; the number goes up whenever an image changes."""


@register("dsprites")
class DSprites(FactorDataset):
    """Binary 64 × 64 images of a square, an ellipse or a heart, 737,280 in all.

    Scales run from 0.5 to 1, orientations over a full turn with both ends, positions
    from 1/4 to 3/4 of the image, posX to the right and posY downwards. The orientation
    is cyclic, but a square looks the same after a quarter turn and an ellipse after
    half a turn: only the heart's can be told from the image.

    The images are rendered and kept in the data folder (environment variable
    PRIORBENCH_DATA), unless the official file
    ``dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz`` is there, which is then used.

    References: Matthey et al. 2017, dSprites: disentanglement testing sprites dataset.
    Args:
        factors: levels to keep, by factor: positions, or names for the shape. The
            others keep all. The result is a smaller complete grid, in the order of the
            full one whatever the order given; if the full grid is not cached, only
            the smaller one is rendered, in memory.
        progress: show a progress bar on a terminal.
    Raises:
        ValueError: a level or factor that does not exist, is repeated or missing; or an
            official file that is not what it should be.
        OSError: the data folder cannot be written.
    Example:
        >>> kept = {"shape": ["heart"], "scale": [5], "orientation": [0]}
        >>> data = DSprites(factors=kept)
        >>> data.factor_sizes, len(data), data.images([0]).shape
        ((1, 1, 1, 32, 32), 1024, torch.Size([1, 1, 64, 64]))
    """

    about = About(
        "white shapes on black",
        "Apache-2.0",
        "https://github.com/deepmind/dsprites-dataset",
        describe_sizes(FACTORS),
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
        self.levels = choose_levels(FACTORS, factors, {"shape": SHAPES})
        image_bytes = self.about.image_bytes
        path = find_original("dsprites", official_file.FILE)
        if path is None:
            packed = load_rendered(
                CACHE,
                FACTORS,
                self.levels,
                image_bytes,
                render_grid,
                "rendering dSprites",
                progress,
            )
        else:
            sizes = tuple(FACTORS.values())
            packed = convert_file(
                path,
                official_file.CACHE,
                (prod(sizes), image_bytes),
                lambda path: official_file.read_packed_images(path, sizes),
                progress,
            )
            packed = pick_images(packed, FACTORS, self.levels)
        super().__init__(
            "dsprites",
            FACTORS,
            map(len, self.levels),
            (1, SIDE, SIDE),
            packed=packed,
            excluded_factors=("shape",),
            cyclic_factors=list_complete_factors(FACTORS, self.levels, ["orientation"]),
            position_factors=("posX", "posY"),
        )
