import math

import pytest
import torch

from priorbench.metrics.information.gap import gap_error, compute_gaps


@pytest.mark.parametrize("latents", [1, 2, 5])
def test_error_covers_all_that_the_informations_may_be(latents):
    information = torch.rand(latents, 3).double()
    error = 0.3 * torch.rand(latents, 3).double()
    bound = gap_error(information, error, [2, 3, 4])
    worst = torch.zeros(3).double()
    for _ in range(3000):
        shift = error * torch.randint(-1, 2, error.shape)
        moved = compute_gaps((information + shift).clamp(min=0), [2, 3, 4])
        worst = torch.maximum(
            worst, (moved - compute_gaps(information, [2, 3, 4])).abs()
        )
    assert (worst <= bound + 1e-12).all()
    assert (worst > 0.7 * bound).all()


def test_exact_informations_have_no_error():
    information = torch.tensor([[0.5], [0.2]])
    assert gap_error(information, torch.zeros(2, 1), [3]).item() == 0
    assert compute_gaps(information, [3]).item() == pytest.approx(0.3 / math.log(3))
