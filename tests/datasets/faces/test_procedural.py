import numpy as np
import pytest

from priorbench.datasets.faces.camera import light_direction
from priorbench.datasets.faces.mesh import Mesh, orient_outward
from priorbench.datasets.faces.procedural import ProceduralHead, Traits, draw_traits
from priorbench.datasets.faces.render import SIDE, render_head

LIGHT = light_direction(0, 30)[None]


@pytest.fixture(scope="module")
def head():
    return ProceduralHead()


@pytest.fixture(scope="module")
def mean(head):
    return head.make_mesh(Traits())


def measure_extent(which, mesh):
    """Extent of the chosen vertices along each axis, in centimetres."""
    return 13.2 * (mesh.vertices[which].max(axis=0) - mesh.vertices[which].min(axis=0))


def test_the_mesh_is_closed_and_faces_outward(head, mean):
    edges = np.concatenate([head.triangles[:, [i, (i + 1) % 3]] for i in range(3)])
    forward = {tuple(edge) for edge in edges.tolist()}
    assert len(forward) == len(edges)  # no edge twice in one direction
    assert {(b, a) for a, b in forward} == forward
    assert np.array_equal(orient_outward(mean.vertices, head.triangles), head.triangles)
    assert np.isfinite(mean.vertices).all()
    assert np.allclose(np.linalg.norm(mean.normals(), axis=1), 1)


def test_every_head_is_symmetric(head):
    for number in (0, 1):
        mesh = head.mesh(number, seed=3)
        ring = np.arange(1, 1 + 144 * 192).reshape(144, 192)
        mirrored = np.concatenate(
            [[0], ring[:, -np.arange(192) % 192].ravel(), [1 + 144 * 192]]
        )
        expected = mesh.vertices[mirrored] * np.array([-1, 1, 1])
        assert np.abs(mesh.vertices - expected).max() < 1e-6
        assert np.abs(mesh.albedo - mesh.albedo[mirrored]).max() < 1e-6
    left, right = (
        render_head(mesh, [-54.0, 54.0], [8.0], LIGHT)
        .reshape(2, SIDE, SIDE)
        .astype(int)
    )
    assert np.abs(left - right[:, ::-1]).mean() < 0.5  # quads are halved one way


def test_the_mean_head_has_the_size_of_an_adults(mean):
    above_neck = mean.vertices[:, 1] * 13.2 - 0.7 > -11.6
    width, height, length = measure_extent(above_neck, mean)
    assert 15 < width < 17.5  # with the ears
    assert 22 < height < 24
    assert 19 < length < 23  # with the nose
    nose = np.argmax(mean.vertices[:, 2])
    assert abs(mean.vertices[nose, 0]) < 0.03
    assert -5 < mean.vertices[nose, 1] * 13.2 - 0.7 < -3


def test_all_heads_are_in_the_frame_at_every_angle(head):
    for number in range(6):
        images = render_head(
            head.mesh(number, 0), [-90, -45, 0, 90], [-40, 0, 40], LIGHT
        )
        images = images.reshape(-1, SIDE, SIDE)
        assert not images[:, 0].any()
        assert not images[:, :-16, [0, -1]].any()  # only the neck leaves it
        assert ((images > 0).mean(axis=(1, 2)) > 0.25).all()


@pytest.mark.parametrize(
    "trait", [name for name in Traits._fields if name not in ("hair", "skin")]
)
def test_every_trait_is_seen(head, mean, trait):
    changed = head.make_mesh(Traits(**{trait: 2.0}))
    views = [
        render_head(mesh, [0, 60], [0], LIGHT).astype(int) for mesh in (mean, changed)
    ]
    assert np.abs(views[0] - views[1]).max() > 20


@pytest.mark.parametrize("tone", ["hair", "skin"])
def test_tones_leave_the_shape(head, mean, tone):
    changed = head.make_mesh(Traits(**{tone: 2.0}))
    assert np.array_equal(changed.vertices, mean.vertices)
    assert (changed.albedo - mean.albedo).max() > 0.05
    assert changed.albedo.max() <= 1


def test_identities_have_their_own_streams():
    assert draw_traits(7, seed=0) == draw_traits(7, seed=0)
    assert (
        len({draw_traits(number, seed) for number in range(50) for seed in range(3)})
        == 150
    )
    drawn = np.array([draw_traits(number, 0) for number in range(2000)])
    assert np.abs(drawn).max() == 2.5
    assert np.abs(drawn.mean(axis=0)).max() < 0.15
    assert np.abs(drawn.std(axis=0) - 1.3).max() < 0.1


def test_the_silhouette_does_not_depend_on_the_light(mean):
    white = Mesh(mean.vertices, mean.triangles, np.ones(len(mean.vertices)))
    lights = np.stack(
        [light_direction(angle, 30) for angle in np.linspace(-75, 75, 11)]
    )
    lit = render_head(white, [40.0], [16.0], lights) > 0
    assert (lit == lit[0]).all()


def test_light_from_the_left_is_on_the_left(mean):
    image = render_head(mean, [0], [0], light_direction(-60, 30)[None]).reshape(
        SIDE, SIDE
    )
    assert image[:, : SIDE // 2].mean() > 1.5 * image[:, SIDE // 2 :].mean()
