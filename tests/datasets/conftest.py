import os
import shutil
from pathlib import Path

import pytest

from priorbench import datasets
from priorbench.datasets import dsprites
from priorbench.datasets.files.originals import take_originals_from


@pytest.fixture
def data_folder(tmp_path, monkeypatch):
    """An empty data folder."""
    monkeypatch.setenv("PRIORBENCH_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def mine(tmp_path, data_folder):
    """A user's own folder of original files, and an empty data folder."""
    (tmp_path / "mine").mkdir()
    return tmp_path / "mine"


@pytest.fixture
def load_from():
    """Load a dataset from the original files of a folder."""

    def load(folder, name, **arguments):
        with take_originals_from(folder):
            return datasets.load_dataset(name, **arguments)

    return load


@pytest.fixture
def assert_empty(data_folder):
    """Assert that nothing is kept in the data folder."""

    def check():
        assert not data_folder.exists() or not list(data_folder.iterdir())

    return check


@pytest.fixture
def small(data_folder, monkeypatch):
    """A dSprites of 144 images, so that all of it is made in no time; its factors' sizes."""
    sizes = {"shape": 3, "scale": 2, "orientation": 2, "posX": 4, "posY": 3}
    monkeypatch.setattr(dsprites, "FACTORS", sizes)
    return sizes


@pytest.fixture(scope="session")
def full_folder(tmp_path_factory):
    """A data folder with all of dSprites rendered."""
    folder = tmp_path_factory.mktemp("full")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRIORBENCH_DATA", str(folder))
        datasets.load_dataset("dsprites")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def full(full_folder, monkeypatch):
    """All of dSprites, from its cache."""
    monkeypatch.setenv("PRIORBENCH_DATA", str(full_folder))
    return datasets.load_dataset("dsprites")


@pytest.fixture
def shared_data():
    """The folder of real data for development; the test is skipped where there is none."""
    folders = (
        os.environ.get("PRIORBENCH_SHARED"),
        Path(__file__).parents[3] / "shared/data",
    )
    for folder in folders:
        if folder and (Path(folder) / "cars3d").is_dir():
            return Path(folder)
    pytest.skip("the folder of real data is not here")


@pytest.fixture
def shared_faces(shared_data):
    """A real morphable head, which those who clone the project do not have."""
    return shared_data / "ict_face" / "ict_identity_50modes.npz"
