"""Errors that a machine raises, whatever runs on it."""

import torch

STICKY = torch.AcceleratorError("CUDA error: an illegal memory access was encountered")
MACHINE_FAULTS = [torch.OutOfMemoryError("full"), STICKY, RuntimeError(str(STICKY))]
