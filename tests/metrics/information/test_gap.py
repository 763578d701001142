import math

import pytest
import torch

from priorbench.metrics.information.gap import bound_gap_errors, compute_gaps


@pytest.mark.parametrize("latents", [1, 2, 5])
def test_error_covers_all_that_the_informations_may_be(latents):
    information = torch.rand(latents, 3).double()
    error = 0.3 * torch.rand(latents, 3).double()
    units = torch.tensor([2.0, 3.0, 4.0]).double().log()
    bound = bound_gap_errors(information, error, units)
    worst = torch.zeros(3).double()
    for _ in range(3000):
        shift = error * torch.randint(-1, 2, error.shape)
        moved = compute_gaps((information + shift).clamp(min=0), units)
        worst = torch.maximum(worst, (moved - compute_gaps(information, units)).abs())
    assert (worst <= bound + 1e-12).all()
    assert (worst > 0.7 * bound).all()


def test_exact_informations_have_no_error():
    information = torch.tensor([[0.5], [0.2]])
    units = torch.tensor([math.log(3)])
    assert bound_gap_errors(information, torch.zeros(2, 1), units).item() == 0
    assert compute_gaps(information, units).item() == pytest.approx(0.3 / math.log(3))
