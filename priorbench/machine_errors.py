"""Errors that are the machine's fault, not that of what was run when they came."""

import torch

MEMORY_ERRORS = (MemoryError, torch.OutOfMemoryError)
"""Host or device has too little memory."""

CUDA_ERROR = "CUDA error"
"""How errors of the device begin in versions of PyTorch without a class for them."""

CAPTURING = "captur"
"""In every error of CUDA that says that something cannot be recorded; the device goes
on after these."""


def is_machine_fault(error: BaseException) -> bool:
    """Return whether memory ran out or a device failed.

    After an error of the device, such as an illegal address, every later call on it
    fails too: it says nothing of what was run, and whoever meets it must let it go on.

    Example:
        >>> is_machine_fault(MemoryError()), is_machine_fault(ValueError())
        (True, False)
    """
    if isinstance(error, MEMORY_ERRORS):
        return True
    if not isinstance(error, RuntimeError) or CAPTURING in str(error):
        return False
    kind = getattr(torch, "AcceleratorError", None)
    own = kind is not None and isinstance(error, kind)
    return own or str(error).startswith(CUDA_ERROR)
