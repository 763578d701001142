import os

import numpy as np
import pytest
from scipy.io import savemat

from priorbench.datasets.faces.linear import ALBEDO
from priorbench.datasets.faces.model_files import read_basel_model, read_numpy_model


def make_octahedron(**changes):
    """Arrays of a small model of six vertices and two modes."""
    rng = np.random.default_rng(0)
    neutral = np.array(
        [[3.0, 0, 0], [-1, 0, 0], [1, 2, 0], [1, -2, 0], [1, 0, 2], [1, 0, -2]]
    )
    triangles = np.array(
        [
            [0, 2, 4],
            [2, 1, 4],
            [1, 3, 4],
            [3, 0, 4],
            [2, 0, 5],
            [1, 2, 5],
            [3, 1, 5],
            [0, 3, 5],
        ]
    )
    content = {
        "neutral": neutral,
        "triangles": triangles,
        "modes": rng.standard_normal((2, 6, 3)),
        "mode_scale": np.array([0.5, 0.1]),
    }
    return {
        key: value for key, value in {**content, **changes}.items() if value is not None
    }


def make_basel(**changes):
    """The same in the form of the Basel model, with a texture."""
    given = make_octahedron()
    modes = given["modes"].reshape(2, 18).T.astype(np.float32)
    content = {
        "shapeMU": given["neutral"].reshape(18, 1).astype(np.float32),
        "shapePC": modes,
        "shapeEV": given["mode_scale"][:, None].astype(np.float32),
        "tl": given["triangles"].astype(float) + 1,
        "texMU": np.tile([[255.0], [0], [0]], (6, 1)),
        "texPC": modes * 0,
        "texEV": np.ones((2, 1)),
    }
    return {
        key: value for key, value in {**content, **changes}.items() if value is not None
    }


@pytest.fixture
def save(tmp_path):
    def write(content):
        if "shapePC" in content or "shapeMU" in content:
            savemat(tmp_path / "model.mat", content)
            return tmp_path / "model.mat"
        np.savez(tmp_path / "model.npz", **content)
        return tmp_path / "model.npz"

    return write


def draw_weights(number, seed):
    return np.random.default_rng([seed, number]).standard_normal(2)


def test_a_vertex_is_neutral_plus_weighted_modes(save):
    content = make_octahedron()
    model = read_numpy_model(save(content))
    one, two = draw_weights(4, 9) * content["mode_scale"]
    expected = (
        content["neutral"] + one * content["modes"][0] + two * content["modes"][1]
    )
    mesh = model.mesh(4, seed=9)
    assert np.allclose(
        mesh.vertices * 2 + [1, 0, 0], expected
    )  # the frame of the neutral head
    assert (mesh.albedo == ALBEDO).all()
    assert np.array_equal(mesh.triangles, content["triangles"])


def test_identity_does_not_move_the_camera(save):
    model = read_numpy_model(save(make_octahedron()))
    rest = read_numpy_model(save(make_octahedron(mode_scale=np.zeros(2))))
    assert (model.centre == rest.centre).all()
    assert model.radius == rest.radius
    assert np.array_equal(rest.mesh(1, 0).vertices, rest.mesh(2, 5).vertices)


def test_triangles_of_either_orientation_face_outward(save):
    turned = read_numpy_model(
        save(make_octahedron(triangles=make_octahedron()["triangles"][:, ::-1]))
    )
    assert np.array_equal(turned.triangles, make_octahedron()["triangles"])


def test_the_archive_may_bring_albedo_and_frame(save):
    albedo = np.linspace(0, 1.2, 6)
    content = make_octahedron(
        albedo=albedo,
        centre=np.array([0.0, 1, 2]),
        radius=np.float32(4),
        modes=np.ones((2, 6, 3), np.int8),
        mode_scale=np.zeros(2),
    )
    mesh = read_numpy_model(save(content)).mesh(0, 0)
    assert np.allclose(mesh.vertices, (content["neutral"] - [0, 1, 2]) / 4)
    assert np.allclose(mesh.albedo, np.clip(albedo, 0, 1))


def test_the_ict_head(shared_faces):
    model = read_numpy_model(shared_faces)
    first, second = model.mesh(0, 0), model.mesh(1, 0)
    assert first.vertices.shape == (14388, 3)
    assert 0.2 < np.abs(first.vertices - second.vertices).max() * 14 < 6  # cm
    assert np.isclose(first.vertices[:, 1].max(), 1, atol=0.1)


def test_the_basel_model_is_read(save):
    model = read_basel_model(save(make_basel()))
    expected = read_numpy_model(save(make_octahedron())).mesh(3, 1)
    mesh = model.mesh(3, 1)
    assert np.allclose(mesh.vertices, expected.vertices, atol=1e-6)
    assert np.array_equal(mesh.triangles, expected.triangles)
    assert np.allclose(mesh.albedo, 0.299)


