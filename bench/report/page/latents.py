"""What latents mean, in small drawings: the mean code at each level of each factor."""

from collections.abc import Mapping
from typing import Any

import numpy as np

PREFIX = "latents_by_"
"""Of the names of the arrays (kinds, levels, latent_dim) that are drawn."""

SHOWN = 6
"""Latents that are drawn, those that vary most with the factors."""

VARYING = 1e-3
"""Variance over the levels of all factors above which a latent is drawn."""

WIDTH, HEIGHT = 100, 40
"""Units of a drawing."""


def draw_latents(arrays: Mapping[str, np.ndarray]) -> dict[str, Any] | None:
    """Return the lines of latents over factors; None where there is nothing to draw.

    Args:
        arrays: of a model's pictures.

    Returns:
        ``factors``, their names; ``kind``, the factor each level of which has a line
        of its own, or ""; and ``rows``, of which each has its ``latent`` and for each
        factor the paths of an SVG drawing of :data:`WIDTH` × :data:`HEIGHT`, to one
        scale in a row.
    """
    factors = {
        name.removeprefix(PREFIX): values
        for name, values in arrays.items()
        if name.startswith(PREFIX) and values.shape[1] > 1
    }
    if not factors:
        return None
    spread = sum(np.nanvar(values, axis=(0, 1)) for values in factors.values())
    order = np.argsort(-spread)[:SHOWN]
    rows = [
        {"latent": int(latent), "plots": _draw_row(factors, latent)}
        for latent in order
        if spread[latent] > VARYING
    ]
    if not rows:
        return None
    kinds = max(len(values) for values in factors.values())
    whole = [name for name, values in factors.items() if len(values) == 1]
    kind = whole[0] if kinds > 1 and whole else ""
    return {"factors": list(factors), "kind": kind, "rows": rows}


def _draw_row(factors: Mapping[str, np.ndarray], latent: int) -> list[list[str]]:
    lines = [values[..., latent] for values in factors.values()]
    low = min(np.nanmin(values) for values in lines)
    high = max(np.nanmax(values) for values in lines)
    scaled = [(high - values) / (high - low) * HEIGHT for values in lines]
    return [[_join_points(line) for line in values] for values in scaled]


def _join_points(heights: np.ndarray) -> str:
    """Return an SVG path through points that are equally far apart; NaN is a gap."""
    path, command = [], "M"
    for x, y in zip(np.linspace(0, WIDTH, len(heights)), heights, strict=True):
        if np.isfinite(y):
            path.append(f"{command}{x:.0f},{y:.0f}")
        command = "L" if np.isfinite(y) else "M"
    return "".join(path)
