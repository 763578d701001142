import numpy as np
import pytest

from priorbench.datasets.faces.camera import Camera, light_direction, rotate_head
from priorbench.datasets.faces.mesh import Mesh
from priorbench.datasets.faces.render import (
    AMBIENT,
    SIDE,
    average_samples,
    interpolate_values,
    rasterize_mesh,
    render_head,
    shade_lambert,
)

LIGHTS = np.stack([light_direction(angle, 30) for angle in (-60, 0, 45)])


def make_sphere(rows=90, columns=180, radius=0.9):
    """A fine sphere, its triangles anticlockwise from outside."""
    down = np.linspace(0, np.pi, rows)[:, None]
    around = 2 * np.pi * np.arange(columns) / columns
    vertices = radius * np.stack(
        [
            np.sin(down) * np.sin(around),
            np.broadcast_to(np.cos(down), (rows, columns)),
            np.sin(down) * np.cos(around),
        ],
        axis=-1,
    ).reshape(-1, 3)
    index = np.arange(rows * columns).reshape(rows, columns)
    after = np.roll(index, -1, axis=1)
    a, b, c, d = (
        part.ravel() for part in (index[:-1], index[1:], after[1:], after[:-1])
    )
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    return Mesh(vertices, triangles, np.full(len(vertices), 0.8))


def trace_sphere(side, radius=0.9, distance=5.0):
    """Where the rays of pixels first meet the sphere, (side, side, 3); NaN elsewhere."""
    focal = side / 2 * np.sqrt(distance**2 - 1)
    offset = (np.arange(side) + 0.5 - side / 2) / focal
    ray = np.stack(
        [*np.broadcast_arrays(offset, -offset[:, None]), -np.ones((side, side))], -1
    )
    a, b, c = (ray**2).sum(-1), distance * ray[..., 2], distance**2 - radius**2
    root = b**2 - a * c
    far = (-b - np.sqrt(np.where(root >= 0, root, np.nan))) / a
    return np.array([0, 0, distance]) + far[..., None] * ray


def rasterize_by_loops(projected, inverse, triangles, side):
    """The nearest front triangle at every sample, by loops; -1 where there is none."""
    best, owner = np.zeros((side, side)), np.full((side, side), -1)
    for number, corners in enumerate(triangles):
        (x0, y0), (x1, y1), (x2, y2) = projected[corners]
        matrix = np.array([[x0, x1, x2], [y0, y1, y2], [1, 1, 1]])
        if np.linalg.det(matrix) >= 0:
            continue
        for row in range(side):
            for column in range(side):
                weights = np.linalg.solve(matrix, [column + 0.5, row + 0.5, 1])
                nearness = weights @ inverse[corners]
                if weights.min() >= 0 and nearness > best[row, column]:
                    best[row, column], owner[row, column] = nearness, number
    return owner


def test_random_triangles_agree_with_loops():
    rng = np.random.default_rng(0)
    projected = rng.uniform(-3, 19, (30, 2))  # some run out of the image
    inverse = rng.uniform(0.1, 1, 30)
    triangles = rng.integers(0, 30, (25, 3))
    triangles = triangles[[len(set(corners)) == 3 for corners in triangles]]
    samples = rasterize_mesh(projected, inverse, triangles, 16)
    owner = np.full(256, -1)
    owner[samples.position] = samples.triangle
    expected = rasterize_by_loops(projected, inverse, triangles, 16)
    assert (expected >= 0).sum() > 100
    assert np.array_equal(owner.reshape(16, 16), expected)


def test_every_sample_occurs_once_and_none_is_lost_on_shared_edges():
    steps = np.linspace(0, 8, 9)  # edges run through sample centres
    x, y = np.meshgrid(steps + 0.5, steps + 0.5)
    index = np.arange(81).reshape(9, 9)
    a, b, c, d = (
        part.ravel()
        for part in (index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:])
    )
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    samples = rasterize_mesh(
        np.stack([x.ravel(), y.ravel()], 1), np.ones(81), triangles, 9
    )
    assert sorted(samples.position) == list(range(81))


def test_backs_are_not_seen_and_nothing_gives_nothing():
    projected, triangle = np.array([[1.0, 1], [1, 7], [7, 7]]), np.array([[0, 1, 2]])
    assert len(rasterize_mesh(projected, np.ones(3), triangle, 8).position) > 0
    samples = rasterize_mesh(projected, np.ones(3), triangle[:, ::-1], 8)
    assert samples.weights.shape == (3, 0)
    assert not average_samples(np.zeros((2, 0)), samples.position, 4, 2).any()