def test_the_basel_model_may_have_no_texture(save):
    mesh = read_basel_model(save(make_basel(texMU=None))).mesh(0, 0)
    assert (mesh.albedo == ALBEDO).all()


NAN = np.where(np.arange(18).reshape(6, 3) == 7, np.nan, make_octahedron()["neutral"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"neutral": None}, "expected the key 'neutral', which is not there"),
        (
            {"neutral": np.zeros((6, 2))},
            r"'neutral' to be real numbers of shape \(any, 3\), got float",
        ),
        ({"neutral": NAN}, "finite numbers in 'neutral', got NaN"),
        ({"neutral": np.array([{}] * 6, dtype=object)}, "allow_pickle=False"),
        ({"neutral": np.array([["a"] * 3])}, "'neutral' to be real numbers"),
        (
            {"triangles": make_octahedron()["triangles"] - 1},
            "vertices from 0 to 5 in 'triangles', got -1",
        ),
        (
            {"triangles": make_octahedron()["triangles"] + 1},
            "vertices from 0 to 5 in 'triangles', got 6",
        ),
        ({"triangles": make_octahedron()["triangles"] / 2}, "in 'triangles', got 0.5"),
        (
            {"triangles": np.zeros((0, 3), int)},
            r"'triangles' to be whole .* of shape \(any, 3\), got",
        ),
        ({"modes": None}, "expected the key 'modes'"),
        (
            {"modes": np.zeros((2, 5, 3))},
            r"'modes' to be real numbers of shape \(any, 6, 3\)",
        ),
        ({"modes": np.full((2, 6, 3), np.inf)}, "finite numbers in 'modes'"),
        (
            {"mode_scale": np.ones(3)},
            r"'mode_scale' to be real numbers of shape \(2,\)",
        ),
        ({"albedo": np.ones(5)}, r"'albedo' to be real numbers of shape \(6,\)"),
        ({"centre": np.zeros(3)}, "expected the key 'radius'"),
        (
            {"centre": np.zeros(3), "radius": np.array(0.0)},
            "expected 'radius' above 0, got 0.0",
        ),
    ],
)
def test_a_wrong_archive_is_refused(save, changes, message):
    path = save(make_octahedron(**changes))
    with pytest.raises(ValueError, match=message) as caught:
        read_numpy_model(path)
    assert f"{str(path)!r} as a head model: " in str(caught.value)
    assert "model='procedural'" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shapePC": None}, "expected the key 'shapePC', which is not there"),
        (
            {"shapeMU": np.zeros((17, 1))},
            "'shapeMU' of three values for each vertex, got 17",
        ),
        (
            {"shapePC": np.zeros((15, 2))},
            r"'shapePC' to be real numbers of shape \(18, any\)",
        ),
        (
            {"shapeEV": np.ones((3, 1))},
            r"'shapeEV' to be real numbers of shape \(2, 1\)",
        ),
        ({"tl": make_basel()["tl"] - 1}, "vertices from 1 to 6 in 'tl', got 0"),
        (
            {"texMU": np.zeros((15, 1)), "texPC": np.zeros((15, 2))},
            "'texMU' as long as 'shapeMU', 18",
        ),
    ],
)
def test_a_wrong_basel_model_is_refused(save, changes, message):
    path = save(make_basel(**changes))
    with pytest.raises(ValueError, match=message) as caught:
        read_basel_model(path)
    assert f"{str(path)!r} as a head model: " in str(caught.value)


def test_a_matlab_file_of_version_7_3_says_what_to_do(tmp_path):
    path = tmp_path / "model.mat"
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(384))
    with pytest.raises(
        ValueError, match=r"version 7\.3.*save it again with the option '-v7'"
    ):
        read_basel_model(path)


@pytest.mark.parametrize(
    "content", [b"", b"<html>not found</html>", b"PK\x03\x04 not an archive"]
)
@pytest.mark.parametrize("reader", [read_numpy_model, read_basel_model])
def test_other_files_are_refused(tmp_path, reader, content):
    (tmp_path / "model").write_bytes(content)
    with pytest.raises(ValueError, match="as a head model: "):
        reader(tmp_path / "model")


@pytest.mark.parametrize("make", [make_octahedron, make_basel])
@pytest.mark.parametrize("part", [0.2, 0.9])
def test_truncated_files_are_refused(save, make, part):
    path = save(make())
    os.truncate(path, int(path.stat().st_size * part))
    with pytest.raises(ValueError, match="as a head model: "):
        (read_numpy_model if make is make_octahedron else read_basel_model)(path)


def test_a_single_array_is_no_archive(tmp_path):
    np.save(tmp_path / "model.npy", np.zeros(3))
    with pytest.raises(
        ValueError, match=r"expected an \.npz archive, got a single array"
    ):
        read_numpy_model(tmp_path / "model.npy")
