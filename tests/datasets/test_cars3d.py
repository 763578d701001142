import hashlib
import io
import shutil
import tarfile

import numpy as np
import pytest
import scipy.io

from priorbench import datasets
from priorbench.datasets import cars3d
from priorbench.datasets.files import originals
from priorbench.datasets.about import Original

FULL = cars3d._FULL


@pytest.fixture
def few(data_folder, tmp_path, monkeypatch):
    """Two cars in the official formats, random; the folder, and the images by file name."""
    folder, draw = tmp_path / "mine", np.random.default_rng(0)
    folder.mkdir()
    images = {
        f"car_00{i}_mesh.mat": draw.integers(0, 256, FULL, dtype=np.uint8)
        for i in (1, 2)
    }
    for name, im in images.items():
        scipy.io.savemat(folder / name, {"im": im})
    known = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in images
    }
    monkeypatch.setattr(cars3d, "load_checksums", lambda: dict(known))
    monkeypatch.setattr(cars3d, "SIZES", {"elevation": 4, "azimuth": 24, "car": 2})
    monkeypatch.setattr(cars3d, "ARCHIVE", Original(cars3d.ARCHIVE.name))
    return folder, images


def load(folder, **options):
    with originals.look_in_folder(folder):
        return datasets.load_dataset("cars3d", **options)


def archive(folder):
    with tarfile.open(folder / cars3d.ARCHIVE.name, "w:gz") as file:
        for path in folder.glob("*.mat"):
            member = tarfile.TarInfo(f"data/cars/{path.name}")
            member.size = path.stat().st_size
            file.addfile(member, io.BytesIO(path.read_bytes()))
            path.unlink()


def test_files_and_archive_give_the_grid(few, data_folder):
    folder, images = few
    data = load(folder)
    assert data.factor_sizes == (4, 24, 2)
    for elevation, azimuth, car in ((0, 0, 0), (3, 5, 1)):
        row = np.ravel_multi_index((elevation, azimuth, car), (4, 24, 2))
        small = cars3d.reduce_views(images[f"car_00{car + 1}_mesh.mat"])[
            azimuth, elevation
        ]
        got = data.images([row])[0].permute(1, 2, 0).numpy() * 255
        assert np.allclose(got, small, atol=1e-3)
    first = np.array(data.pixels)
    shutil.rmtree(data_folder)
    archive(folder)
    assert np.array_equal(load(folder, factors={"car": [1]}).pixels, first[1::2])


def test_a_wrong_or_missing_car_is_named(few, data_folder):
    folder, images = few
    scipy.io.savemat(folder / "car_002_mesh.mat", {"im": images["car_001_mesh.mat"]})
    with pytest.raises(
        ValueError, match=r"'car_002_mesh.mat' in .* is not the official one"
    ):
        load(folder)
    (folder / "car_002_mesh.mat").unlink()
    with pytest.raises(ValueError, match=r"got no 'car_002_mesh.mat'"):
        load(folder)
    archive(folder)
    with pytest.raises(ValueError, match=r"got no 'car_002_mesh.mat'"):
        load(folder)
    assert not data_folder.exists() or list(data_folder.iterdir()) == []


def test_a_packed_file_of_other_images_is_refused(few, data_folder):
    folder, _ = few
    np.savez(folder / "cars3d_64.npz", imgs=np.zeros((2, 24, 4, 64, 64, 3), np.uint8))
    with pytest.raises(ValueError, match="not the published ones: expected sha256"):
        load(folder)
    np.savez(folder / "cars3d_64.npz", imgs=np.zeros((3, 24, 4, 64, 64, 3), np.uint8))
    with pytest.raises(ValueError, match="expected 'imgs' uint8 of shape"):
        load(folder)
    assert not data_folder.exists() or list(data_folder.iterdir()) == []


def test_real_files(shared_data, data_folder):
    data = load(shared_data)
    assert len(data) == 17_568
    assert data.factor_sizes == (4, 24, 183)
    for name, car in (("car_001_mesh.mat", 0), ("car_050_mesh.mat", 49)):
        content = (shared_data / "cars3d" / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == cars3d.load_checksums()[name]
        im = scipy.io.loadmat(io.BytesIO(content))["im"]
        rows = [
            np.ravel_multi_index((e, a, car), (4, 24, 183))
            for a in range(24)
            for e in range(4)
        ]
        mine = cars3d.reduce_views(im).transpose(0, 1, 4, 2, 3).reshape(96, -1)
        assert np.array_equal(data.pixels[rows], mine)
