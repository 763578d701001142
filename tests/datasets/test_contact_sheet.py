import numpy as np
import pytest
from matplotlib.image import imread

from priorbench import datasets
from priorbench.datasets.contact_sheet import draw_sheet, list_samples, list_traversals


def test_a_row_for_each_factor(tmp_path):
    images = np.random.default_rng(0).random((40, 5, 5))
    grid = np.stack(np.unravel_index(np.arange(40), (2, 20)), axis=1)
    for factors in (grid, np.delete(grid, 9, 0)):
        data = datasets.from_array(images[: len(factors)], factors)
        rows = list_traversals(data)
        assert [row.label for row in rows] == ["factor0\n(2)", "factor1\n(20)"]
        assert [len(row.images) for row in rows] == [2, 12]
        draw_sheet(data, tmp_path / "sheet.png")
        assert imread(tmp_path / "sheet.png").std() > 0.1
    with pytest.raises(ValueError, match=r"'sheet' must be a file such as sheet.png"):
        draw_sheet(data, tmp_path / "sheet.txt.gz2")


def test_traversals_keep_the_others_in_the_middle():
    data = datasets.from_array(
        np.arange(15, dtype=np.uint8).reshape(15, 1, 1).repeat(2, 2),
        [[a, b] for a in range(3) for b in range(5)],
    )
    first, second = list_traversals(data)
    assert (first.images[:, 0, 0, 0] * 255).round().tolist() == [2, 7, 12]
    assert (second.images[:, 0, 0, 0] * 255).round().tolist() == [5, 6, 7, 8, 9]


def test_rows_for_each_split():
    images = np.arange(100, dtype=np.uint8).reshape(100, 1, 1).repeat(2, 2)
    data = datasets.from_array(images, valid=0.2, test=0.1)
    rows = list_samples(data)
    assert [row.label for row in rows] == [*["train"] * 2, *["valid"] * 2, "test"]
    assert rows[0].titles[0] == "0"
    assert rows[1].titles[-1] == "69"
    assert all(len(row.titles) == len(row.images) for row in rows)
