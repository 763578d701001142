"""Kernels that a step would launch on a GPU and the bytes they move, counted anywhere.

Every operation that is no view and no allocation is a kernel, with two exceptions: a
function that :mod:`priorbench.compiled` fuses is one, though the compiler may split it
where it sums, and a batched product with a bias is two, for CUDA first copies the bias
into the result. A kernel reads its inputs once and writes its outputs once.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from priorbench.compiled import run_fused_by

ALLOCATIONS = {
    "_unsafe_view",
    "empty",
    "empty_like",
    "empty_strided",
    "new_empty",
    "new_empty_strided",
}
"""Operations that launch no kernel, beside views."""

OVERWRITING = {"copy_", "fill_", "zero_"}
"""Operations that do not read what they write to."""

PICKING = {"_unsafe_index", "embedding", "gather", "index", "index_select"}
"""Operations that read as many elements of their first argument as they give."""

ONLY_READ = {"_fused_adam_": 1}
"""The argument that an operation declares to write to and does not: the gradients."""


class KernelCounter(TorchDispatchMode):
    """Counts kernels and bytes within its context.

    Fused functions are not compiled there.

    Args:
        device: type of the tensors that are taken for a GPU's.

    Attributes:
        kernels: number of kernels, by the name of the operation or function.
        bytes: that they move, by the same names.

    Example:
        >>> import torch
        >>> x = torch.zeros(8)
        >>> with KernelCounter() as counter:
        ...     y = (x + 1)[:4].exp()
        >>> dict(counter.kernels), counter.bytes.total()
        ({'add': 1, 'exp': 1}, 96)
    """

    def __init__(self, device: str = "cpu") -> None:
        super().__init__()
        self.device = device
        self.kernels: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()
        self._within_fused = False

    def __enter__(self) -> "KernelCounter":
        """Begin to count."""
        self._fusing = run_fused_by(self._run_fused, self.device)
        self._fusing.__enter__()
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        """Stop counting."""
        super().__exit__(*error)
        self._fusing.__exit__(*error)

    def __torch_dispatch__(
        self,
        operation: OpOverload,
        types: Any,
        args: tuple = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run an operation, and count it."""
        kwargs = kwargs or {}
        found = operation(*args, **kwargs)
        name = get_name(operation)
        written = list_written(operation, args, found)
        free = operation.is_view or name in ALLOCATIONS or self._within_fused
        if written and not free:
            self.kernels[name] += 1
            self.bytes[name] += add_bytes(list_read(operation, args, kwargs, written))
            self.bytes[name] += add_bytes(written)
            if name == "baddbmm":  # the bias is copied, and read by the product
                self.kernels[name] += 1
                self.bytes[name] += 2 * add_bytes(written)
        return found

    def _run_fused(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run a fused function, and count it as one kernel."""
        self._within_fused = True
        try:
            found = function(*arguments)
        finally:
            self._within_fused = False
        name = function.__name__
        self.kernels[name] += 1
        self.bytes[name] += add_bytes(list_tensors(arguments))
        self.bytes[name] += add_bytes(list_tensors(found))
        return found


def get_name(operation: OpOverload) -> str:
    """Return the name of an operation without that of its library."""
    return operation._schema.name.split("::")[1]


def list_written(operation: OpOverload, args: tuple, found: Any) -> list[Tensor]:
    """Return the tensors that an operation gives or changes."""
    written = list_tensors(found)
    spared = ONLY_READ.get(get_name(operation))
    pairs = zip(operation._schema.arguments, args, strict=False)
    for number, (argument, value) in enumerate(pairs):
        if argument.is_write and number != spared:
            written += list_tensors(value)
    return written


def list_read(
    operation: OpOverload, args: tuple, kwargs: Mapping[str, Any], written: list[Tensor]
) -> list[Tensor]:
    """Return the tensors that an operation reads, or as large ones."""
    name = get_name(operation)
    if name in OVERWRITING:
        return list_tensors((args[1:], kwargs))
    if name in PICKING:
        return [*list_tensors((args[1:], kwargs)), *written]
    return list_tensors((args, kwargs))


def list_tensors(values: Any) -> list[Tensor]:
    """Return the tensors of nested tuples, lists and dictionaries."""
    return [value for value in tree_leaves(values) if isinstance(value, Tensor)]


def add_bytes(tensors: Iterable[Tensor]) -> int:
    """Add up the bytes of tensors; one that is expanded, or given twice, counts once.

    Example:
        >>> import torch
        >>> x = torch.zeros(4)
        >>> add_bytes([x, x, torch.zeros(1).expand(9)])
        20
    """
    total = 0
    for tensor in {id(tensor): tensor for tensor in tensors}.values():
        size = tensor.element_size()
        for length, stride in zip(tensor.shape, tensor.stride(), strict=True):
            size *= length if stride else 1
        total += size
    return total
