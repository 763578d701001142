"""A software renderer: triangles to samples by z-buffer, Lambert shading, box filter."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from priorbench.datasets.faces.camera import Camera, rotate_head
from priorbench.datasets.faces.mesh import Mesh

SIDE = 64
SUPERSAMPLING = 3
"""Samples along a pixel's side; their mean is the pixel."""
AMBIENT = 0.15
"""Share of the light that comes from everywhere; the rest comes from the moving light."""
_EDGE = 1e-9
"""Barycentric slack: a sample on an edge shared by two triangles is never lost to rounding."""


class Samples(NamedTuple):
    """The visible surface at S samples: where, on which triangle, and where within it."""

    place: np.ndarray
    """int64 (S,), row * side + column, each at most once."""
    triangle: np.ndarray
    """int64 (S,), a row of the triangles."""
    weights: np.ndarray
    """float64 (3, S), barycentric in the image, of the triangle's corners."""


def rasterize_mesh(
    places: np.ndarray, inverse: np.ndarray, triangles: np.ndarray, side: int
) -> Samples:
    """The nearest triangle that faces the camera, at every sample's centre that one covers.

    Inverse depth is linear in the image, so it is what is interpolated and compared.

    Args:
        places: column and row of the vertices, float64 (n, 2), in samples.
        inverse: inverse depths, float64 (n,), > 0.
        triangles: int64 (m, 3); those that are clockwise in space, seen here, are backs.
        side: height and width of the image, in samples.
    """
    front, planes = _find_planes(places, triangles)
    bounds = [
        _find_bounds(places[:, axis][triangles[front].T], side) for axis in (0, 1)
    ]
    which, column, row = _list_candidates(*bounds)
    weights = [
        a[which] * (column + 0.5) + b[which] * (row + 0.5) + c[which]
        for a, b, c in planes
    ]
    inside = np.flatnonzero(np.minimum(np.minimum(*weights[:2]), weights[2]) >= -_EDGE)
    place, which = (row * side + column)[inside], front[which[inside]]
    weights = np.stack([weight[inside] for weight in weights])
    nearness = (weights * inverse[triangles[which].T]).sum(axis=0)
    nearest = np.zeros(side * side)
    np.maximum.at(nearest, place, nearness)
    # Of equals, which meet on shared edges, the last stays, so that a sample occurs once.
    owner = np.full(side * side, -1)
    at_front = np.flatnonzero(nearness == nearest[place])
    owner[place[at_front]] = at_front
    kept = owner[owner >= 0]
    return Samples(place[kept], which[kept], weights[:, kept])


def interpolate_values(
    values: np.ndarray, inverse: np.ndarray, triangles: np.ndarray, samples: Samples
) -> np.ndarray:
    """Values (n, k) of the vertices at the samples, (S, k), correct in perspective."""
    corners = triangles[samples.triangle].T
    shares = samples.weights * inverse[corners]
    shares /= shares.sum(axis=0)
    return (shares[:, :, None] * values[corners]).sum(axis=0)


def shade_lambert(
    normals: np.ndarray, albedo: np.ndarray, lights: np.ndarray
) -> np.ndarray:
    r"""Brightness in [0, 1], float64 (L, S), of a matt surface in each of the lights.

    .. math:: \rho \, (a + (1 - a) \max(0, n \cdot l))

    Args:
        normals: n (S, 3), of any length but zero (which is dark but for the ambient light).
        albedo: rho (S,).
        lights: l (L, 3), unit vectors to the light.
    """
    length = np.maximum(np.sqrt((normals**2).sum(axis=1)), 1e-12)
    x, y, z = (normals / length[:, None]).T
    cosine = lights[:, :1] * x + lights[:, 1:2] * y + lights[:, 2:] * z
    return albedo * (AMBIENT + (1 - AMBIENT) * np.maximum(cosine, 0))


def average_samples(
    brightness: np.ndarray, place: np.ndarray, side: int, factor: int
) -> np.ndarray:
    """Pixels (L, side * side) from samples (L, S) at ``place``; the background is black.

    Args:
        brightness: of the samples.
        place: their row * side * factor + column.
        side: height and width of the image, in pixels.
        factor: samples along a pixel's side.
    """
    row, column = np.divmod(place, side * factor)
    pixel = row // factor * side + column // factor
    order = np.argsort(pixel, kind="stable")
    pixels = np.zeros((len(brightness), side * side))
    if order.size:
        occupied, first = np.unique(pixel[order], return_index=True)
        sums = np.add.reduceat(brightness[:, order], first, axis=1)
        pixels[:, occupied] = sums / factor**2
    return pixels


