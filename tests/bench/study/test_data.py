"""A data set is identified by what is in it, not by where it lies."""

import sys

import numpy as np
import pytest
from PIL import Image

from priorbench import datasets
from priorbench.bench.study.data import identify_dataset
from priorbench.bench.study.grid import Plugin

IMAGES = np.random.default_rng(0).random((6, 1, 4, 4)).astype("float32")


def save(path, images=IMAGES):
    np.savez(path, images=images, factors=np.arange(6))
    return Plugin(name=str(path))


def test_a_file_is_known_by_its_content(tmp_path, monkeypatch):
    one = identify_dataset(save(tmp_path / "one.npz"))
    (tmp_path / "folder").mkdir()
    two = tmp_path / "folder" / "two.npz"
    two.write_bytes((tmp_path / "one.npz").read_bytes())
    assert identify_dataset(Plugin(name=str(two))) == one
    monkeypatch.chdir(tmp_path)
    assert identify_dataset(Plugin(name="one.npz")) == one
    assert identify_dataset(Plugin(name="./one.npz")) == one
    assert identify_dataset(save(tmp_path / "one.npz", IMAGES / 2)) != one


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(
        ValueError, match=r"there is no file or folder '.*none\.npz'; a path is"
    ):
        identify_dataset(Plugin(name=str(tmp_path / "none.npz")))


def test_a_folder_is_known_by_its_pictures_and_table(tmp_path):
    found = []
    for name, level in (("one", 1), ("two", 1), ("three", 2)):
        folder = tmp_path / name / "pictures"
        folder.mkdir(parents=True)
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(folder / "a.png")
        (folder / "factors.csv").write_text(f"y\n{level}\n")
        (folder / ".DS_Store").write_text(name)
        found.append(identify_dataset(Plugin(name=f"{folder}/")))
    assert found[0] == found[1] != found[2]


def test_a_dataset_of_the_project_is_known_by_its_arguments():
    plugin = Plugin(name="dsprites", factors={"shape": ["heart"]})
    assert identify_dataset(plugin) == plugin.model_dump()


def test_an_argument_that_is_a_file_is_known_by_its_content(tmp_path):
    file = tmp_path / "model.bin"
    found = []
    for content in (b"1", b"2", b"1"):
        file.write_bytes(content)
        plugin = Plugin(name="dsprites", model=str(file))
        found.append(identify_dataset(plugin)["model"])
    assert found[0].startswith("file:")
    assert found[0] == found[2] != found[1]


def test_a_class_of_the_users_is_known_by_its_images(tmp_path, monkeypatch):
    """A file behind it may have changed."""
    monkeypatch.setattr(datasets.registry, "_entries", dict(datasets.registry._entries))
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "tests_data_plugin.py").write_text(f"""
import numpy, torch
from priorbench import datasets

@datasets.register("tests_data")
class Own(datasets.FactorDataset):
    def __init__(self, size=2):
        super().__init__("tests_data", ("a",), (6,), (1, 4, 4))
        self.own = numpy.load({str(tmp_path / "images.npy")!r})

    def read_images(self, rows):
        return torch.from_numpy(self.own)[rows]
""")
    np.save(tmp_path / "images.npy", IMAGES)
    __import__("tests_data_plugin")
    first = identify_dataset(Plugin(name="tests_data"))
    assert first["name"] == "tests_data"
    changed = IMAGES.copy()
    changed[5, 0, 3, 3] = 0.5
    np.save(tmp_path / "images.npy", changed)
    second = identify_dataset(Plugin(name="tests_data", size=3))
    assert second["content"] != first["content"]
    del sys.modules["tests_data_plugin"]
