"""Functions of many elementwise operations, which a GPU runs in few kernels."""

import contextlib
import functools
import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from priorbench.machine_errors import is_machine_fault

log = logging.getLogger("priorbench")

COMPILED_ON = ("cuda",)
"""Devices on which the functions are compiled."""

VARIANTS = 64
"""Times that a function is compiled: for every size of block, and for other groups."""

_failed: set[str] = set()

_run: Callable[..., Any] | None = None
"""What runs the functions in place of their compiled forms."""


def is_fused(tensor: Tensor) -> bool:
    """Return whether functions of a tensor are fused, where it is."""
    return tensor.device.type in COMPILED_ON


@contextlib.contextmanager
def run_fused_by(run: Callable[..., Any], device: str = "cuda") -> Iterator[None]:
    """Run the functions by ``run(function, *arguments)`` within this context.

    So their calls are counted, or run where there is no compiler, on any machine.

    Args:
        run: returns the function's value.
        device: type of the tensors that are taken for a GPU's.
    """
    global COMPILED_ON, _run
    before = COMPILED_ON, _run
    COMPILED_ON, _run = (device,), run
    try:
        yield
    finally:
        COMPILED_ON, _run = before


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
    compiled = functools.cache(lambda: compile_function(function))

    @functools.wraps(function)
    def call_fused(first: Tensor, *rest: Any) -> Any:
        if not is_fused(first) or name in _failed:
            return function(first, *rest)
        if _run is not None:
            return _run(function, first, *rest)
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


def compile_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that is compiled anew for all shapes and constants it meets.

    Beyond :data:`VARIANTS` of them it raises an error; PyTorch's own limit is 8, after
    which it runs uncompiled without a word.
    """
    # the precision of products is the user's choice, of which the compiler warns
    warnings.filterwarnings("ignore", message="TensorFloat32 tensor cores")
    config = torch._dynamo.config
    name = "recompile_limit"
    if not hasattr(config, name):  # before PyTorch 2.7
        name = "cache_size_limit"
    setattr(config, name, max(getattr(config, name), VARIANTS))
    return torch.compile(function, dynamic=False, fullgraph=True)
