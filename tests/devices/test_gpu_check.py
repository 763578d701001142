"""The steps of the GPU's check, on the stand-in: nothing mixes, all is recorded."""

from dataclasses import replace
from itertools import islice

import pytest

from benchmarks import gpu_steps

TINY = replace(gpu_steps.SMALL, seeds=(1, 2), rounds=1)


@pytest.fixture(autouse=True)
def _own_data(tmp_path, monkeypatch, device):
    monkeypatch.setenv("PRIORBENCH_DATA", str(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("name", gpu_steps.MEASUREMENTS)
def test_every_step_measures(name):
    measure = gpu_steps.MEASUREMENTS[name].measure
    rows = list(islice(measure("cuda:0", TINY), 20))
    assert rows
    assert all(row.get("passed", True) for row in rows), rows
    assert all(row.get("recorded", True) for row in rows), rows
