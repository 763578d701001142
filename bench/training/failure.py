"""Why a model failed: in words, unless the machine is at fault."""

import torch

from priorbench.errors import locate_error

MACHINE_ERRORS = (
    MemoryError,
    torch.OutOfMemoryError,
    # after an error of the device every later call on it fails too
    getattr(torch, "AcceleratorError", torch.OutOfMemoryError),
)
"""Errors that say nothing of what was run when they came."""


def explain_failure(error: Exception) -> str:
    """Return an error in one line, with its place in the code.

    Raises:
        MemoryError, torch.OutOfMemoryError, torch.AcceleratorError: the error itself,
            where it is the machine's fault.
    """
    if isinstance(error, MACHINE_ERRORS):
        raise error
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}{locate_error(error, anywhere=True)}"
