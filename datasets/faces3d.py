"""3D Faces: heads by identity, azimuth, elevation and lighting, rendered here."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import prod

import numpy as np
from joblib import Parallel, cpu_count, delayed
from rich.console import Console
from rich.progress import track

from priorbench.datasets.files import cache, originals
from priorbench.datasets.about import About
from priorbench.datasets.base import FactorDataset, register
from priorbench.datasets.faces import models, recorded
from priorbench.datasets.faces.camera import light_direction
from priorbench.datasets.faces.render import SIDE, render_head
from priorbench.datasets.factor_grid import choose_levels, find_grid_rows

FACTORS = {"identity": 50, "azimuth": 21, "elevation": 11, "lighting": 11}
AZIMUTHS = (-90.0, 90.0)
"""Degrees of the first and last level, equally spaced: from one profile to the other."""
ELEVATIONS = (-40.0, 40.0)
"""Likewise: from below to above."""
LIGHTINGS = (-75.0, 75.0)
"""Likewise, of the light: from the viewer's left to the right."""
LIGHT_HEIGHT = 30.0
"""Degrees of the light above the camera."""
CACHE = "faces3d-v1"
"""Cache files of rendered images; the number goes up whenever an image changes."""
_TURNS = 7
"""Azimuths that one task renders, so that progress is shown before an identity is done."""
_ALONE = 150
"""Views from which it is worth while to start other processes."""


@register("faces3d")
class Faces3D(FactorDataset):
    """Grey 64 x 64 images of heads, 127,050 in all: the papers' grid, the heads of a model.

    Azimuth turns the face from the viewer's left to the right, elevation raises the camera from
    below the head to above it, lighting moves the light from left to right. The images are
    rendered once and kept in the data folder (environment variable PRIORBENCH_DATA). See
    docs/faces3d.md.

    References: Paysan et al. 2009 (the Basel Face Model); Chen et al. 2018 and Stühmer et al.
    2019 (the sizes of the grid; the angles are our choice).
    Args:
        model: the heads. ``procedural``: our own, which needs no data. ``bfm``, ``ict``: the
            Basel and ICT models, whose files ``01_MorphableModel.mat`` and
            ``ict_identity_50modes.npz`` are in the data folder. The path of a ``.mat`` or
            ``.npz`` file. ``basel_renders``: the images of the papers themselves, from the
            authors' file ``basel_face_renders.pth`` in the data folder.
        seed: of the identities, >= 0; not used by ``basel_renders``.
        factors: levels to keep, by factor. The others keep all. The result is a smaller complete
            grid, in the order of the full one whatever the order given; without cached images
            only it is rendered, in memory.
        progress: show a progress bar on a terminal.
    Raises:
        ValueError: a level or factor that does not exist, is repeated or missing; an unknown
            model; a model's file that is missing or not what it should be.
        OSError: the data folder cannot be written.
    Example:
        >>> data = Faces3D(factors={"identity": [3], "azimuth": [2, 10], "elevation": [5]})
        >>> data.factor_sizes, len(data), data.images([0]).shape
        ((1, 2, 1, 11), 22, torch.Size([1, 1, 64, 64]))
    """

    about = About(
        "rendered heads",
        "MIT (procedural heads); otherwise the head model's",
        "docs/faces3d.md",
        "identity 50, azimuth 21, elevation 11, lighting 11",
        127_050,
        (1, SIDE, SIDE),
    )

    def __init__(
        self,
        model: str = "procedural",
        seed: int = 0,
        factors: Mapping[str, Sequence[int]] | None = None,
        progress: bool = True,
    ) -> None:
        if not isinstance(seed, int | np.integer) or isinstance(seed, bool) or seed < 0:
            raise ValueError(f"'seed' must be an integer >= 0; got {seed!r}")
        self.levels = choose_levels(FACTORS, factors or {}, {})
        self.model = model
        super().__init__(
            "faces3d",
            FACTORS,
            map(len, self.levels),
            (1, SIDE, SIDE),
            pixels=_load_images(model, int(seed), self.levels, progress),
            excluded_factors=("identity",),
        )