def test_depth_and_normal_of_a_sphere_are_the_analytic_ones():
    mesh, side = make_sphere(), 96
    projected, inverse = Camera(side).project(mesh.vertices)
    samples = rasterize_mesh(projected, inverse, mesh.triangles, side)
    expected = trace_sphere(side).reshape(-1, 3)
    covered = np.zeros(side * side, dtype=bool)
    covered[samples.position] = True
    assert (
        np.mean(covered != np.isfinite(expected[:, 0])) < 0.004
    )  # only on the outline
    both = samples.position[np.isfinite(expected[samples.position, 0])]
    points = interpolate_values(mesh.vertices, inverse, mesh.triangles, samples)
    points = points[np.isin(samples.position, both)]
    middle = np.linalg.norm(expected[both, :2], axis=1) < 0.8
    assert np.abs(points - expected[both])[middle].max() < 3e-3
    normals = interpolate_values(mesh.normals(), inverse, mesh.triangles, samples)
    normals = normals[np.isin(samples.position, both)][middle]
    assert np.abs(normals - expected[both][middle] / 0.9).max() < 5e-3


def test_interpolation_is_correct_in_perspective():
    vertices = np.array([[-0.8, -0.8, 0.9], [0.8, -0.8, 0.9], [0.0, 0.8, -3.0]])
    projected, inverse = Camera(64, distance=2.0).project(vertices)
    triangles = np.array([[0, 1, 2]])
    samples = rasterize_mesh(projected, inverse, triangles, 64)
    points = interpolate_values(vertices, inverse, triangles, samples)
    again, _ = Camera(64, distance=2.0).project(points)
    row, column = np.divmod(samples.position, 64)
    assert len(row) > 100
    assert np.allclose(again, np.stack([column, row], 1) + 0.5)


def test_lambert_is_its_closed_form():
    normals = np.array([[0.0, 0, 2], [0, 0, -1], [3, 0, 3], [0, 0, 0]])
    lights = np.array([[0.0, 0, 1], [1, 0, 0]])
    brightness = shade_lambert(normals, np.array([1.0, 1.0, 0.5, 1.0]), lights)
    lit = AMBIENT + (1 - AMBIENT) * np.sqrt(0.5)
    assert np.allclose(
        brightness,
        [[1, AMBIENT, lit / 2, AMBIENT], [AMBIENT, AMBIENT, lit / 2, AMBIENT]],
    )


def test_a_rendered_sphere_has_the_brightness_of_lamberts_law():
    images = (
        render_head(make_sphere(), [40.0], [-25.0], LIGHTS).reshape(-1, SIDE, SIDE)
        / 255
    )
    fine = trace_sphere(SIDE * 3) / 0.9
    for image, light in zip(images, LIGHTS, strict=True):
        cosine = np.maximum(fine @ light, 0)
        samples = np.nan_to_num(0.8 * (AMBIENT + (1 - AMBIENT) * cosine))
        expected = samples.reshape(SIDE, 3, SIDE, 3).mean(axis=(1, 3))
        assert np.abs(image - expected).mean() < 2e-3
        assert np.median(np.abs(image - expected)) <= 0.5 / 255 + 1e-9


@pytest.mark.parametrize("shift", [0.0, 0.21, 0.5])
def test_an_edge_covers_pixels_by_their_area(shift):
    edge = 20 + shift
    projected = 3 * np.array([[edge, -100.0], [edge, 500], [500, 500], [500, -100]])
    triangles = np.array([[0, 1, 2], [0, 2, 3]])
    samples = rasterize_mesh(projected, np.ones(4), triangles, 192)
    pixels = average_samples(
        np.ones((1, len(samples.position))), samples.position, 64, 3
    ).reshape(64, 64)
    assert (pixels[:, 21:] == 1).all()
    assert (pixels[:, :20] == 0).all()
    assert np.abs(pixels[:, 20] - (1 - shift)).max() <= 1 / 6 + 1e-9


def test_a_triangle_covers_its_area():
    projected = np.array([[30.3, 11.2], [12.7, 160.4], [171.1, 90.8]])
    samples = rasterize_mesh(projected, np.ones(3), np.array([[0, 1, 2]]), 192)
    pixels = average_samples(
        np.ones((1, len(samples.position))), samples.position, 64, 3
    )
    (x1, y1), (x2, y2) = projected[1] - projected[0], projected[2] - projected[0]
    assert np.isclose(pixels.sum(), abs(x1 * y2 - x2 * y1) / 2 / 9, rtol=5e-3)


def test_views_and_lights_are_in_order_and_alike_alone():
    mesh = make_sphere(12, 16)
    bumpy = Mesh(mesh.vertices * np.array([1.0, 0.7, 0.5]), mesh.triangles, mesh.albedo)
    images = render_head(bumpy, [-30, 10, 80], [0, 25], LIGHTS).reshape(3, 2, 3, -1)
    for a, azimuth in enumerate([-30, 10, 80]):
        for e, elevation in enumerate([0, 25]):
            for number, light in enumerate(LIGHTS):
                alone = render_head(bumpy, [azimuth], [elevation], light[None])
                assert np.array_equal(images[a, e, number], alone[0])


def test_lights_stand_still_before_the_camera():
    mesh = make_sphere()
    first, second = render_head(mesh, [0, 37], [0], LIGHTS[:1]).astype(int)
    assert (
        np.abs(first - second).max() <= 20
    )  # the outline's facets differ, shading does not
    assert np.abs(first - second).mean() < 0.5
    assert np.allclose(rotate_head(37, 0) @ rotate_head(-37, 0), np.eye(3))
