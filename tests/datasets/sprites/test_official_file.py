import os
import zipfile

import numpy as np
import pytest

from priorbench import datasets
from priorbench.datasets import dsprites
from priorbench.datasets.sprites import official_file


def make_members(sizes):
    """Members of a file like the official one, with random images."""
    shape = tuple(sizes.values())
    count = int(np.prod(shape))
    grid = np.stack(np.unravel_index(np.arange(count), (1, *shape)), axis=1)
    images = np.random.default_rng(0).integers(0, 2, (count, 64, 64), dtype=np.uint8)
    return {
        "imgs": images,
        "latents_classes": grid,
        "latents_values": grid.astype(float),
        "metadata": np.array({"title": "pickled"}, dtype=object),
    }


@pytest.fixture
def official(small, data_folder, monkeypatch):
    """Write an official file with changed members; its members and path."""
    good = make_members(small)
    monkeypatch.setattr(
        official_file, "PIXELS_ON", int(good["imgs"].sum(dtype=np.int64))
    )

    def write(**changes):
        data_folder.mkdir(exist_ok=True)
        path = data_folder / official_file.FILE
        content = {
            name: value
            for name, value in {**good, **changes}.items()
            if value is not None
        }
        np.savez_compressed(path, **content)
        return good, path

    return write


def test_its_images_are_used(official, monkeypatch):
    good, _ = official()
    monkeypatch.setattr(dsprites, "render_grid", None)
    data = datasets.load_dataset("dsprites")
    assert np.array_equal(
        data.packed, np.packbits(good["imgs"].reshape(len(data), -1), axis=1)
    )
    assert np.array_equal(data.images([7, 143])[:, 0].numpy(), good["imgs"][[7, 143]])
    part = datasets.load_dataset("dsprites", factors={"shape": ["heart"], "posY": [0]})
    rows = part.factors().numpy() + np.array([2, 0, 0, 0, 0])
    index = np.ravel_multi_index(rows.T, data.factor_sizes)
    assert np.array_equal(
        part.images(range(len(part)))[:, 0].numpy(), good["imgs"][index]
    )


def test_its_latents_may_be_in_fortran_order(official, small):
    official(latents_classes=np.asfortranarray(make_members(small)["latents_classes"]))
    assert len(datasets.load_dataset("dsprites")) == 144


def test_it_goes_before_rendered_images(official):
    rendered = np.array(datasets.load_dataset("dsprites").packed)
    official()
    assert not np.array_equal(datasets.load_dataset("dsprites").packed, rendered)


def test_it_is_converted_once(official, data_folder, monkeypatch):
    official()
    first = datasets.load_dataset("dsprites")
    monkeypatch.setattr(official_file, "read_packed_images", None)
    assert np.array_equal(datasets.load_dataset("dsprites").packed, first.packed)
    assert len(list(data_folder.iterdir())) == 2


def test_a_changed_file_is_read_again(official, data_folder):
    good, path = official()
    datasets.load_dataset("dsprites")
    official(imgs=good["imgs"][::-1])
    os.utime(path, ns=(1, 1))
    data = datasets.load_dataset("dsprites")
    assert np.array_equal(data.images([0])[0, 0].numpy(), good["imgs"][-1])
    assert len(list(data_folder.iterdir())) == 2


def change_pixel(images, value, at=(5, 6, 7)):
    images = images.copy()
    images[at] = value
    return images


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda m: {"imgs": m["imgs"][:-1]},
            r"'imgs' uint8 of shape \(144, 64, 64\), got .*\(143,",
        ),
        (lambda m: {"imgs": m["imgs"].astype(float)}, "'imgs' uint8 .* got float64"),
        (lambda m: {"imgs": np.asfortranarray(m["imgs"])}, "got it in Fortran order"),
        (
            lambda m: {"imgs": change_pixel(m["imgs"], 255)},
            "pixels 0 and 1 in 'imgs', got 255",
        ),
        (
            lambda m: {"imgs": change_pixel(m["imgs"], 1 - m["imgs"][5, 6, 7])},
            r"expected \d+ pixels on in",
        ),
        (lambda m: {"imgs": None}, "imgs.npy"),
        (lambda m: {"imgs": m["metadata"]}, "got object"),
        (lambda m: {"latents_classes": None}, "latents_classes.npy"),
        (
            lambda m: {"latents_classes": m["latents_classes"][:, 1:]},
            r"'latents_classes' int64 of sha",
        ),
        (
            lambda m: {"latents_classes": m["latents_classes"][:, [0, 1, 2, 3, 5, 4]]},
            r"levels \[0, 0, 0, 0, 0, 1\] in row 1 of 'latents_classes', got \[0, 0, 0, ",
        ),
    ],
)
def test_a_wrong_file_is_refused(official, data_folder, small, change, message):
    _, path = official(**change(make_members(small)))
    with pytest.raises(ValueError, match=message) as caught:
        datasets.load_dataset("dsprites")
    assert str(path) in str(caught.value)
    assert "remove it (the images are then rendered) or replace it" in str(caught.value)
    assert list(data_folder.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>"])
def test_a_file_that_is_no_archive_is_refused(data_folder, small, content):
    data_folder.mkdir()
    (data_folder / official_file.FILE).write_bytes(content)
    with pytest.raises(ValueError, match=r"as the official dSprites file.*remove it"):
        datasets.load_dataset("dsprites")


@pytest.mark.parametrize("part", [0.3, 0.9])
def test_a_truncated_file_is_refused(official, part):
    _, path = official()
    os.truncate(path, int(path.stat().st_size * part))
    with pytest.raises(ValueError, match=r"as the official dSprites file.*remove it"):
        datasets.load_dataset("dsprites")


def test_a_damaged_member_is_refused(official, data_folder):
    _, path = official()
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("imgs.npy").header_offset
    content = bytearray(path.read_bytes())
    content[start + 2000] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"as the official dSprites file.*remove it"):
        datasets.load_dataset("dsprites")
    assert list(data_folder.iterdir()) == [path]


def test_its_pickled_member_is_never_opened(official, monkeypatch):
    official()
    opened = []
    open_member = zipfile.ZipFile.open
    monkeypatch.setattr(
        zipfile.ZipFile,
        "open",
        lambda self, name, *a, **k: (
            opened.append(name) or open_member(self, name, *a, **k)
        ),
    )
    datasets.load_dataset("dsprites")
    assert opened == ["latents_classes.npy", "imgs.npy"]
