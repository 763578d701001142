import pytest

from priorbench.machine_errors import is_machine_fault
from tests.priorbench.machine_faults import MACHINE_FAULTS, AcceleratorError


@pytest.mark.parametrize("error", [*MACHINE_FAULTS, MemoryError()])
def test_the_machine(error):
    assert is_machine_fault(error)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("CUDA error"),
        RuntimeError("called a synchronizing CUDA operation"),
        # of what cannot be recorded, after which the device goes on
        AcceleratorError(
            "CUDA error: operation not permitted when stream is capturing"
        ),
    ],
)
def test_what_is_run(error):
    assert not is_machine_fault(error)
