import pytest
import torch

from priorbench.bench.speed import matrix_products, training
from priorbench.bench.speed.training import Case

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
