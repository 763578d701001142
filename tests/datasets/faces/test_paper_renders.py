import os

import numpy as np
import pytest
import torch

from priorbench import datasets
from priorbench.datasets import faces3d
from priorbench.datasets.faces import paper_renders

SIZES = {"identity": 2, "azimuth": 3, "elevation": 2, "lighting": 2}


@pytest.fixture
def recording(data_folder, monkeypatch):
    """Write an authors' file of 24 images; the images and its path."""
    monkeypatch.setattr(faces3d, "FACTORS", SIZES)
    good = np.random.default_rng(0).integers(
        0, 256, (2, 3, 2, 2, 64, 64), dtype=np.uint8
    )

    def write(content=None):
        data_folder.mkdir(exist_ok=True)
        path = data_folder / paper_renders.FILE
        torch.save(torch.from_numpy(good) if content is None else content(good), path)
        return good, path

    return write


@pytest.mark.parametrize("shape", [(2, 3, 2, 2, 64, 64), (24, 64, 64), (24, 1, 64, 64)])
def test_its_images_are_read_in_any_of_their_forms(
    recording, data_folder, monkeypatch, shape
):
    good, _ = recording(lambda images: torch.from_numpy(images).reshape(shape))
    data = datasets.load_dataset("faces3d", model="basel_renders")
    assert np.array_equal(data.pixels, good.reshape(24, 4096))
    monkeypatch.setattr(paper_renders, "read_renders", None)  # converted once
    part = datasets.load_dataset(
        "faces3d", model="basel_renders", factors={"azimuth": [1]}
    )
    assert np.array_equal(part.pixels, good[:, 1].reshape(8, 4096))
    assert len(list(data_folder.iterdir())) == 2


def test_a_changed_file_is_read_again(recording, data_folder):
    recording()
    datasets.load_dataset("faces3d", model="basel_renders")
    good, path = recording(lambda images: torch.from_numpy(images[::-1].copy()))
    os.utime(path, ns=(1, 1))
    data = datasets.load_dataset("faces3d", model="basel_renders")
    assert np.array_equal(data.pixels, good[::-1].reshape(24, 4096))
    assert len(list(data_folder.iterdir())) == 2


class Planted:
    def __reduce__(self):
        return os.mkdir, ("planted",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            lambda images: torch.from_numpy(images[:1]),
            r"\(2, 3, 2, 2, 64, 64\), got torch.uint8 of ",
        ),
        (lambda images: torch.from_numpy(images).float(), "got torch.float32"),
        (
            lambda images: {"images": torch.from_numpy(images)},
            "expected a tensor, got dict",
        ),
        (
            lambda images: Planted(),
            "as the authors' file of faces: Weights only load failed",
        ),
    ],
)
def test_a_wrong_file_is_refused(recording, data_folder, monkeypatch, content, message):
    _, path = recording(content)
    monkeypatch.chdir(data_folder)
    with pytest.raises(ValueError, match=message) as caught:
        datasets.load_dataset("faces3d", model="basel_renders")
    assert f"{str(path)!r} as the authors' file of faces" in str(caught.value)
    assert list(data_folder.iterdir()) == [
        path
    ]  # nothing planted, nothing half-written


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"PK\x03\x04"])
def test_other_files_are_refused(recording, content):
    _, path = recording()
    path.write_bytes(content)
    with pytest.raises(ValueError, match="as the authors' file of faces: "):
        datasets.load_dataset("faces3d", model="basel_renders")


def test_a_missing_file_says_where_it_is_expected(data_folder):
    with pytest.raises(
        ValueError, match=f"{paper_renders.FILE}', where there is no such file"
    ):
        datasets.load_dataset("faces3d", model="basel_renders")
