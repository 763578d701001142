"""A failed machine ends a command with one line that says so."""

import pytest

from priorbench.bench.execution.remedies import explain_machine_errors
from priorbench.errors import UserError
from tests.priorbench.machine_faults import MACHINE_FAULTS


@pytest.mark.parametrize("error", MACHINE_FAULTS)
def test_one_line_with_what_to_do(error):
    kept = pytest.raises(UserError, match="finished runs are kept")
    with kept as found, explain_machine_errors():
        raise error
    assert "\n" not in str(found.value)


def test_other_errors_are_left_alone():
    with pytest.raises(RuntimeError, match="mine"), explain_machine_errors():
        raise RuntimeError("mine")
