"""How many seeds a device's memory holds."""

import gc

import pytest

from priorbench.bench.execution import plan
from priorbench.bench.training.experiment import Experiment
from tests.bench.small_study import load_jobs
from tests.devices.stand_in import DEVICE


@pytest.fixture
def experiment(tmp_path, monkeypatch, device):
    monkeypatch.setenv("PRIORBENCH_DATA", str(tmp_path))
    return Experiment(load_jobs(tmp_path)[0].setting)


def take_memory(experiment, size):
    """Return the most bytes of a block's first steps, and leave none of them taken."""
    gc.collect()  # of the tests before
    before = DEVICE.allocated
    DEVICE.reset()
    ensemble = experiment.make_ensemble(range(size), "cuda:0")
    plan.warm_up_ensemble(experiment, ensemble, "cuda:0")
    del ensemble
    gc.collect()
    return DEVICE.peak - before


def test_a_block_is_as_large_as_fits(experiment, monkeypatch):
    """Its memory is no multiple of one seed's: what seeds share is there once."""
    experiment.pixels("cuda:0")
    sizes = take_memory(experiment, 2), take_memory(experiment, 4)
    each = (sizes[1] - sizes[0]) / 2
    shared = sizes[0] - 2 * each
    free = (shared + 6.5 * each) / plan.MEMORY_SHARE
    monkeypatch.setattr(DEVICE, "total", DEVICE.allocated + int(free))
    assert plan.count_fitting_seeds(experiment, "cuda:0", 99) == 6
    assert plan.count_fitting_seeds(experiment, "cuda:0", 5) == 5


@pytest.mark.parametrize(("room", "fitting"), [(3.0, 2), (1.5, 1)])
def test_less_room_than_for_the_measurement(experiment, monkeypatch, room, fitting):
    experiment.pixels("cuda:0")
    two = take_memory(experiment, 2)
    monkeypatch.setattr(DEVICE, "total", DEVICE.allocated + int(two * room / 2))
    assert plan.count_fitting_seeds(experiment, "cuda:0", 99) == fitting
