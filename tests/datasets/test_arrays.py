import numpy as np
import pytest
import torch

from priorbench.datasets import FactorDataset, ImageDataset, from_array, from_file

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
        ({"factors": [[0, np.nan]] * 6}, "NaN in row 0"),
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


def test_a_file_is_loaded(tmp_path):
    path = tmp_path / "mine.npz"
    np.savez(path, images=GREY, factors=GRID, factor_names=["y", "x"])
    data = from_file(path)
    assert repr(data) == "<mine: 6 images; y=2, x=3>"
    np.savez(path, train=GREY, valid=GREY[:2], test=GREY[:3])
    assert from_file(path).lengths == {
        "train": 6,
        "valid": 2,
        "test": 3,
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"images": np.array([{}], dtype=object)}, "pickled"),
        (
            {"pictures": GREY},
            "expected 'images', or 'train', 'valid' and 'test'; got pictures",
        ),
        ({"images": GREY * 2}, r"must lie in \[0, 1\]"),
        ({"train": GREY, "test": GREY[:, 1:]}, "'test' must hold images of the shape"),
    ],
)
def test_a_bad_file_is_named(tmp_path, content, message):
    path = tmp_path / "mine.npz"
    np.savez(path, **content)
    with pytest.raises(ValueError, match=rf"mine\.npz.*{message}"):
        from_file(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"<html>", "HTML page"),
        (b"\x80\x04K\x01.", "pickle, which is never opened"),
        (b"PK nothing", "as an .npz file of arrays that are not pickled"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path, content, message):
    path = tmp_path / "mine.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"mine\.npz.*{message}"):
        from_file(path)
    with pytest.raises(ValueError, match=r"no file '.*other.npz'"):
        from_file(tmp_path / "other.npz")


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ({"images": GREY}, {"sed": 1}, "no argument 'sed'; did you mean 'seed'"),
        ({"train": GREY}, {"seed": 1}, "'seed' does not go with images in splits"),
    ],
)
def test_wrong_options_of_a_file_are_named(tmp_path, content, options, message):
    path = tmp_path / "mine.npz"
    np.savez(path, **content)
    with pytest.raises(ValueError, match=message):
        from_file(path, **options)


def test_a_member_that_nothing_asks_for_may_be_pickled(tmp_path):
    metadata = np.array([{"author": "someone"}], dtype=object)
    images = np.zeros((4, 2, 2), np.uint8)
    np.savez(tmp_path / "mine.npz", images=images, factors=range(4), metadata=metadata)
    assert len(from_file(tmp_path / "mine.npz")) == 4


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        (np.array([0, 65535], np.uint16), "divide them by 65535"),
        (np.array([0, 200], np.int32), "divide them by 255, or save them as uint8"),
        (np.array([-1.0, 1.0]), "save \\(images \\+ 1\\) / 2"),
        (np.array([0.0, 255.0]), "save images / 255"),
        (np.array([-7.0, 300.0]), "column 0$"),
    ],
)
def test_images_of_another_range_are_told_how_to_be_converted(tmp_path, values, hint):
    np.savez(tmp_path / "mine.npz", images=values[:, None, None], factors=range(2))
    with pytest.raises(ValueError, match=f"mine.npz': 'images' must lie in.*{hint}"):
        from_file(tmp_path / "mine.npz")
