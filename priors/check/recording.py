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

VALUES = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal")
"""Operations that read values from the device."""


class _NoWaits(TorchDispatchMode):
    """Raises where a device would be waited for: a value read, or a copy to it."""

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
        copied = name == "_to_copy" and kwargs.get("device") == META
        mixed = name == "copy_" and len(there) == 1
        if (copied and not there) or mixed:
            raise Fault(f"a tensor is copied from the CPU at every step{_find_line()}")
        if there and name in VALUES:
            raise Fault(f"a value is read at every step ({name}){_find_line()}")
        return operation(*args, **kwargs)


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
        Fault: the second step reads a value or copies a tensor to the device.
    """
    step = Step(copy.deepcopy(s.single).to(META))
    inputs = (s.draw_raw(5), s.draw_noise(5), s.draws[:5].float())
    moved = [x.to(META).requires_grad_() for x in inputs]
    try:
        step(*moved)
    except (NotImplementedError, RuntimeError) as error:
        raise Unchecked("it does not run on the meta device at all") from error
    with _NoWaits():
        values = step(*moved)
        sum(value.sum() for value in values).backward()


PROPERTIES = (step_recordable,)
