"""Pictures of the priors, drawn from their own densities: ``python -m bench.figures priors``."""

from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from priorbench.errors import UserError
from priorbench.bench.figures import canvas, euclidean, spheres
from priorbench.registry import suggest_names
from priorbench.bench.report.figures.style import use_style

__all__ = ["SETS", "write"]

SETS: dict[str, dict[str, Callable[[], Figure]]] = {
    "priors": {
        "lp_nested_contours": euclidean.draw_nested_contours,
        "kurtosis": euclidean.draw_kurtosis,
        "von_mises_fisher_kl": spheres.draw_von_mises_fisher_kl,
        "delta_vae_kl": spheres.draw_delta_vae_kl,
    },
}


def write_figures(name: str, folder: Path) -> list[Path]:
    """Draw a set of figures into ``folder``, which is made if it is not there.

    Args:
        name: of the set, a key of :data:`SETS`.
        folder: of the PNG files.

    Returns:
        The files written.

    Raises:
        UserError: no such set, or the folder cannot be written.
    """
    if name not in SETS:
        raise UserError(
            f"no figures called {name!r}; {suggest_names(name, list(SETS))}"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make {folder}: {error.strerror or error}") from error
    return [
        _write_figure(folder / f"{title}.png", draw)
        for title, draw in SETS[name].items()
    ]


def _write_figure(path: Path, draw: Callable[[], Figure]) -> Path:
    with use_style():
        content = canvas.encode_png(draw())
    try:
        path.write_bytes(content)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    return path
