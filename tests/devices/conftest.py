"""A GPU's stand-in for the tests of this folder."""

import shutil

import pytest
import torch

from tests.devices.stand_in import stand_in


@pytest.fixture
def device(monkeypatch):
    """Stand in for a GPU; return what notes kernels, memory and waits."""
    if torch.backends.cuda.is_built():
        pytest.skip("this build has the real thing; see benchmarks/gpu_check.py")
    if shutil.which("g++") is None:
        pytest.skip("needs a C++ compiler")
    with stand_in(monkeypatch) as found:
        found.reset()
        yield found
