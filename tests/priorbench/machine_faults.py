"""Errors that a machine raises, whatever runs on it."""

import torch

AcceleratorError = getattr(torch, "AcceleratorError", RuntimeError)
"""Of the device; older versions of PyTorch have no class for them."""

STICKY = AcceleratorError("CUDA error: an illegal memory access was encountered")
MACHINE_FAULTS = [torch.OutOfMemoryError("full"), STICKY, RuntimeError(str(STICKY))]
