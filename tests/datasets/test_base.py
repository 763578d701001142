import numpy as np
import pytest
import torch

from priorbench.datasets import FactorDataset


def binary(**changes):
    bits = np.random.default_rng(0).integers(0, 2, (6, 15), dtype=np.uint8)
    arguments = {
        "name": "binary",
        "factor_names": ("a", "b"),
        "factor_sizes": (2, 3),
        "image_shape": (1, 3, 5),
        "packed": np.packbits(bits, axis=1),
        **changes,
    }
    return FactorDataset(**arguments), bits


def test_images_are_the_unpacked_rows():
    data, bits = binary()
    images = data.images([5, 0, 5])
    assert images.dtype == torch.float32
    assert images.shape == (3, 1, 3, 5)
    assert torch.equal(images.flatten(1), torch.from_numpy(bits[[5, 0, 5]]).float())


def test_only_the_requested_rows_are_unpacked(monkeypatch):
    data, _ = binary()
    seen = []
    unpack = np.unpackbits
    monkeypatch.setattr(
        np, "unpackbits", lambda rows, **k: seen.append(rows) or unpack(rows, **k)
    )
    data.images([4, 1])
    assert [rows.shape for rows in seen] == [(2, 2)]


def test_factors_are_the_digits_of_the_index():
    data, _ = binary()
    assert data.factors().tolist() == [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]
    assert data.factors().dtype == torch.int64
    assert data.factors([3, 2]).tolist() == [[1, 0], [0, 2]]


@pytest.mark.parametrize(
    "indices",
    [
        [1, 2],
        (1, 2),
        range(1, 3),
        np.array([1, 2], np.uint8),
        torch.tensor([1, 2]),
    ],
)
def test_indices_may_be_any_sequence_of_integers(indices):
    data, bits = binary()
    assert torch.equal(
        data.images(indices).flatten(1), torch.from_numpy(bits[1:3]).float()
    )


def test_no_indices_give_no_images():
    data, _ = binary()
    assert data.images([]).shape == (0, 1, 3, 5)
    assert data.factors([]).shape == (0, 2)


@pytest.mark.parametrize("index", [6, -1, 10**12])
@pytest.mark.parametrize("method", ["images", "factors"])
def test_a_bad_index_is_named_with_the_length(method, index):
    data, _ = binary()
    with pytest.raises(IndexError, match=rf"index {index} .*'binary' of length 6"):
        getattr(data, method)([0, index])


@pytest.mark.parametrize("indices", [3, [[1]], [0.5], [True], ["a"]])
def test_indices_that_are_not_a_list_of_integers_are_refused(indices):
    data, _ = binary()
    with pytest.raises(
        ValueError, match="'indices' must be a one-dimensional sequence"
    ):
        data.images(indices)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"factor_names": ("a",)}, "'factor_names' must be different names"),
        ({"factor_names": ("a", "a")}, "'factor_names' must be different names"),
        ({"factor_sizes": (2, 0)}, "'factor_sizes' must be positive integers"),
        ({"image_shape": (3, 5)}, "'image_shape' must be"),
        ({"excluded_factors": ("c",)}, "'excluded_factors' .* 'c'; known: a, b"),
        ({"nuisance_factors": ("c",)}, "'nuisance_factors' .* 'c'; known: a, b"),
        (
            {"factor_names": ("a", "groups")},
            "must not have 'groups', which .*; rename it, for example 'groups_factor'",
        ),
        ({"cyclic_factors": ("c",)}, "'cyclic_factors' has no factor 'c'"),
        ({"position_factors": ("a", "c")}, "'position_factors' has no factor 'c'"),
        ({"position_factors": ("a",)}, "must be two different factors, across and"),
        ({"position_factors": ("a", "a")}, "must be two different .*; got"),
        (
            {"packed": np.zeros((6, 3), np.uint8)},
            r"'packed' must be uint8 of shape \(6, 2\)",
        ),
        ({"packed": np.zeros((6, 2))}, "'packed' must be uint8"),
    ],
)
def test_arguments_that_do_not_fit_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        binary(**changes)


class Gradient(FactorDataset):
    """Grey images, of a set that is no complete grid."""

    def __init__(self, side=2):
        super().__init__("gradient", ("level",), (3,), (1, side, side))

    def __len__(self):
        return 5

    def read_images(self, rows):
        levels = self.read_factors(rows).float() / 2
        return levels[:, :, None, None].expand(-1, *self.image_shape)

    def read_factors(self, rows):
        return torch.tensor([0, 0, 1, 2, 2])[rows][:, None]


def test_an_author_may_override_reading():
    data = Gradient()
    assert data.packed is None
    assert data.factors().tolist() == [[0], [0], [1], [2], [2]]
    assert data.images([2]).unique().tolist() == [0.5]
    with pytest.raises(IndexError, match="length 5"):
        data.images([5])


def test_a_dataset_without_images_says_what_to_define():
    data, _ = binary(packed=None)
    with pytest.raises(NotImplementedError, match=r"define read_images\(rows\)"):
        data.images([0])


class Own(FactorDataset):
    """A dataset of a user's own: 2 × 3 images of one pixel."""

    def __init__(self, image=0.5, level=0, dtype=torch.int64):
        self.image, self.level, self.dtype = image, level, dtype
        super().__init__("own", ("y", "x"), (2, 3), (1, 1, 1))

    def read_images(self, rows):
        return torch.full((len(rows), 1, 1, 1), 0.5).fill_(self.image)

    def read_factors(self, rows):
        return torch.full((len(rows), 2), self.level).to(self.dtype)


@pytest.mark.parametrize(
    ("image", "found"),
    [(-1.0, "[-1, -1]"), (255.0, "[255, 255]"), (float("nan"), "[nan, nan]")],
)
def test_images_outside_their_range_are_refused(image, found):
    with pytest.raises(ValueError, match="read_images must return values in") as e:
        Own(image).images([0, 1])
    assert found in str(e.value)


def test_images_and_factors_of_another_kind_are_refused(monkeypatch):
    assert Own().images([]).shape == (0, 1, 1, 1)
    assert Own().factors().shape == (6, 2)
    with pytest.raises(ValueError, match="'y' levels from 0 to 1; they lie in 2 to 2"):
        Own(level=2).factors()
    with pytest.raises(
        ValueError, match=r"int64 tensor of shape \(6, 2\); it returned"
    ):
        Own(dtype=torch.float32).factors()
    monkeypatch.setattr(Own, "read_images", lambda self, rows: np.zeros(3))
    with pytest.raises(ValueError, match=r"\(2, 1, 1, 1\); it returned ndarray"):
        Own().images([0, 1])
