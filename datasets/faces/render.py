"""A software renderer: samples of triangles by z-buffer, Lambert's law, box filter."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from priorbench.datasets.faces.camera import Camera, rotate_head
from priorbench.datasets.faces.mesh import Mesh

SIDE = 64
SUPERSAMPLING = 3
"""Samples along a pixel's side; their mean is the pixel."""
AMBIENT = 0.15
"""Share of the light that comes from everywhere; the rest is the moving light's."""
_EDGE = 1e-9
"""Barycentric slack: a sample on an edge of two triangles is never lost to rounding."""


class Samples(NamedTuple):
    """The visible surface at S samples: where, on which triangle, where within it."""

    position: np.ndarray
    """int64 (S,), row * side + column, each at most once."""
    triangle: np.ndarray
    """int64 (S,), a row of the triangles."""
    weights: np.ndarray
    """float64 (3, S), barycentric in the image, of the triangle's corners."""


def rasterize_mesh(
    points: np.ndarray,
    inverse: np.ndarray,
    triangles: np.ndarray,
    side: int,
) -> Samples:
    """Find the nearest triangle that faces the camera, at every sample that one covers.

    Inverse depth is linear in the image, so it is what is interpolated and compared.

    Args:
        points: column and row of the vertices, float64 (n, 2), in samples.
        inverse: inverse depths, float64 (n,), > 0.
        triangles: int64 (m, 3); those that are seen clockwise in space are backs.
        side: height and width of the image, in samples.
    """
    front, planes = _find_planes(points, triangles)
    candidate, column, row = _list_candidates(points, triangles[front], side)
    u = column + 0.5
    v = row + 0.5
    weights = [a[candidate] * u + b[candidate] * v + c[candidate] for a, b, c in planes]
    least = np.minimum(np.minimum(weights[0], weights[1]), weights[2])
    inside = np.flatnonzero(least >= -_EDGE)
    position = (row * side + column)[inside]
    triangle = front[candidate[inside]]
    weights = np.stack([weight[inside] for weight in weights])
    corners = triangles[triangle].T
    nearness = (weights * inverse[corners]).sum(axis=0)
    nearest = np.zeros(side * side)
    np.maximum.at(nearest, position, nearness)
    # Of equals, which meet on shared edges, the last stays, so that a sample occurs
    # once.
    owner = np.full(side * side, -1)
    at_front = np.flatnonzero(nearness == nearest[position])
    owner[position[at_front]] = at_front
    kept = owner[owner >= 0]
    return Samples(position[kept], triangle[kept], weights[:, kept])


def interpolate_values(
    values: np.ndarray,
    inverse: np.ndarray,
    triangles: np.ndarray,
    samples: Samples,
) -> np.ndarray:
    """Interpolate values of the vertices at the samples, correctly in perspective.

    Args:
        values: of the vertices, (n, k).
        inverse: inverse depths of the vertices, (n,).
        triangles: int64 (m, 3).
        samples: S of them.

    Returns:
        float64 (S, k).
    """
    corners = triangles[samples.triangle].T
    shares = samples.weights * inverse[corners]
    shares /= shares.sum(axis=0)
    return (shares[:, :, None] * values[corners]).sum(axis=0)


def shade_lambert(
    normals: np.ndarray,
    albedo: np.ndarray,
    lights: np.ndarray,
) -> np.ndarray:
    r"""Return the brightness of a matt surface in each light.

    .. math:: \rho \, (a + (1 - a) \max(0, n \cdot l))

    with a the ambient share :data:`AMBIENT`.

    Args:
        normals: n (S, 3), of any length but zero (which is dark but for the ambient
            light).
        albedo: rho (S,).
        lights: l (L, 3), unit vectors to the light.

    Returns:
        float64 (L, S), in [0, 1].
    """
    squares = (normals**2).sum(axis=1)
    length = np.maximum(np.sqrt(squares), 1e-12)
    x, y, z = (normals / length[:, None]).T
    lx, ly, lz = lights.T[:, :, None]
    cosine = lx * x + ly * y + lz * z
    light = AMBIENT + (1 - AMBIENT) * np.maximum(cosine, 0)
    return albedo * light


