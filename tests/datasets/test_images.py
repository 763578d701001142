import numpy as np
import pytest
import torch

from priorbench.datasets import FactorDataset, ImageDataset, Images

PIXELS = np.random.default_rng(0).integers(0, 256, (7, 12), dtype=np.uint8)


def split(**changes):
    arguments = {
        "name": "some",
        "image_shape": (3, 2, 2),
        "lengths": {"train": 4, "test": 3},
        "pixels": PIXELS,
        **changes,
    }
    return ImageDataset(**arguments)


def test_a_split_is_a_view_of_its_images():
    data = split()
    assert len(data) == 7
    train, test = data.split("train"), data.split("test")
    assert (len(train), len(test)) == (4, 3)
    assert test.image_shape == (3, 2, 2)
    assert np.shares_memory(test.pixels, PIXELS)
    assert torch.equal(test.images([2]), data.images([6]))
    assert torch.equal(
        data.images([6]).flatten() * 255, torch.from_numpy(PIXELS[6]).float()
    )
    with pytest.raises(IndexError, match=r"'some \(test\)' of length 3"):
        test.images([3])


def test_packed_splits():
    bits = PIXELS > 127
    data = split(packed=np.packbits(bits, axis=1), pixels=None)
    assert np.array_equal(data.split("test").images([0]).numpy().ravel(), bits[4])
    assert data.split("test").pixels is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lengths": {"test": 7}}, "'lengths' must give the length of 'train'"),
        ({"lengths": {"train": 0}}, "'lengths' must be positive integers"),
        ({"lengths": {"train": 6}}, r"'pixels' must be uint8 of shape \(6, 12\)"),
        ({"pixels": PIXELS / 255}, "got float64"),
        ({"pixels": None}, "one of 'packed' and 'pixels' must be given"),
        ({"packed": PIXELS}, "must not both be given"),
        ({"image_shape": (2, 2)}, "'image_shape' must be"),
    ],
)
def test_arguments_that_do_not_fit_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        split(**changes)


def test_an_unknown_split_suggests_near_matches():
    with pytest.raises(ValueError, match="no split 'tset'; did you mean 'test'"):
        split().split("tset")


def test_a_factor_table_is_checked():
    table = np.array([[0, 0], [1, 1], [0, 0]])
    data = FactorDataset(
        "t", ("a", "b"), (2, 2), (1, 2, 2), pixels=PIXELS[:3, :4], factor_table=table
    )
    assert len(data) == 3
    assert data.factors([1]).tolist() == [[1, 1]]
    for bad, message in (
        (table * 2, "'a' levels from 0 to 1; got 2"),
        (table[:, :1], r"integers of shape \(N, 2\)"),
        (table / 1, "got float64"),
    ):
        with pytest.raises(ValueError, match=message):
            FactorDataset(
                "t",
                ("a", "b"),
                (2, 2),
                (1, 2, 2),
                pixels=PIXELS[:3, :4],
                factor_table=bad,
            )


def test_images_without_an_array_say_what_to_define():
    with pytest.raises(NotImplementedError, match="must define __len__"):
        len(Images("none", (1, 2, 2)))
