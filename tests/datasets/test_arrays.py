import numpy as np
import pandas as pd
import pytest
import torch

from priorbench.datasets import FactorDataset, ImageDataset, from_array

GREY = np.random.default_rng(0).random((6, 4, 5))
GRID = [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]


def test_grey_images_are_kept_as_bytes():
    data = from_array(GREY, GRID)
    assert isinstance(data, FactorDataset)
    assert data.image_shape == (1, 4, 5)
    assert data.packed is None
    assert data.pixels.dtype == np.uint8
    assert np.abs(data.images(range(6))[:, 0].numpy() - GREY).max() <= 0.5 / 255 + 1e-6


def test_binary_images_are_kept_as_bits():
    bits = GREY > 0.5
    for images in (
        bits,
        bits.astype(np.uint8),
        bits.astype(np.float32),
        bits.astype(int),
    ):
        data = from_array(images, GRID)
        assert data.packed.shape == (6, 3)
        assert np.array_equal(data.images(range(6))[:, 0].numpy(), bits)


def test_channels_may_be_last():
    colour = np.random.default_rng(0).integers(0, 256, (6, 4, 5, 3), dtype=np.uint8)
    data = from_array(colour, GRID)
    assert data.image_shape == (3, 4, 5)
    expected = torch.from_numpy(colour).permute(0, 3, 1, 2).float() / 255
    assert torch.equal(data.images(range(6)), expected)
    assert torch.equal(from_array(expected.numpy(), GRID).images(range(6)), expected)


def test_levels_are_the_ranks_of_the_values():
    data = from_array(
        GREY,
        [[0.5, 7], [0.5, 9], [-1, 7], [-1, 9], [3, 7], [3, 9]],
        factor_names=["a", "b"],
    )
    assert data.factor_sizes == (3, 2)
    assert data.factors().tolist() == [[1, 0], [1, 1], [0, 0], [0, 1], [2, 0], [2, 1]]
    assert data.incomplete() is None


def test_incomplete_grids_of_many_combinations_are_counted_by_their_rows():
    images = np.zeros((500, 1, 1), np.uint8)
    binary = np.random.default_rng(0).integers(0, 2, (500, 40))
    zeros = ", ".join(f"factor{f}=0" for f in range(40))
    assert from_array(images, binary).incomplete() == (
        f"the combination {zeros} is missing"
    )
    continuous = np.random.default_rng(0).random((500, 30))
    continuous[:, :-1] = continuous[0, :-1]
    continuous[:250, 0] = 0  # two values of the first factor, 500 of the last
    missing = from_array(images, continuous).incomplete()
    assert missing.startswith("the combination factor0=0, factor1=0")
    assert missing.endswith(" is missing")


@pytest.mark.parametrize(
    ("factors", "fault"),
    [
        ([*GRID[:5], [1, 0]], "factor0=1, factor1=2 is missing"),
        (
            [[0, 0], [0, 1], [1, 0], [1, 1], [1, 1], [0, 0]],
            "factor0=0, factor1=0 occurs more than once",
        ),
    ],
)
def test_an_incomplete_grid_is_said_and_allowed(factors, fault):
    data = from_array(GREY, factors)
    assert fault in data.incomplete()
    assert data.factors().tolist() == factors
    assert len(data) == 6


def test_images_without_factors_are_split():
    images = np.repeat(np.arange(100, dtype=np.uint8), 4).reshape(100, 2, 2)
    data = from_array(images, valid=0.2, test=0.1, seed=3)
    assert isinstance(data, ImageDataset)
    assert data.lengths == {"train": 70, "valid": 20, "test": 10}
    assert sorted(data.pixels[:, 0]) == list(range(100))
    assert np.array_equal(
        data.pixels, from_array(images, valid=0.2, test=0.1, seed=3).pixels
    )
    assert not np.array_equal(
        data.pixels, from_array(images, valid=0.2, test=0.1).pixels
    )


