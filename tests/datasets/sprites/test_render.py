import os
from pathlib import Path

import numpy as np
import pytest

from priorbench.datasets.sprites.render import FACTORS, fill_polygon, render_grid

REAL_FILES = (
    Path(os.environ.get("PRIORBENCH_SHARED", "")) / "dsprites/real_12000.npz",
    Path(__file__).parents[4] / "shared/data/dsprites/real_12000.npz",
)


def draw_polygon(vertices):
    """The image (64, 64) of one polygon, vertices (E, 2) in 1/256 pixel."""
    x, y = np.asarray(vertices, dtype=np.int64).T
    return np.unpackbits(fill_polygon(x[None], y[None])).reshape(64, 64)


def draw_by_points(vertices):
    """The same by testing every pixel's centre against every edge."""
    centre = np.arange(64) * 256 + 128
    inside = np.zeros((64, 64), dtype=bool)
    for (x0, y0), (x1, y1) in zip(vertices, np.roll(vertices, -1, axis=0), strict=True):
        if y1 < y0:
            x0, y0, x1, y1 = x1, y1, x0, y0
        crossed = (y0 < centre) & (centre <= y1)
        right = (centre[None] - x0) * (y1 - y0) >= (centre[:, None] - y0) * (x1 - x0)
        inside ^= crossed[:, None] & right
    return inside


def test_left_and_bottom_edges_are_in_right_and_top_out():
    low, high = 10 * 256 + 128, 20 * 256 + 128
    image = draw_polygon([[low, low], [high, low], [high, high], [low, high]])
    rows, columns = np.nonzero(image)
    assert (columns.min(), columns.max()) == (10, 19)
    assert (rows.min(), rows.max()) == (11, 20)
    assert image.sum() == 100


def test_ties_on_slanted_edges():
    centre = 128 + 256 * np.array([[10, 10], [20, 20], [10, 20]])
    image = draw_polygon(
        centre
    )  # every centre on the diagonal is on an edge that bounds it on the right
    expected = np.zeros((64, 64))
    for row in range(11, 21):
        expected[row, 10:row] = 1
    assert np.array_equal(image, expected)


def test_neighbours_share_no_pixel_and_leave_none_out():
    a, b, c, d = 128 * np.array([[20, 20], [61, 24], [70, 81], [24, 60]])
    assert np.array_equal(
        draw_polygon([a, b, c]) + draw_polygon([a, c, d]), draw_polygon([a, b, c, d])
    )


@pytest.mark.parametrize("grid", [1, 64, 128])
def test_polygons_agree_with_point_by_point_tests(grid):
    rng = np.random.default_rng(grid)
    for _ in range(20):
        vertices = rng.integers(0, 64 * 256 // grid, (rng.integers(3, 12), 2)) * grid
        assert np.array_equal(draw_polygon(vertices), draw_by_points(vertices))


def test_a_polygon_without_area_draws_nothing():
    assert draw_polygon([[300, 300], [400, 300], [350, 310]]).sum() == 0


def test_positions_are_filled_independently():
    x = np.array([[1000, 5000, 3000], [2000, 6000, 4100]])
    y = np.array([[1000, 1500, 6000], [2000, 2600, 7000], [3000, 3700, 9000]])
    images = np.unpackbits(fill_polygon(x, y), axis=1).reshape(2, 3, 64, 64)
    for i in range(2):
        for j in range(3):
            assert np.array_equal(
                images[i, j], draw_polygon(np.stack([x[i], y[j]], axis=1))
            )


def test_images_are_in_the_official_order():
    arrays = list(render_grid([[0, 2], [1], [3, 4], [0, 7, 9], [2, 30]]))
    assert [array.shape for array in arrays] == [(6, 512)] * 4
    (lone,) = render_grid([[2], [1], [3], [9], [2]])
    assert np.array_equal(arrays[2][4], lone[0])


def test_the_last_orientation_repeats_the_first():
    first, last = [
        np.concatenate(
            list(render_grid([range(3), range(6), [turn], range(32), range(32)]))
        )
        for turn in (0, 39)
    ]
    assert np.array_equal(first, last)


def test_x_goes_right_and_y_down():
    (packed,) = render_grid([[0], [0], [0], [0, 31], [0, 31]])
    images = np.unpackbits(packed, axis=1).reshape(2, 2, 64, 64)
    rows, columns = zip(
        *[np.argwhere(image).mean(0) for image in images.reshape(4, 64, 64)],
        strict=True,
    )
    assert np.allclose(columns, [15.5, 15.5, 47.5, 47.5], atol=0.5)
    assert np.allclose(rows, [15.5, 47.5, 15.5, 47.5], atol=0.5)


def test_all_pixels_on(full):
    on = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(
        1, dtype=np.uint8
    )
    parts = full.packed.reshape(720, -1)
    pixels = sum(int(on[part].sum(dtype=np.int64)) for part in parts)
    assert abs(pixels - 128_328_862) <= 10


def test_real_images(full):
    found = [path for path in REAL_FILES if path.is_file()]
    if not found:
        pytest.skip("the file of real images is not here")
    real = np.load(found[0], allow_pickle=False)
    differing = np.unpackbits(full.packed[real["index"]] ^ real["images"], axis=1).sum(
        axis=1
    )
    assert np.count_nonzero(differing) <= 4
    assert differing.max() <= 1
    assert np.array_equal(full.factors(real["index"]).numpy(), real["factors"])


def test_distinct_images(full):
    assert len(np.unique(full.packed.view("V512"))) == 715_706


def test_sizes_are_those_of_the_official_file(full):
    assert full.factor_sizes == tuple(FACTORS.values()) == (3, 6, 40, 32, 32)
    assert len(full) == 737_280
