"""Latents over factors, as paths."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from priorbench.bench.report.page.latents import draw_latents
from priorbench.bench.report.page.png import HIGH, LOW, ZERO, draw_map


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


def read_pixels(address):
    """Return the pixels of a PNG file that an address holds."""
    content = base64.b64decode(address.removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(io.BytesIO(content)))


def test_a_map_is_blue_below_zero_and_red_above():
    pixels = read_pixels(draw_map(np.array([[-2.0, 0.0, 1.0], [9.0, np.nan, -1.0]]), 2))
    assert pixels.shape == (2, 3, 4)
    assert pixels[..., 3].tolist() == [[255] * 3, [255, 0, 255]]
    half = [(ZERO + HIGH) / 2, (ZERO + LOW) / 2]
    expected = [LOW, ZERO, half[0], HIGH, half[1]]
    found = pixels[[0, 0, 0, 1, 1], [0, 1, 2, 0, 2], :3]
    np.testing.assert_allclose(found, expected, atol=0.51)


def test_a_position_is_a_map_in_place_of_two_lines():
    x = np.linspace(-1, 1, 4)
    over = np.zeros((3, 4, 2), np.float16)
    over[..., 1] = x
    scale = np.zeros((2, 3, 2), np.float32)
    scale[:, :, 0] = [[-4, 0, 4], [-4, 0, 4]]
    scale[:, :, 1] = 2
    arrays = {
        "latents_by_x": np.ones((1, 4, 2)) * x[:, None],
        "latents_by_y": np.zeros((1, 3, 2)),
        "latents_by_scale": scale,
        "latents_over_x, y": over,
    }
    drawn = draw_latents(arrays)
    assert (drawn["position"], drawn["factors"]) == ("x, y", ["scale"])
    assert [row["latent"] for row in drawn["rows"]] == [0, 1]
    white, striped = (read_pixels(row["map"])[..., :3] for row in drawn["rows"])
    assert (white == ZERO).all()
    assert striped.shape == (3, 4, 3)
    # to the scale of the other latent, which reaches 4
    np.testing.assert_allclose(striped[0, 0], ZERO + (LOW - ZERO) / 4, atol=0.51)
    flat = drawn["rows"][1]["plots"]
    assert flat == [["M0,10L50,10L100,10"] * 2]
    del arrays["latents_over_x, y"]  # runs of before
    drawn = draw_latents(arrays)
    assert (drawn["position"], drawn["factors"]) == ("", ["scale", "x", "y"])
    assert {row["map"] for row in drawn["rows"]} == {""}


@pytest.mark.parametrize(
    "arrays",
    [{}, {"latents_by_x": np.ones((1, 5, 2))}, {"latents_by_x": np.ones((1, 1, 2))}],
)
def test_nothing_to_draw(arrays):
    assert draw_latents(arrays) is None
