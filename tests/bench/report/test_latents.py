"""Latents over factors, as paths."""

import numpy as np
import pytest

from priorbench.bench.report.page.latents import draw_latents


def test_a_latent_that_follows_a_factor_is_a_line_of_that_factor_alone():
    position = np.zeros((2, 3, 4), np.float32)
    position[:, :, 3] = [[0, 1, 2], [0, np.nan, 2]]
    shape = np.zeros((1, 2, 4), np.float32)
    drawn = draw_latents(
        {"latents_by_position": position, "latents_by_shape": shape, "else": shape}
    )
    assert drawn["factors"] == ["position", "shape"]
    assert drawn["kind"] == "shape"
    (row,) = drawn["rows"]
    assert row["latent"] == 3
    assert row["plots"] == [["M0,40L50,20L100,0", "M0,40M100,0"], ["M0,40L100,40"]]


@pytest.mark.parametrize(
    "arrays",
    [{}, {"latents_by_x": np.ones((1, 5, 2))}, {"latents_by_x": np.ones((1, 1, 2))}],
)
def test_nothing_to_draw(arrays):
    assert draw_latents(arrays) is None
