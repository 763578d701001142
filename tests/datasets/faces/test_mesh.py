import numpy as np

from priorbench.datasets.faces.mesh import Mesh, find_frame, orient_outward

CORNERS = np.array([[0.0, 0, 0], [2, 0, 0], [0, 2, 0], [0, 0, 2]])
TETRAHEDRON = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])


def test_normals_are_the_mean_of_the_triangles_by_area():
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 3], [9, 9, 9]])
    triangles = np.array(
        [[0, 1, 2], [0, 2, 3]]
    )  # normals z and x, of areas 1/2 and 3/2
    normals = Mesh(vertices, triangles, np.ones(5)).normals()
    assert np.allclose(normals[0], np.array([3, 0, 1]) / np.sqrt(10))
    assert np.allclose(normals[1], [0, 0, 1])
    assert np.allclose(normals[3], [1, 0, 0])
    assert not normals[4].any()


def test_triangles_are_turned_outward_as_a_whole():
    assert np.array_equal(orient_outward(CORNERS, TETRAHEDRON), TETRAHEDRON)
    assert np.array_equal(orient_outward(CORNERS, TETRAHEDRON[:, ::-1]), TETRAHEDRON)
    assert np.array_equal(
        orient_outward(CORNERS + 100, TETRAHEDRON[:, ::-1]), TETRAHEDRON
    )


def test_a_frame_holds_all_vertices():
    centre, radius = find_frame(CORNERS + 5)
    assert np.allclose(centre, [6, 6, 6])
    assert np.isclose(radius, np.sqrt(3))
