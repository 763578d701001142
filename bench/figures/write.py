"""The sets of figures, and their files."""

from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from priorbench.atomic_files import write_atomically
from priorbench.bench.figures.canvas import DPI
from priorbench.bench.figures.euclidean import (
    draw_kurtosis,
    draw_nested_contours,
    draw_nested_surfaces,
)
from priorbench.bench.figures.metrics import draw_metrics_on_known_codes
from priorbench.bench.figures.spheres import (
    draw_delta_vae_kl,
    draw_von_mises_fisher_kl,
)
from priorbench.bench.figures.trees import draw_trees
from priorbench.bench.report.figures.style import encode_image, use_style
from priorbench.errors import UserError
from priorbench.registry import suggest_names

SETS: dict[str, dict[str, Callable[[], Figure]]] = {
    "priors": {
        "lp_nested_contours": draw_nested_contours,
        "lp_nested_surfaces": draw_nested_surfaces,
        "lp_nested_trees": draw_trees,
        "kurtosis": draw_kurtosis,
        "von_mises_fisher_kl": draw_von_mises_fisher_kl,
        "delta_vae_kl": draw_delta_vae_kl,
    },
    "metrics": {"metrics_on_known_codes": draw_metrics_on_known_codes},
}


def write_figures(name: str, folder: Path) -> list[Path]:
    """Draw a set of figures into ``folder``, which is made if it is not there.

    Args:
        name: of the set, a key of :data:`SETS`.
        folder: of the PNG files.

    Returns:
        The files written.

    Raises:
        UserError: there is no such set, or the folder cannot be written.
    """
    if name not in SETS:
        known = suggest_names(name, list(SETS))
        raise UserError(f"no figures called {name!r}; {known}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make {folder}: {error.strerror or error}") from error
    written = []
    for title, draw in SETS[name].items():
        path = folder / f"{title}.png"
        with use_style():
            image = encode_image(draw(), "png", DPI)
        try:
            written.append(write_atomically(path, image))
        except OSError as error:
            reason = error.strerror or error
            raise UserError(f"cannot write {path}: {reason}") from error
    return written
