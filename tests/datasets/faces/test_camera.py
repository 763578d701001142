import numpy as np
import pytest

from priorbench.datasets.faces.camera import Camera, light_direction, rotate_head


def test_projection_is_that_of_a_pinhole():
    points, inverse = Camera(100, distance=3.0).project(
        np.array([[0.5, -0.25, 1.0], [0, 0, -1]])
    )
    focal = 50 * np.sqrt(8)
    assert np.allclose(points, [[50 + focal * 0.25, 50 + focal * 0.125], [50, 50]])
    assert np.allclose(inverse, [1 / 2, 1 / 4])


def test_the_outline_of_the_unit_sphere_touches_the_edges():
    camera = Camera(64, distance=4.0)
    # The outline is the circle where lines from the pinhole are tangent, at z = 1 / D.
    z, radius = 1 / 4, np.sqrt(1 - 1 / 16)
    points, _ = camera.project(
        np.array([[radius, 0, z], [-radius, 0, z], [0, radius, z]])
    )
    assert np.allclose(points, [[64, 32], [0, 32], [32, 0]])


@pytest.mark.parametrize(
    ("azimuth", "elevation"), [(0, 0), (35, 0), (0, -20), (-80, 40)]
)
def test_a_rotation_turns_and_nothing_else(azimuth, elevation):
    turn = rotate_head(azimuth, elevation)
    assert np.allclose(turn @ turn.T, np.eye(3))
    assert np.isclose(np.linalg.det(turn), 1)


def test_azimuth_turns_the_face_right_and_elevation_shows_the_top():
    face, top = np.array([0.0, 0, 1]), np.array([0.0, 1, 0])
    assert np.allclose(rotate_head(30, 0) @ face, [0.5, 0, np.sqrt(0.75)])
    assert np.allclose(rotate_head(30, 0) @ top, top)
    assert np.allclose(rotate_head(0, 30) @ top, [0, np.sqrt(0.75), 0.5])
    assert (rotate_head(50, 30) @ top)[2] > 0  # whichever way the face is turned
    assert np.allclose((rotate_head(50, 30) @ top)[0], 0)


def test_the_light_goes_right_and_up():
    assert np.allclose(light_direction(90, 0), [1, 0, 0])
    assert np.allclose(light_direction(0, 90), [0, 1, 0])
    assert np.isclose(np.linalg.norm(light_direction(-40, 30)), 1)
