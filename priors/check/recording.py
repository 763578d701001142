"""Whether a step with the prior can be recorded once and replayed, as on a GPU."""

import copy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from priorbench.priors.check.interface import Step
from priorbench.priors.check.properties import Fault, Unchecked, check_property
from priorbench.priors.check.subject import Subject

META = torch.device("meta")

READING = {
    "_local_scalar_dense",
    "_unique2",
    "bincount",
    "equal",
    "masked_select",
    "nonzero",
    "repeat_interleave",
    "unique_consecutive",
    "unique_dim",
}
"""Operations whose result, or its shape, is read from the device."""

INDEXING = {"index", "index_put_"}


class _NoWaits(TorchDispatchMode):
    """Raises where a device would be waited for: a value read, or a copy to it.

    Args:
        copies: whether copies to the device are allowed.
    """

    def __init__(self, copies: bool) -> None:
        super().__init__()
        self.copies = copies

    def __torch_dispatch__(
        self,
        operation: Callable[..., Any],
        types: tuple,
        args: tuple = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        name = operation.__name__.partition(".")[0]
        tensors = [t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
        there = [t for t in tensors if t.device == META]
        target = kwargs.get("device")
        moved = name == "_to_copy" and target is not None
        copied = moved and target == META and not there
        mixed = name == "copy_" and len(there) == 1
        if (copied or mixed) and not self.copies:
            raise Fault(f"a tensor is copied from the CPU at every step{_find_line()}")
        fetched = moved and target != META
        masked = name in INDEXING and _is_masked(*args)
        if there and (name in READING or fetched or masked):
            raise Fault(f"a value is read in a step ({name}){_find_line()}")
        return operation(*args, **kwargs)


def _is_masked(indexed: Tensor, indices: list[Tensor | None], *values: Any) -> bool:
    """Return whether the number of elements is known by a mask's values alone.

    One value for all of them is no such case: it fills where the mask is true.
    """
    masks = any(i is not None and i.dtype == torch.bool for i in indices)
    return masks and not (values and values[0].numel() == 1)


def _find_line() -> str:
    """Return the innermost line on the stack that is not of this file or of torch."""
    frame = sys._getframe(2)
    while frame is not None:
        path = frame.f_code.co_filename
        if path != __file__ and "site-packages" not in path and "<" not in path:
            return f" ({Path(path).name}, line {frame.f_lineno})"
        frame = frame.f_back
    return ""


@check_property(
    "a step can be recorded",
    "the line: a GPU replays a recorded step, in which nothing can be read from it or "
    "copied to it; keep what is fixed with register_buffer",
)
def step_recordable(s: Subject) -> None:
    """Take two steps on the meta device; what is made once may be copied in the first.

    Raises:
        Fault: a step reads a value, or the second copies a tensor to the device.
    """
    step = Step(copy.deepcopy(s.single).to(META))
    inputs = (s.draw_raw(5), s.draw_noise(5), s.draws[:5].float())
    moved = [x.to(META).requires_grad_() for x in inputs]
    try:
        with _NoWaits(copies=True):
            step(*moved)
    except (NotImplementedError, RuntimeError) as error:
        raise Unchecked("it does not run on the meta device at all") from error
    with _NoWaits(copies=False):
        values = step(*moved)
        sum(value.sum() for value in values).backward()


PROPERTIES = (step_recordable,)
