"""Functions of many elementwise operations, which a GPU runs in few kernels."""

import functools
import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from priorbench.machine_errors import is_machine_fault

log = logging.getLogger("priorbench")

COMPILED_ON = ("cuda",)
"""Devices on which the functions are compiled."""

_failed: set[str] = set()


def fuse_on_gpu(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function where its first argument is on a GPU.

    Where the compiler does not work (no Triton, no C compiler, an operation that it
    does not know) a warning says so once, and the function runs as it is written:
    slower, with the same values.

    Args:
        function: of tensors and constants, of which the first is a tensor; it has no
            side effects and takes no gradients of its own.
    """
    name = f"{function.__module__}.{function.__qualname__}"
    # made at the first use: the compiler takes seconds to import
    compiled = functools.cache(lambda: torch.compile(function))

    @functools.wraps(function)
    def call_fused(first: Tensor, *rest: Any) -> Any:
        if first.device.type not in COMPILED_ON or name in _failed:
            return function(first, *rest)
        try:
            return compiled()(first, *rest)
        except Exception as error:
            if is_machine_fault(error):
                raise
            _failed.add(name)
            reason = (str(error).strip().splitlines() or [""])[0]
            log.warning(
                "%s could not be compiled and runs unfused, slower (%s: %s)",
                name,
                type(error).__name__,
                reason,
            )
            return function(first, *rest)

    return call_fused
