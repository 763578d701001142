import math

import numpy as np
import torch

from priorbench.metrics.information.discrete import assign_bins, discrete_information


def test_bins_are_numpys():
    values = torch.randn(500, generator=torch.Generator().manual_seed(0)).double()
    edges = np.histogram(values.numpy(), 20)[1]
    expected = np.digitize(values.numpy(), edges[:-1]) - 1
    assert assign_bins(values, 20).tolist() == expected.tolist()


def test_information_of_known_tables():
    first = torch.tensor([0, 0, 0, 1, 1, 1, 1, 1])
    second = torch.tensor([0, 0, 1, 1, 1, 1, 1, 0])
    table = torch.tensor([[2.0, 1.0], [1.0, 4.0]]).double() / 8
    product = table.sum(1, keepdim=True) * table.sum(0)
    expected = (table * (table / product).log()).sum()
    torch.testing.assert_close(discrete_information(first, second), expected)
    assert discrete_information(first, torch.zeros_like(first)) == 0


def test_upper_bound_of_bins_on_coarse_codes():
    codes = torch.arange(32).double()
    bits = discrete_information(assign_bins(codes, 20), torch.arange(32))
    assert bits.item() < math.log(20)