def spoiled(value):
    images = GREY.copy()
    images[3, 2, 1] = value
    return images


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (spoiled(np.nan), r"\[0, 1\] .* got nan in image 3, row 2, column 1"),
        (spoiled(1.5), "got 1.5 in image 3"),
        (spoiled(-0.1), "got -0.1 in image 3"),
        (spoiled(np.inf), "got inf in image 3"),
        (GREY[0], "'images' must have the shape"),
        (GREY[:, :0], "none of them 0"),
        (np.zeros((6, 2, 4, 5)), r"C of 1 or 3.*got \(6, 2, 4, 5\)"),
        (np.full((6, 2, 2), "a"), "must be floating point, uint8 or bool; got <U1"),
        (np.full((6, 2, 2), 200, dtype=np.int64), "unless they are uint8; got 200"),
    ],
)
def test_bad_images_are_named(images, message):
    with pytest.raises(ValueError, match=message):
        from_array(images, GRID)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"factors": GRID[:5]}, r"'factors' must have the shape \(6, F\)"),
        ({"factors": [[0, np.nan]] * 6}, "NaN in row 0 of 'factor1'"),
        (
            {"factors": pd.DataFrame({"k": [[0], [1], [2]] * 2})},
            "must give 'k' values that can be ordered",
        ),
        (
            {"factor_sizes": {"y": 2, "x": 2}},
            r"'factor_sizes' must multiply to the number of images, 6; got 2 × 2 = 4",
        ),
        ({"factor_sizes": [2, -3]}, "'factor_sizes' must be positive integers"),
        ({"factors": GRID, "factor_sizes": [6]}, "must not both be given"),
        (
            {"factors": GRID, "factor_names": ["a"]},
            "'factor_names' must be different names",
        ),
        ({"valid": 0}, "'valid' must be a part"),
        ({"valid": 0.5, "test": 0.5}, "less than 1 together"),
        ({}, "must be enough for the splits"),
        ({"seed": -1}, "'seed' must be an integer >= 0; got -1"),
    ],
)
def test_bad_factors_and_splits_are_named(options, message):
    images = GREY[:6] if options else GREY[:2]
    with pytest.raises(ValueError, match=message):
        from_array(images, **options)


def test_factors_may_be_a_table_or_named_by_its_columns():
    table = pd.DataFrame({"y": [0, 0, 0, 1, 1, 1], "kind": ["b", "a", "c"] * 2})
    data = from_array(GREY, table)
    assert repr(data) == "<array: 6 images; y=2, kind=3>"
    assert data.factors()[:3, 1].tolist() == [1, 0, 2]
    named = from_array(GREY, table.to_numpy(), factor_names=table.columns)
    assert named.factor_names == ("y", "kind")
    assert torch.equal(named.factors(), data.factors())


def test_images_in_the_order_of_a_grid_need_the_sizes_only():
    data = from_array(GREY, factor_sizes={"y": 2, "x": 3})
    assert data.factors().tolist() == GRID
    assert from_array(GREY, factor_sizes=[2, 3], factor_names="ab").factor_names == (
        "a",
        "b",
    )


def test_stored_bytes_are_not_copied(tmp_path):
    """A memory-mapped array stays on the disk, whatever its size."""
    images = np.random.default_rng(0).integers(0, 256, (6, 4, 5), dtype=np.uint8)
    np.save(tmp_path / "mine.npy", images)
    mapped = np.load(tmp_path / "mine.npy", mmap_mode="r")
    assert np.shares_memory(from_array(mapped, GRID).pixels, mapped)


def test_images_are_converted_in_parts(monkeypatch):
    monkeypatch.setattr("priorbench.datasets.arrays.CHUNK", 2)
    for images in (GREY, GREY > 0.5, np.stack([GREY] * 3, 3)):
        whole = from_array(images, GRID).images(range(6))
        expected = torch.from_numpy(images.astype("float32"))
        expected = expected[:, None] if images.ndim == 3 else expected.movedim(3, 1)
        assert (whole - expected).abs().max() <= 0.5 / 255 + 1e-6
    with pytest.raises(ValueError, match=r"got 1.5 in image 3, row 2, column 1"):
        from_array(spoiled(1.5), GRID)
    with pytest.raises(ValueError, match=r"got 1.5 in image 3, row 2, column 1"):
        from_array(np.stack([spoiled(1.5)] * 3, 3), GRID)
