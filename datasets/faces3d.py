"""3D Faces: heads by identity, azimuth, elevation and lighting, rendered here."""

from collections.abc import Iterator, Mapping, Sequence
from math import prod

import numpy as np
from joblib import Parallel, cpu_count, delayed

from priorbench.datasets.about import About, describe_sizes
from priorbench.datasets.arguments import check_seed
from priorbench.datasets.base import FactorDataset, register
from priorbench.datasets.faces import paper_renders
from priorbench.datasets.faces.camera import light_direction
from priorbench.datasets.faces.head_models import HeadModel, find_head_model
from priorbench.datasets.faces.render import SIDE, render_head
from priorbench.datasets.factor_grid import Levels, choose_levels
from priorbench.datasets.files.convert import convert_file
from priorbench.datasets.files.originals import locate_original
from priorbench.datasets.stored_grid import load_rendered, pick_images

FACTORS = {"identity": 50, "azimuth": 21, "elevation": 11, "lighting": 11}
AZIMUTHS = (-90.0, 90.0)
"""Degrees of the first and last level: from one profile to the other."""
ELEVATIONS = (-40.0, 40.0)
"""Likewise: from below to above. All levels are equally spaced."""
LIGHTINGS = (-75.0, 75.0)
"""Likewise, of the light: from the viewer's left to the right."""
LIGHT_HEIGHT = 30.0
"""Degrees of the light above the camera."""
CACHE = "faces3d-v1"
"""Cache files of rendered images; the number goes up whenever an image changes."""
TASK_AZIMUTHS = 7
"""Azimuths that one task renders; fewer than all, so that progress is shown sooner."""
PARALLEL_VIEWS = 150
"""Number of views from which several processes are quicker than one."""


@register("faces3d")
class Faces3D(FactorDataset):
    """Grey 64 × 64 images of heads, 127,050 in all: the papers' grid, a model's heads.

    Azimuth turns the face from the viewer's left to the right, elevation raises the
    camera from below the head to above it, lighting moves the light from left to right.
    The images are rendered once and kept in the data folder (environment variable
    PRIORBENCH_DATA). See docs/faces3d.md.

    References: Paysan et al. 2009 (the Basel Face Model); Chen et al. 2018 and Stühmer
    et al. 2019 (the sizes of the grid; the angles are our choice).
    Args:
        model: the heads. ``procedural``: our own, which needs no data. ``bfm``,
            ``ict``: the Basel and ICT models, with their files
            ``01_MorphableModel.mat`` and ``ict_identity_50modes.npz`` in the data
            folder. The path of a ``.mat`` or ``.npz`` file. ``basel_renders``: the
            images of the papers themselves, from the authors' file
            ``basel_face_renders.pth`` in the data folder.
        seed: of the identities, >= 0; not used by ``basel_renders``.
        factors: levels to keep, by factor. The others keep all. The result is a smaller
            complete grid, in the order of the full one whatever the order given;
            if the full grid is not cached, only the smaller one is rendered, in memory.
        progress: show a progress bar on a terminal.
    Raises:
        ValueError: a level or factor that does not exist, is repeated or missing; an
            unknown model; a model's file that is missing or not what it should be.
        OSError: the data folder cannot be written.
    Example:
        >>> kept = {"identity": [3], "azimuth": [2, 10], "elevation": [5]}
        >>> data = Faces3D(factors=kept)
        >>> data.factor_sizes, len(data), data.images([0]).shape
        ((1, 2, 1, 11), 22, torch.Size([1, 1, 64, 64]))
    """

    about = About(
        "rendered heads",
        "MIT (procedural heads); otherwise the head model's",
        "docs/faces3d.md",
        describe_sizes(FACTORS),
        prod(FACTORS.values()),
        (1, SIDE, SIDE),
    )

    def __init__(
        self,
        model: str = "procedural",
        seed: int = 0,
        factors: Mapping[str, Sequence[int]] | None = None,
        progress: bool = True,
    ) -> None:
        seed = check_seed(seed)
        self.levels = choose_levels(FACTORS, factors)
        self.model = model
        if model == "basel_renders":
            pixels = _load_paper_renders(self.levels, progress)
        else:
            source = find_head_model(model)
            pixels = load_rendered(
                f"{CACHE}-{source.label}-{seed}",
                FACTORS,
                self.levels,
                SIDE * SIDE,
                lambda levels: render_views(source.load(), seed, levels),
                "rendering 3D Faces",
                progress,
            )
        super().__init__(
            "faces3d",
            FACTORS,
            map(len, self.levels),
            (1, SIDE, SIDE),
            pixels=pixels,
            excluded_factors=("identity",),
        )


def list_angles(
    levels: Sequence[Sequence[int]],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the degrees of azimuth, elevation and light at levels.

    Args:
        levels: of each of :data:`FACTORS`.

    Example:
        >>> [angle.tolist() for angle in list_angles([[0], [0, 10], [5], [10]])]
        [[-90.0, 0.0], [0.0], [75.0]]
    """
    ends = (AZIMUTHS, ELEVATIONS, LIGHTINGS)
    sizes = list(FACTORS.values())[1:]
    return tuple(
        np.linspace(first, last, size)[list(kept)]
        for (first, last), size, kept in zip(ends, sizes, levels[1:], strict=True)
    )


def render_views(
    head: HeadModel,
    seed: int,
    levels: Sequence[Sequence[int]],
    processes: int | None = None,
) -> Iterator[np.ndarray]:
    """Render the grid of ``levels``, in its order, alike for any number of processes.

    Args:
        head: the head model.
        seed: of the identities.
        levels: the levels of each of :data:`FACTORS`.
        processes: how many; as many as there are cores if None, or one for a small
            grid.

    Yields:
        uint8 (images of up to seven azimuths of an identity, 4096).
    """
    azimuths, elevations, lightings = list_angles(levels)
    lights = np.stack([light_direction(angle, LIGHT_HEIGHT) for angle in lightings])
    if processes is None:
        views = prod(map(len, levels[:3]))
        processes = 1 if views < PARALLEL_VIEWS else cpu_count()
    tasks = (
        delayed(render_head)(
            mesh, azimuths[first : first + TASK_AZIMUTHS], elevations, lights
        )
        for mesh in (head.mesh(number, seed) for number in levels[0])
        for first in range(0, len(azimuths), TASK_AZIMUTHS)
    )
    yield from Parallel(processes, return_as="generator")(tasks)


def _load_paper_renders(levels: Levels, progress: bool) -> np.ndarray:
    """Return the images of the authors' file, uint8 (N, 4096)."""
    path = locate_original("faces3d", paper_renders.FILE)
    if not path.is_file():
        raise ValueError(
            f"'model' 'basel_renders' needs {str(path)!r}, where there is no such "
            "file; put it there, or take model='procedural', which needs none"
        )
    sizes = tuple(FACTORS.values())
    pixels = convert_file(
        path,
        paper_renders.CACHE,
        (prod(sizes), SIDE * SIDE),
        lambda path: paper_renders.read_renders(path, sizes, SIDE),
        progress,
    )
    return pick_images(pixels, FACTORS, levels)