def list_angles(
    levels: Sequence[Sequence[int]],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Degrees of azimuth, elevation and light at the levels of all four factors.

    Example:
        >>> [turn.tolist() for turn in list_angles([[0], [0, 10], [5], [10]])]
        [[-90.0, 0.0], [0.0], [75.0]]
    """
    ends = (AZIMUTHS, ELEVATIONS, LIGHTINGS)
    return tuple(
        np.linspace(*limits, size)[list(kept)]
        for limits, size, kept in zip(
            ends, list(FACTORS.values())[1:], levels[1:], strict=True
        )
    )


def render_views(
    head: models.HeadModel,
    seed: int,
    levels: Sequence[Sequence[int]],
    processes: int | None = None,
) -> Iterator[np.ndarray]:
    """Images of the grid of ``levels``, in its order, the same for any number of processes.

    Args:
        head: the head model.
        seed: of the identities.
        levels: the levels of each of :data:`FACTORS`.
        processes: how many; as many as there are cores if None, or one for a small grid.

    Yields:
        uint8 (images of up to seven azimuths of an identity, 4096).
    """
    azimuths, elevations, lightings = list_angles(levels)
    lights = np.stack([light_direction(angle, LIGHT_HEIGHT) for angle in lightings])
    if processes is None:
        processes = 1 if prod(map(len, levels[:3])) < _ALONE else cpu_count()
    tasks = (
        delayed(render_head)(mesh, azimuths[first : first + _TURNS], elevations, lights)
        for mesh in (head.mesh(number, seed) for number in levels[0])
        for first in range(0, len(azimuths), _TURNS)
    )
    yield from Parallel(processes, return_as="generator")(tasks)


def _load_images(
    model: str, seed: int, levels: Sequence[Sequence[int]], progress: bool
) -> np.ndarray:
    """Images of the grid of ``levels``, uint8 (N, 4096)."""
    everything = tuple(map(len, levels)) == tuple(FACTORS.values())
    if model == "basel_renders":
        raw = _load_recorded(progress)
    else:
        source = models.find_model(model)
        stem = f"{CACHE}-{source.label}-{seed}"
        raw = cache.read_cache(stem, _stored_shape())
        if raw is None and not everything:
            return np.concatenate(list(_render_blocks(source, seed, levels, progress)))
        if raw is None:
            raw = cache.write_cache(
                stem, _stored_shape(), _render_blocks(source, seed, levels, progress)
            )
    return (
        raw if everything else np.asarray(raw[find_grid_rows(FACTORS.values(), levels)])
    )


def _stored_shape() -> tuple[int, int]:
    return prod(FACTORS.values()), SIDE * SIDE


def _render_blocks(
    source: models.Source, seed: int, levels: Sequence[Sequence[int]], progress: bool
) -> Iterator[np.ndarray]:
    total = len(levels[0]) * -(-len(levels[1]) // _TURNS)
    return _show_progress(
        "rendering 3D Faces", render_views(source.read(), seed, levels), total, progress
    )


def _load_recorded(progress: bool) -> np.ndarray:
    """Images of the authors' file, converted once."""
    path = originals.find_original("faces3d", recorded.FILE)
    if path is None:
        place = (originals.get_chosen_folder() or cache.data_folder()) / recorded.FILE
        raise ValueError(
            f"'model' 'basel_renders' needs {str(place)!r}, where there is no such "
            "file; put it there, or take model='procedural', which needs none"
        )
    stem = recorded.make_stem(path)
    raw = cache.read_cache(stem, _stored_shape())
    if raw is None:
        sizes = tuple(FACTORS.values())
        blocks = recorded.read_blocks(path, sizes, SIDE * SIDE)
        shown = _show_progress(f"reading {path.name}", blocks, sizes[0], progress)
        raw = cache.write_cache(stem, _stored_shape(), shown)
        cache.forget_caches(recorded.CACHE, keep=stem)
    return raw


def _show_progress(
    title: str, blocks: Iterable[np.ndarray], total: int, progress: bool
) -> Iterator[np.ndarray]:
    """The blocks, behind a progress bar."""
    silent = not (progress and sys.stderr.isatty())
    console = Console(stderr=True)
    yield from track(
        blocks, title, total, console=console, transient=True, disable=silent
    )
