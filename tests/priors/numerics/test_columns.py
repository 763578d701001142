import pytest
import torch

from priorbench.priors.numerics.columns import make_constant, pick_columns, sum_groups


def test_neighbours_are_a_view():
    values = torch.randn(3, 5)
    assert pick_columns(values, (1, 2, 3)).data_ptr() == values[:, 1:].data_ptr()
    assert torch.equal(pick_columns(values, (1, 2, 3)), values[:, 1:4])


@pytest.mark.parametrize("columns", [(4, 0), (2, 2), (0, 2, 4), (3,)])
def test_columns_in_any_order(columns):
    values = torch.randn(2, 3, 5)
    assert torch.equal(pick_columns(values, columns), values[..., list(columns)])


def test_single_latents_cost_no_copy():
    values = torch.randn(3, 5)
    assert sum_groups(values, [[i] for i in range(5)]) is values


def test_constants_made_in_inference_mode_serve_autograd():
    with torch.inference_mode():
        constant = make_constant([1.0, 2.0], "cpu")
    x = torch.ones(2, requires_grad=True)
    (constant * x).sum().backward()
    assert x.grad.tolist() == [1.0, 2.0]
