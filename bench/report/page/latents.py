"""What latents mean, in small drawings: the mean code at each level of each factor.

Over the two factors of a position it is a map.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from priorbench.bench.report.page.png import draw_map

PREFIX = "latents_by_"
"""Of the names of the arrays (kinds, levels, latent_dim) that are drawn as lines."""

MAP_PREFIX = "latents_over_"
"""Of the name of the array (down, across, latent_dim) that is drawn as a map."""

SHOWN = 6
"""Latents that are drawn, those that vary most with the factors."""

VARYING = 1e-3
"""Variance over the levels of all factors above which a latent is drawn."""

WIDTH, HEIGHT = 100, 40
"""Units of a drawing."""


def draw_latents(arrays: Mapping[str, np.ndarray]) -> dict[str, Any] | None:
    """Return latents over factors; None where there is nothing to draw.

    References: Stühmer et al. 2019, Figures 8 to 16.

    Args:
        arrays: of a model's pictures.

    Returns:
        ``factors``, their names; ``kind``, the factor each level of which has a line
        of its own, or "", and ``kinds``, how many there are; ``position``, the two
        factors of the map, or ""; and ``rows``, of which each has its ``latent``, for
        each factor the paths of an SVG drawing of :data:`WIDTH` × :data:`HEIGHT` and
        ``map``, a PNG file's address or "", all to one scale.
    """
    position, codes = _find_map(arrays)
    factors = {
        name.removeprefix(PREFIX): values
        for name, values in sorted(arrays.items())
        if name.startswith(PREFIX) and values.shape[1] > 1
    }
    for name in position.split(", "):  # the map has them
        factors.pop(name, None)
    drawn = list(factors.values()) + ([] if codes is None else [codes])
    if not drawn:
        return None
    spread = sum(np.nanvar(values, axis=(0, 1)) for values in drawn)
    order = [j for j in np.argsort(-spread)[:SHOWN] if spread[j] > VARYING]
    if not order:
        return None
    low = float(min(np.nanmin(values[..., order]) for values in drawn))
    high = float(max(np.nanmax(values[..., order]) for values in drawn))
    rows = [
        {
            "latent": int(j),
            "plots": [
                _draw_lines((high - values[..., j]) / (high - low))
                for values in factors.values()
            ],
            "map": "" if codes is None else draw_map(codes[..., j], max(-low, high)),
        }
        for j in order
    ]
    kinds = max((len(values) for values in factors.values()), default=1)
    whole = [name for name, values in factors.items() if len(values) == 1]
    kind = whole[0] if kinds > 1 and whole else ""
    return {
        "factors": list(factors),
        "kind": kind,
        "kinds": kinds,
        "position": position,
        "rows": rows,
    }


def _find_map(arrays: Mapping[str, np.ndarray]) -> tuple[str, np.ndarray | None]:
    """Return the two factors of the map and its codes; "" and None without one."""
    for name, values in arrays.items():
        if name.startswith(MAP_PREFIX) and min(values.shape[:2]) > 1:
            return name.removeprefix(MAP_PREFIX), values.astype(np.float64)
    return "", None


def _draw_lines(heights: np.ndarray) -> list[str]:
    """Return a path for each kind, of heights (kinds, levels) from 0, the top, to 1."""
    return [_join_points(line * HEIGHT) for line in heights]


def _join_points(heights: np.ndarray) -> str:
    """Return an SVG path through points that are equally far apart; NaN is a gap."""
    path, command = [], "M"
    for x, y in zip(np.linspace(0, WIDTH, len(heights)), heights, strict=True):
        if np.isfinite(y):
            path.append(f"{command}{x:.0f},{y:.0f}")
        command = "L" if np.isfinite(y) else "M"
    return "".join(path)