def render_head(
    mesh: Mesh,
    azimuths: Sequence[float],
    elevations: Sequence[float],
    lights: np.ndarray,
) -> np.ndarray:
    """Images of a head: every azimuth, elevation and light, the lights fastest.

    The lights stand still relative to the camera; the visible surface is found once for all.

    Args:
        mesh: the head.
        azimuths: degrees, as in :func:`~priorbench.datasets.faces.camera.rotate_head`.
        elevations: degrees, likewise.
        lights: unit vectors to the light in the camera's frame, (L, 3).

    Returns:
        uint8 (azimuths * elevations * L, 4096).
    """
    surface = np.column_stack([mesh.normals(), mesh.albedo])
    views = [
        _render_view(mesh, surface, rotate_head(azimuth, elevation), lights)
        for azimuth in azimuths
        for elevation in elevations
    ]
    return np.concatenate(views)


def _render_view(
    mesh: Mesh, surface: np.ndarray, turn: np.ndarray, lights: np.ndarray
) -> np.ndarray:
    camera = Camera(SIDE * SUPERSAMPLING)
    turned = _multiply_rows(mesh.vertices, turn.T)
    places, inverse = camera.project(turned)
    samples = rasterize_mesh(places, inverse, mesh.triangles, camera.side)
    seen = interpolate_values(surface, inverse, mesh.triangles, samples)
    # The lights are turned into the head's frame in place of all normals into the camera's.
    brightness = shade_lambert(seen[:, :3], seen[:, 3], _multiply_rows(lights, turn))
    pixels = average_samples(brightness, samples.place, SIDE, SUPERSAMPLING)
    return np.rint(255 * pixels).astype(np.uint8)


def _multiply_rows(rows: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Rows (n, 3) times a matrix (3, 3), each alike whichever others there are.

    The rounding of a library's product depends on the shapes and the number of threads.
    """
    x, y, z = rows.T[:, :, None]
    return x * matrix[0] + y * matrix[1] + z * matrix[2]


def _find_planes(
    places: np.ndarray, triangles: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Triangles that face the camera, (f,), and their barycentric weights.

    The weights, (3, 3, f), are first by corner, then those of column, row and one.
    """
    (x0, x1, x2), (y0, y1, y2) = (places[:, axis][triangles].T for axis in (0, 1))
    area = (x2 - x0) * (y1 - y0) - (x1 - x0) * (
        y2 - y0
    )  # rows go down, hence the order
    front = np.flatnonzero(area > 0)
    x0, x1, x2, y0, y1, y2 = (part[front] for part in (x0, x1, x2, y0, y1, y2))
    planes = np.array(
        [
            [y2 - y1, x1 - x2, x2 * y1 - x1 * y2],
            [y0 - y2, x2 - x0, x0 * y2 - x2 * y0],
            [y1 - y0, x0 - x1, x1 * y0 - x0 * y1],
        ]
    )
    return front, planes / area[front]


def _find_bounds(corners: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """First column (or row) whose centre may be in a triangle, and how many: int64 (f,).

    Args:
        corners: columns (or rows) of the triangles' corners, (3, f).
        side: of the image, in samples.
    """
    # By pairs, for NumPy is slow at reducing so short an axis.
    a, b, c = corners
    low = np.ceil(np.minimum(np.minimum(a, b), c) - 0.5 - 1e-6)
    high = np.floor(np.maximum(np.maximum(a, b), c) - 0.5 + 1e-6)
    first = np.clip(low, 0, side).astype(np.int64)
    return first, np.maximum(
        np.clip(high, -1, side - 1).astype(np.int64) - first + 1, 0
    )


def _list_candidates(
    columns: tuple[np.ndarray, np.ndarray], rows: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every sample in every triangle's bounds: int64 (c,) triangle, column and row."""
    (left, wide), (top, high) = columns, rows
    count = wide * high
    which = np.repeat(np.arange(len(count)), count)
    within = np.arange(which.size) - np.repeat(np.cumsum(count) - count, count)
    row, column = np.divmod(within, wide[which])
    return which, left[which] + column, top[which] + row
