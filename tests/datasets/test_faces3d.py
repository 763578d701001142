import io
import logging
import os
import shutil
import sys
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch

from priorbench import datasets
from priorbench.datasets import faces3d
from priorbench.datasets.faces import head_models
from priorbench.datasets.faces.procedural import ProceduralHead
from priorbench.datasets.factor_grid import find_grid_rows

SIZES = {"identity": 2, "azimuth": 9, "elevation": 2, "lighting": 3}


@pytest.fixture
def coarse(data_folder, monkeypatch):
    """3D Faces of 108 images of a coarse head."""
    monkeypatch.setattr(faces3d, "FACTORS", SIZES)
    monkeypatch.setattr(
        head_models, "ProceduralHead", partial(ProceduralHead, rows=24, columns=32)
    )


def test_the_contract(data_folder):
    data = datasets.load_dataset(
        "faces3d", factors={"identity": [49], "azimuth": [0], "elevation": [5]}
    )
    assert data.name == "faces3d"
    assert data.factor_names == ("identity", "azimuth", "elevation", "lighting")
    assert data.excluded_factors == ("identity",)
    assert data.cyclic_factors == ()
    assert data.image_shape == (1, 64, 64)
    assert data.factor_sizes == (1, 1, 1, 11)
    assert np.prod(list(faces3d.FACTORS.values())) == 127_050
    images = data.images([0, 10])
    assert images.dtype == torch.float32
    assert images.min() == 0
    assert 0.3 < images.max() <= 1
    assert torch.equal(
        images * 255, torch.from_numpy(data.pixels[[0, 10]]).view(2, 1, 64, 64)
    )
    assert not data_folder.exists()


def test_angles_are_equally_spaced_and_symmetric():
    turns = faces3d.list_angles([range(size) for size in (50, 21, 11, 11)])
    assert [len(turn) for turn in turns] == [21, 11, 11]
    for turn in turns:
        assert np.allclose(np.diff(turn), turn[1] - turn[0])
        assert turn[1] > turn[0]
        assert np.allclose(turn, -turn[::-1])
    assert [turn[-1] for turn in turns] == [90, 40, 75]


@pytest.mark.parametrize("model", ["procedural", "ict"])
@pytest.mark.parametrize("factor", ["azimuth", "elevation", "lighting"])
def test_images_move_away_as_a_level_does(data_folder, request, model, factor):
    if model == "ict":
        data_folder.mkdir()
        shutil.copy(request.getfixturevalue("shared_faces"), data_folder)
    fixed = {"identity": [1], "azimuth": [7], "elevation": [5], "lighting": [4]}
    levels = list(range(faces3d.FACTORS[factor]))
    data = datasets.load_dataset(
        "faces3d", model=model, factors={**fixed, factor: levels}
    )
    images = data.images(levels).flatten(1)
    between = torch.cdist(images, images)
    mean = [between.diagonal(step).mean().item() for step in range(6)]
    assert all(near < far for near, far in pairwise(mean))
    assert between.diagonal(1).min() > 1.0  # every step is seen


def test_azimuth_moves_the_face_right_elevation_shows_the_hair_and_light_goes_right(
    data_folder,
):
    # The light's own weight is taken out by looking at where the face is against the head.
    def mass(**factors):
        fixed = {
            "identity": [0],
            "azimuth": [10],
            "elevation": [5],
            "lighting": [5],
            **factors,
        }
        data = datasets.load_dataset("faces3d", factors=fixed)
        return data.images(range(len(data)))[:, 0]

    turned = mass(azimuth=[4, 7, 10, 13, 16])
    columns = torch.arange(64.0) - 31.5
    bright = (turned > 0.45).float()
    centre = (bright.sum(1) * columns).sum(1) / bright.sum((1, 2))
    outline = ((turned > 0).float().sum(1) * columns).sum(1) / (turned > 0).float().sum(
        (1, 2)
    )
    assert ((centre - outline).diff() > 0).all()
    raised = mass(elevation=[0, 2, 5, 8, 10])
    dark = ((raised > 0.05) & (raised < 0.35)).float()[:, :32].mean((1, 2))
    assert dark[-1] > 2 * dark[0]
    lit = mass(lighting=list(range(11)))
    side = (lit.sum(1) * columns).sum(1) / lit.sum((1, 2))
    assert (side.diff() > 0).all()


