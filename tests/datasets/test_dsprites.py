import io
import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from priorbench import datasets
from priorbench.datasets import dsprites
from priorbench.datasets.factor_grid import choose_levels, find_grid_rows
from priorbench.datasets.sprites.render import FACTORS

ROOT = Path(__file__).parents[2]
SUBGRID = {
    "shape": ["heart", "ellipse"],
    "scale": [4, 0],
    "orientation": [13],
    "posX": [31, 2, 7],
}


def test_the_contract(full):
    assert full.name == "dsprites"
    assert full.factor_names == ("shape", "scale", "orientation", "posX", "posY")
    assert full.excluded_factors == ("shape",)
    assert full.cyclic_factors == ("orientation",)
    assert full.position_factors == ("posX", "posY")
    assert full.image_shape == (1, 64, 64)
    assert full.packed.shape == (737_280, 512)
    assert full.factors().shape == (737_280, 5)
    assert full.factors([737_279]).tolist() == [[2, 5, 39, 31, 31]]
    assert full.images([0, 737_279]).unique().tolist() == [0.0, 1.0]


def test_a_later_load_is_quick_and_the_cache_small(full_folder, full):
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        datasets.load_dataset("dsprites")
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 1.0
    (path,) = full_folder.iterdir()
    assert path.stat().st_size < 400_000_000


def test_a_subgrid_is_rows_of_the_full_set(full, tmp_path, monkeypatch):
    from_cache = datasets.load_dataset("dsprites", factors=SUBGRID)
    monkeypatch.setenv("PRIORBENCH_DATA", str(tmp_path / "data"))
    rendered = datasets.load_dataset("dsprites", factors=SUBGRID)
    assert not (tmp_path / "data").exists()
    levels = choose_levels(FACTORS, SUBGRID, {"shape": dsprites.SHAPES})
    rows = find_grid_rows(FACTORS.values(), levels)
    for data in (from_cache, rendered):
        assert data.factor_sizes == (2, 2, 1, 3, 32)
        assert len(data) == 384
        assert data.levels == ((1, 2), (0, 4), (13,), (2, 7, 31), tuple(range(32)))
        assert np.array_equal(data.packed, full.packed[rows])
        assert torch.equal(data.images([5, 383]), full.images(rows[[5, 383]]))
    kept = [torch.tensor(level) for level in rendered.levels]
    back = torch.stack([kept[i][f] for i, f in enumerate(rendered.factors().T)], dim=1)
    assert torch.equal(back, full.factors(rows))


def test_a_subgrid_of_all_levels_is_the_full_set(small, data_folder):
    data = datasets.load_dataset("dsprites", factors={"shape": [2, 0, 1]})
    assert isinstance(data.packed, np.memmap)
    assert len(list(data_folder.iterdir())) == 1


def test_a_subgrid_needs_no_folder(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PRIORBENCH_DATA", str(tmp_path / "file"))
    assert (
        len(
            datasets.load_dataset(
                "dsprites", factors={"shape": [0], "orientation": [0]}
            )
        )
        == 6144
    )


def test_the_cache_is_used(small, data_folder, monkeypatch):
    first = datasets.load_dataset("dsprites")
    monkeypatch.setattr(dsprites, "render_grid", None)
    again = datasets.load_dataset("dsprites")
    assert np.array_equal(first.packed, again.packed)
    part = datasets.load_dataset("dsprites", factors={"shape": [1]})
    assert np.array_equal(part.packed, first.packed[48:96])


@pytest.mark.parametrize("size", [0, 100, 40_000])
def test_a_damaged_cache_is_rendered_again(small, data_folder, caplog, size):
    expected = np.array(datasets.load_dataset("dsprites").packed)
    (path,) = data_folder.iterdir()
    os.truncate(path, size)
    with caplog.at_level(logging.WARNING, "priorbench.datasets"):
        again = datasets.load_dataset("dsprites")
    assert path.name in caplog.text
    assert np.array_equal(again.packed, expected)
    assert list(data_folder.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_is_named(small, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PRIORBENCH_DATA", str(tmp_path / "file"))
    with pytest.raises(OSError, match=r"folder '.*file'.*set PRIORBENCH_DATA"):
        datasets.load_dataset("dsprites")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_shown_on_a_terminal_only(small, monkeypatch, capsys):
    monkeypatch.setenv("TERM", "xterm")
    datasets.load_dataset("dsprites", factors={"shape": [0]})
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys, "stderr", Terminal())
    datasets.load_dataset("dsprites", factors={"shape": [0]}, progress=False)
    assert sys.stderr.getvalue() == ""
    datasets.load_dataset("dsprites", factors={"shape": [0]})
    assert "rendering dSprites" in sys.stderr.getvalue()
    assert capsys.readouterr().out == ""


@pytest.mark.slow
def test_two_processes_may_render_at_once(full, tmp_path):
    program = "import datasets; print(len(datasets.load_dataset('dsprites')))"
    environment = {
        **os.environ,
        "PRIORBENCH_DATA": str(tmp_path),
        "PYTHONPATH": str(ROOT),
    }
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE
        )
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=120)[0] for process in running]
    assert outputs == [b"737280\n"] * 2
    (path,) = tmp_path.iterdir()
    assert np.array_equal(np.load(path, mmap_mode="r", allow_pickle=False), full.packed)
    path.unlink()
