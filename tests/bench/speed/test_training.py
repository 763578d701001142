import functools

import pytest
import torch

from priorbench.bench.speed import matrix_products, training
from priorbench.bench.speed.training import Case
from priorbench.bench.training.cuda_graph import CALLS_BEFORE_RECORDING
from priorbench.errors import UserError

SMALL = {
    "dataset.factors": {"shape": ["heart"], "scale": [5], "orientation": [0]},
    "architecture.hidden": 8,
    "training.batch_size": 32,
}


@pytest.mark.parametrize("objective", training.PLAIN_LOOPS)
@pytest.mark.parametrize("seeds", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_a_case_has_its_figures(objective, seeds, monkeypatch, tmp_path):
    monkeypatch.setenv("PRIORBENCH_DATA", str(tmp_path))
    found = training.measure_training(
        Case(objective, "cpu", seeds, rounds=2, overrides=SMALL)
    )
    assert ("times_published" in found) == (objective == "beta_vae")
    assert all(value > 0 for value in found.values())
    assert found["images_per_second"] == pytest.approx(seeds * 32 / found["seconds"])
    assert found["images_per_second_per_seed"] == pytest.approx(32 / found["seconds"])
    # forward and backward of 4096-8-8-40 and 20-8-8-8-4096, without the images' gradient
    weights = 4096 * 8 + 64 + 8 * 40 + 20 * 8 + 64 + 64 + 8 * 4096
    operations = 6 * weights - 2 * 4096 * 8
    assert found["flops"] == pytest.approx(seeds * 32 * operations / found["seconds"])
    names = {"data", "forward", "backward", "optimiser", "estimator"}
    assert {
        key.removeprefix("part_") for key in found if key.startswith("part_")
    } == names


def test_steps_are_recorded_before_loaders_use_the_device(monkeypatch, tmp_path):
    """Their threads pin memory, which ends a recording of another thread."""
    monkeypatch.setenv("PRIORBENCH_DATA", str(tmp_path))
    taken = []
    for kind in (training.Ensemble, training.PlainLoop):
        note = functools.partial(note_step, taken, kind.step)
        monkeypatch.setattr(kind, "step", functools.partialmethod(note))

    def time_none(actions, *arguments, **keywords):
        taken.append("timed")
        return {name: [1.0] for name in actions}

    monkeypatch.setattr(training, "time_interleaved", time_none)
    monkeypatch.setattr(training, "measure_parts", lambda *_: {})
    training.measure_training(Case("beta_vae", "cpu", overrides=SMALL))
    assert taken == ["Ensemble"] * (CALLS_BEFORE_RECORDING + 1) + ["timed"]


def note_step(taken, step, self, *arguments):
    taken.append(type(self).__name__)
    return step(self, *arguments)


def test_a_convolution_has_no_more_seeds_than_it_indexes(monkeypatch, tmp_path):
    monkeypatch.setenv("PRIORBENCH_DATA", str(tmp_path))
    conv = {**SMALL, "architecture": "conv", "training.batch_size": 2048}
    del conv["architecture.hidden"]
    with pytest.raises(UserError, match=r"takes 63 seeds .* got 64"):
        training.measure_training(Case("beta_vae", "cuda", 64, overrides=conv))


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_products_are_those_of_a_step(seeds):
    """As many operations as the count that rates are computed from."""
    from torch.utils.flop_counter import FlopCounterMode

    model = torch.nn.Sequential(
        torch.nn.Linear(10, 6), torch.nn.ReLU(), torch.nn.Linear(6, 3)
    )
    run = matrix_products.make_products(model, seeds, 5, "fp32", torch.device("cpu"))
    with FlopCounterMode(display=False) as counter:
        run()
    assert counter.get_total_flops() == seeds * 2 * 5 * (3 * 60 + 3 * 18 - 60)
