import numpy as np

from priorbench.datasets.faces.solids import (
    carve_solid,
    cone_distance,
    ellipsoid_distance,
    join_solids,
    trace_outermost,
)


def draw_directions(count=200):
    rays = np.random.default_rng(0).standard_normal((3, count))
    return rays / np.linalg.norm(rays, axis=0)


def test_an_ellipsoid_is_zero_on_its_surface_and_a_ball_exact():
    rays = draw_directions()
    assert np.allclose(ellipsoid_distance(3 * rays + 1, (1, 1, 1), (2, 2, 2)), 1)
    radii = np.array([[1.0], [2.0], [0.5]])
    assert np.allclose(
        ellipsoid_distance(radii * rays, (0, 0, 0), tuple(radii[:, 0])), 0
    )
    assert (
        ellipsoid_distance(0.9 * radii * rays, (0, 0, 0), tuple(radii[:, 0])) < 0
    ).all()


def test_yaw_and_pitch_turn_the_axes():
    at = np.sqrt(2) * np.array(
        [[1.0], [0], [1]]
    )  # the long axis z, turned towards x by 45°
    assert np.allclose(ellipsoid_distance(at, (0, 0, 0), (1, 1, 2), yaw=np.pi / 4), 0)
    at = np.sqrt(2) * np.array([[0.0], [1], [1]])  # the long axis y, turned towards z
    assert np.allclose(ellipsoid_distance(at, (0, 0, 0), (1, 2, 1), pitch=np.pi / 4), 0)


def test_a_cone_has_its_radii_at_its_ends():
    points = np.array([[1.0, 2.0, 0.0], [0.0, 4.0, -3.0], [0.0, 0.0, 0.0]])
    found = cone_distance(points, (0, 0, 0), (0, 4, 0), 1.0, 2.0)
    assert np.allclose(found, [0, 0, 2])


def test_joining_and_carving_far_from_the_other_change_nothing():
    one, other = np.array([0.5, -2.0, 0.0]), np.array([3.0, 5.0, 0.0])
    assert np.allclose(join_solids(one, other, 0.8), [0.5, -2.0, -0.2])
    assert np.allclose(carve_solid(one, other, 0.8)[:2], [0.5, -2.0])
    assert carve_solid(np.array([-2.0]), np.array([-1.0]), 0.5)[0] == 1.0


def test_rays_find_the_outermost_surface():
    rays = draw_directions()

    def shell(points):  # a ball, and a ring around it at a distance
        radius = np.linalg.norm(points, axis=0)
        return np.minimum(radius - 2, np.abs(radius - 5) - 0.5)

    assert np.allclose(trace_outermost(shell, (0, 0, 0), rays, 9.0), 5.5, atol=2e-3)
    shifted = trace_outermost(
        lambda p: ellipsoid_distance(p, (0.5, 0, 0), (2, 3, 1)), (0, 0, 0), rays, 9.0
    )
    assert (
        np.abs(ellipsoid_distance(shifted * rays, (0.5, 0, 0), (2, 3, 1))).max() < 3e-3
    )