def test_identities_differ_and_a_seed_draws_others(data_folder):
    def images(seed):
        fixed = {
            "azimuth": [12],
            "elevation": [5],
            "lighting": [4],
            "identity": range(5),
        }
        data = datasets.load_dataset("faces3d", seed=seed, factors=fixed)
        return data.images(range(5)).flatten(1)

    first, second = images(0), images(1)
    between = torch.cdist(torch.cat([first, second]), torch.cat([first, second]))
    assert (between + 9 * torch.eye(10)).min() > 1.5
    assert torch.equal(first, images(0))


def test_the_number_of_processes_changes_nothing():
    head = ProceduralHead(rows=24, columns=32)
    levels = [[0, 3], range(9), [0, 7], [2, 5]]
    alone = np.concatenate(list(faces3d.render_views(head, 0, levels, processes=1)))
    together = np.concatenate(list(faces3d.render_views(head, 0, levels, processes=2)))
    assert alone.shape == (72, 4096)
    assert np.array_equal(alone, together)


def test_a_subgrid_is_rows_of_the_full_set(coarse, data_folder, monkeypatch, tmp_path):
    full = datasets.load_dataset("faces3d")
    assert isinstance(full.pixels, np.memmap)
    assert full.pixels.shape == (108, 4096)
    factors = {"azimuth": [8, 1], "lighting": [1], "elevation": [0]}
    rows = find_grid_rows(SIZES.values(), [[0, 1], [1, 8], [0], [1]])
    kept = datasets.load_dataset("faces3d", factors=factors)
    monkeypatch.setenv("PRIORBENCH_DATA", str(tmp_path / "empty"))
    rendered = datasets.load_dataset("faces3d", factors=factors)
    assert not (tmp_path / "empty").exists()
    for data in (kept, rendered):
        assert data.levels == ((0, 1), (1, 8), (0,), (1,))
        assert np.array_equal(data.pixels, full.pixels[rows])
        assert torch.equal(data.images([3]), full.images(rows[[3]]))


def test_the_cache_is_used_by_model_and_seed(coarse, data_folder, monkeypatch):
    first = datasets.load_dataset("faces3d")
    other = datasets.load_dataset("faces3d", seed=1)
    assert not np.array_equal(first.pixels, other.pixels)
    assert len(list(data_folder.iterdir())) == 2
    monkeypatch.setattr(faces3d, "render_head", None)
    assert np.array_equal(datasets.load_dataset("faces3d").pixels, first.pixels)
    assert np.array_equal(datasets.load_dataset("faces3d", seed=1).pixels, other.pixels)


def test_a_damaged_cache_is_rendered_again(coarse, data_folder, caplog):
    expected = np.array(datasets.load_dataset("faces3d").pixels)
    (path,) = data_folder.iterdir()
    os.truncate(path, 1000)
    with caplog.at_level(logging.WARNING, "priorbench.datasets"):
        again = datasets.load_dataset("faces3d")
    assert path.name in caplog.text
    assert np.array_equal(again.pixels, expected)


def test_a_folder_that_cannot_be_written_is_named(coarse, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PRIORBENCH_DATA", str(tmp_path / "file"))
    with pytest.raises(OSError, match=r"folder '.*file'.*set PRIORBENCH_DATA"):
        datasets.load_dataset("faces3d")


def test_a_wrong_model_leaves_nothing(coarse, data_folder, tmp_path):
    np.savez(tmp_path / "model.npz", neutral=np.zeros((4, 3)))
    with pytest.raises(
        ValueError, match=r"model.npz' as a head model: expected the key"
    ):
        datasets.load_dataset("faces3d", model=str(tmp_path / "model.npz"))
    assert not data_folder.exists() or not list(data_folder.iterdir())


@pytest.mark.parametrize("seed", [-1, 0.5, True, "a"])
def test_a_bad_seed_is_named(seed):
    with pytest.raises(ValueError, match="'seed' must be an integer >= 0; got"):
        datasets.load_dataset("faces3d", seed=seed)


def test_bad_levels_are_named():
    with pytest.raises(ValueError, match="no factor 'light'"):
        datasets.load_dataset("faces3d", factors={"light": [0]})
    with pytest.raises(ValueError, match="'azimuth' integers from 0 to 20; got 21"):
        datasets.load_dataset("faces3d", factors={"azimuth": [21]})


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_shown_on_a_terminal_only(coarse, monkeypatch, capsys):
    monkeypatch.setenv("TERM", "xterm")
    few = {"azimuth": [0]}
    datasets.load_dataset("faces3d", factors=few)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys, "stderr", Terminal())
    datasets.load_dataset("faces3d", factors=few, progress=False)
    assert sys.stderr.getvalue() == ""
    datasets.load_dataset("faces3d", factors=few)
    assert "rendering 3D Faces" in sys.stderr.getvalue()
    assert capsys.readouterr().out == ""
