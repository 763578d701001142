import hashlib
import io
import shutil
import tarfile
from dataclasses import replace

import numpy as np
import pytest
import scipy.io

from priorbench.datasets import cars3d
from priorbench.datasets.about import Original


@pytest.fixture
def few(mine, monkeypatch):
    """Two cars in the official formats, random; the folder, and the images by name."""
    draw = np.random.default_rng(0)
    images = {
        f"car_00{i}_mesh.mat": draw.integers(0, 256, cars3d.FULL_SHAPE, dtype=np.uint8)
        for i in (1, 2)
    }
    for name, im in images.items():
        scipy.io.savemat(mine / name, {"im": im})
    known = {
        name: hashlib.sha256((mine / name).read_bytes()).hexdigest() for name in images
    }
    about = replace(cars3d.Cars3D.about, originals=(Original(cars3d.ARCHIVE.name),))
    monkeypatch.setattr(cars3d, "load_checksums", lambda: dict(known))
    monkeypatch.setattr(cars3d, "SIZES", {"elevation": 4, "azimuth": 24, "car": 2})
    monkeypatch.setattr(cars3d.Cars3D, "about", about)
    return mine, images


def pack_cars(folder):
    with tarfile.open(folder / cars3d.ARCHIVE.name, "w:gz") as file:
        for path in folder.glob("*.mat"):
            member = tarfile.TarInfo(f"data/cars/{path.name}")
            member.size = path.stat().st_size
            file.addfile(member, io.BytesIO(path.read_bytes()))
            path.unlink()


def test_files_and_archive_give_the_grid(few, data_folder, load_from):
    folder, images = few
    data = load_from(folder, "cars3d")
    assert data.factor_sizes == (4, 24, 2)
    assert data.cyclic_factors == ("azimuth",)
    for elevation, azimuth, car in ((0, 0, 0), (3, 5, 1)):
        row = np.ravel_multi_index((elevation, azimuth, car), (4, 24, 2))
        views = cars3d.reduce_views(images[f"car_00{car + 1}_mesh.mat"])
        got = data.images([row])[0].permute(1, 2, 0).numpy() * 255
        assert np.allclose(got, views[azimuth, elevation], atol=1e-3)
    first = np.array(data.pixels)
    shutil.rmtree(data_folder)
    pack_cars(folder)
    second_car = load_from(folder, "cars3d", factors={"car": [1]})
    assert np.array_equal(second_car.pixels, first[1::2])


def test_a_wrong_or_missing_car_is_named(few, load_from, assert_empty):
    folder, images = few
    scipy.io.savemat(folder / "car_002_mesh.mat", {"im": images["car_001_mesh.mat"]})
    with pytest.raises(
        ValueError, match=r"'car_002_mesh.mat' in .* is not the official one"
    ):
        load_from(folder, "cars3d")
    (folder / "car_002_mesh.mat").unlink()
    with pytest.raises(ValueError, match=r"got no 'car_002_mesh.mat'"):
        load_from(folder, "cars3d")
    pack_cars(folder)
    with pytest.raises(ValueError, match=r"got no 'car_002_mesh.mat'"):
        load_from(folder, "cars3d")
    assert_empty()


def test_a_resized_file_of_other_images_is_refused(few, load_from, assert_empty):
    folder, _ = few
    path = folder / cars3d.RESIZED_FILE
    np.savez(path, imgs=np.zeros((2, 24, 4, 64, 64, 3), np.uint8))
    with pytest.raises(ValueError, match="not the published ones: expected sha256"):
        load_from(folder, "cars3d")
    np.savez(path, imgs=np.zeros((3, 24, 4, 64, 64, 3), np.uint8))
    with pytest.raises(ValueError, match="expected 'imgs' uint8 of shape"):
        load_from(folder, "cars3d")
    assert_empty()


def test_real_files(shared_data, data_folder, load_from):
    data = load_from(shared_data, "cars3d")
    assert len(data) == 17_568
    assert data.factor_sizes == (4, 24, 183)
    for name, car in (("car_001_mesh.mat", 0), ("car_050_mesh.mat", 49)):
        content = (shared_data / "cars3d" / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == cars3d.load_checksums()[name]
        im = scipy.io.loadmat(io.BytesIO(content))["im"]
        rows = [
            np.ravel_multi_index((elevation, azimuth, car), (4, 24, 183))
            for azimuth in range(24)
            for elevation in range(4)
        ]
        expected = cars3d.reduce_views(im).transpose(0, 1, 4, 2, 3).reshape(96, -1)
        assert np.array_equal(data.pixels[rows], expected)
