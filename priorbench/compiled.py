"""Functions of many elementwise operations, which a GPU runs in few kernels."""

import contextlib
import functools
import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

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


def fuse_with_gradient(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function and its gradient where its first argument is on a GPU.

    Elsewhere it runs as it is written. The gradient computes the function again, so
    that nothing but its arguments is kept or read.

    Args:
        function: of tensors, and of constants behind them, to a tensor or a tuple of
            tensors. It treats all but the last dimensions of its tensors alike, and
            they have the same number of those: many seeds give them one more, in front.
    """
    forward = fuse_on_gpu(function)

    @functools.wraps(function)
    def differentiate(
        first: Tensor, rest: tuple, grads: Any, needed: tuple[int, ...]
    ) -> tuple[Tensor, ...]:
        arguments = (first, *rest)

        def vary_needed(*values: Tensor) -> Any:
            given = dict(zip(needed, values, strict=True))
            return function(*(given.get(i, a) for i, a in enumerate(arguments)))

        _, pull_back = torch.func.vjp(vary_needed, *(arguments[i] for i in needed))
        return pull_back(grads)

    # the compiler counts variants by code, which all functions would have in common
    code = differentiate.__code__
    differentiate.__code__ = code.replace(co_name=f"differentiate_{function.__name__}")
    backward = fuse_on_gpu(differentiate)

    @functools.wraps(function)
    def call_fused(first: Tensor, *rest: Any) -> Any:
        if not is_fused(first):
            return function(first, *rest)
        return _Fused.apply((forward, backward), first, *rest)

    return call_fused


class _Fused(torch.autograd.Function):
    """The value of a function of :func:`fuse_with_gradient`.

    Its inputs are the fused forms of the function and of its gradient, and the
    function's arguments.
    """

    @staticmethod
    def forward(forms: tuple[Callable, Callable], *arguments: Any) -> Any:
        return forms[0](*arguments)

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple, output: Any) -> None:
        ctx.forms, *arguments = inputs
        tensors = [value for value in arguments if isinstance(value, Tensor)]
        ctx.constants = arguments[len(tensors) :]
        ctx.single = isinstance(output, Tensor)
        ctx.save_for_backward(*tensors)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, *grads: Tensor) -> tuple[Tensor | None, ...]:
        first, *rest = ctx.saved_tensors
        needs = ctx.needs_input_grad[1:]
        needed = tuple(i for i, need in enumerate(needs) if need)
        given = grads[0] if ctx.single else grads
        found = ctx.forms[1](first, (*rest, *ctx.constants), given, needed)
        gradients = dict(zip(needed, found, strict=True))
        return None, *(gradients.get(i) for i in range(len(needs)))

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple, forms: tuple[Callable, Callable], *arguments: Any
    ) -> tuple[Any, Any]:
        moved = []
        for value, dim in zip(arguments, in_dims[1:], strict=True):
            if not isinstance(value, Tensor):
                moved.append(value)
            elif dim is None:
                moved.append(value.expand(info.batch_size, *value.shape))
            else:
                moved.append(value.movedim(dim, 0))
        found = _Fused.apply(forms, *moved)
        return found, 0 if isinstance(found, Tensor) else (0,) * len(found)


def keep_constant(function: Callable[..., Any]) -> Callable[..., Any]:
    """Have a function called, not compiled, where one is compiled that calls it.

    What it returns is a constant of that one. It is
    ``torch.compiler.assume_constant_result``, which takes seconds to import.
    """

    @functools.wraps(function)
    def call_constant(*arguments: Any) -> Any:
        return function(*arguments)

    call_constant._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return call_constant


def name_recompile_limit() -> str:
    """Return what ``torch._dynamo.config`` calls its limit of variants."""
    name = "recompile_limit"
    return name if hasattr(torch._dynamo.config, name) else "cache_size_limit"


def compile_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that is compiled anew for all shapes and constants it meets.

    Beyond :data:`VARIANTS` of them it raises an error; PyTorch's own limit is 8, after
    which it runs uncompiled without a word.
    """
    # the precision of products is the user's choice, of which the compiler warns
    warnings.filterwarnings("ignore", message="TensorFloat32 tensor cores")
    config, name = torch._dynamo.config, name_recompile_limit()
    setattr(config, name, max(getattr(config, name), VARIANTS))
    return torch.compile(function, dynamic=False, fullgraph=True)