def average_samples(
    brightness: np.ndarray,
    position: np.ndarray,
    side: int,
    factor: int,
) -> np.ndarray:
    """Average the samples of each pixel; the background is black.

    Args:
        brightness: of the samples, (L, S).
        position: of the samples, (S,): row * side * factor + column.
        side: height and width of the image, in pixels.
        factor: samples along a pixel's side.

    Returns:
        float64 (L, side * side).
    """
    row, column = np.divmod(position, side * factor)
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
    """Render a head at every azimuth, elevation and light, the lights fastest.

    The lights stand still relative to the camera; the visible surface of a view is
    found once for all of them.

    Args:
        mesh: the head.
        azimuths: degrees, as in
            :func:`~priorbench.datasets.faces.camera.rotate_head`.
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
    mesh: Mesh,
    surface: np.ndarray,
    rotation: np.ndarray,
    lights: np.ndarray,
) -> np.ndarray:
    """Render a head under one rotation, uint8 (L, 4096).

    Args:
        mesh: the head.
        surface: normals and albedo of its vertices, (n, 4).
        rotation: of the head, (3, 3).
        lights: (L, 3), in the camera's frame.
    """
    camera = Camera(SIDE * SUPERSAMPLING)
    points, inverse = camera.project(_multiply_rows(mesh.vertices, rotation.T))
    samples = rasterize_mesh(points, inverse, mesh.triangles, camera.side)
    seen = interpolate_values(surface, inverse, mesh.triangles, samples)
    # The lights are turned into the head's frame, not all normals into the camera's.
    turned = _multiply_rows(lights, rotation)
    brightness = shade_lambert(seen[:, :3], seen[:, 3], turned)
    pixels = average_samples(brightness, samples.position, SIDE, SUPERSAMPLING)
    return np.rint(255 * pixels).astype(np.uint8)


def _multiply_rows(rows: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return rows (n, 3) times a matrix (3, 3), each alike whichever others there are.

    The rounding of a library's product depends on the shapes and the number of threads.
    """
    x, y, z = rows.T[:, :, None]
    return x * matrix[0] + y * matrix[1] + z * matrix[2]


def _find_planes(
    points: np.ndarray,
    triangles: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the triangles that face the camera, (f,), and their barycentric weights.

    The weights, (3, 3, f), are first by corner, then those of column, row and one.
    """
    x0, x1, x2 = points[:, 0][triangles].T
    y0, y1, y2 = points[:, 1][triangles].T
    # Rows go down, hence the order of the differences.
    area = (x2 - x0) * (y1 - y0) - (x1 - x0) * (y2 - y0)
    front = np.flatnonzero(area > 0)
    x0, x1, x2 = points[:, 0][triangles[front]].T
    y0, y1, y2 = points[:, 1][triangles[front]].T
    planes = [
        [
            y2 - y1,
            x1 - x2,
            x2 * y1 - x1 * y2,
        ],
        [
            y0 - y2,
            x2 - x0,
            x0 * y2 - x2 * y0,
        ],
        [
            y1 - y0,
            x0 - x1,
            x1 * y0 - x0 * y1,
        ],
    ]
    return front, np.array(planes) / area[front]


def _list_candidates(
    points: np.ndarray,
    triangles: np.ndarray,
    side: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return every sample in the bounds of every triangle.

    Args:
        points: column and row of the vertices, (n, 2), in samples.
        triangles: int64 (f, 3).
        side: of the image, in samples.

    Returns:
        int64 (c,) each: row of the triangles, column and row of the sample.
    """
    left, width = _find_bounds(points[:, 0][triangles.T], side)
    top, height = _find_bounds(points[:, 1][triangles.T], side)
    count = width * height
    which = np.repeat(np.arange(len(count)), count)
    before = np.cumsum(count) - count
    within = np.arange(which.size) - np.repeat(before, count)
    row, column = np.divmod(within, width[which])
    return which, left[which] + column, top[which] + row


def _find_bounds(corners: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first column that may have its centre in a triangle, and how many.

    Args:
        corners: columns of the triangles' corners, (3, f); or rows.
        side: of the image, in samples.

    Returns:
        int64 (f,) each.
    """
    a, b, c = corners  # by pairs, for NumPy is slow at reducing so short an axis
    least = np.minimum(np.minimum(a, b), c)
    greatest = np.maximum(np.maximum(a, b), c)
    low = np.ceil(least - 0.5 - 1e-6)
    high = np.floor(greatest - 0.5 + 1e-6)
    first = np.clip(low, 0, side).astype(np.int64)
    last = np.clip(high, -1, side - 1).astype(np.int64)
    return first, np.maximum(last - first + 1, 0)
