"""Fixtures for all tests."""

import pytest
import torch


@pytest.fixture(autouse=True)
def _fixed_seed():
    """Every test draws from the same stream, whichever others run."""
    torch.manual_seed(0)


@pytest.fixture
def float64():
    """Double precision as the default, for tests against high-precision values."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
