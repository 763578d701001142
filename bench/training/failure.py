"""Why a model failed: in words, unless the machine is at fault."""

from priorbench.errors import locate_error
from priorbench.machine_errors import is_machine_fault


def explain_failure(error: Exception) -> str:
    """Return an error in one line, with its place in the code.

    Raises:
        MemoryError, torch.OutOfMemoryError, torch.AcceleratorError: the error itself,
            where it is the machine's fault.
    """
    if is_machine_fault(error):
        raise error
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}{locate_error(error, anywhere=True)}"
