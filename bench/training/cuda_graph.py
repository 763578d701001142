"""A step recorded once as a CUDA graph and then replayed: its kernels cost no launch each."""

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from priorbench.errors import locate_error

log = logging.getLogger("priorbench")

Argument = Tensor | int | float
Function = Callable[..., tuple[Tensor, ...]]

WARM_UP = 3
"""Steps that are taken as they are written before one is recorded."""


class Recorder:
    """How a device records; a class of its own so that the logic is tested without one."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device)

    @contextlib.contextmanager
    def warming_up(self, strict: bool) -> Iterator[None]:
        """Run on the stream that is recorded later; if ``strict``, what waits for it is an error.

        Raises:
            RuntimeError: an operation that cannot be recorded, from the line that asks for it.
        """
        current = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(current)
        before = torch.cuda.get_sync_debug_mode()
        with torch.cuda.stream(self.stream):
            torch.cuda.set_sync_debug_mode("error" if strict else before)
            try:
                yield
            finally:
                torch.cuda.set_sync_debug_mode(before)
        current.wait_stream(self.stream)

    def record(
        self, function: Function, arguments: Sequence[Tensor]
    ) -> tuple[Callable[[], None], tuple[Tensor, ...]]:
        """What runs the recorded function again, and the tensors that it leaves its results in."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self.stream):
            outputs = function(*arguments)
        return graph.replay, outputs


class Replayed:
    """Calls of one function, which is recorded after a few and replayed from then on.

    The same values as without. Numbers among the arguments become tensors of no dimension on the
    device, so that a replay sees those of its own call. The last call before the recording is
    made with these, and with everything forbidden that makes the device wait (``.item()``, a
    branch on a tensor's value, a transfer from the CPU): where that fails, or the recording
    itself does, a warning says why and where, and the function goes on as it is written.

    The function comes with every call and is not held: whose method it is can be freed.

    Args:
        recorder: of the device.
        name: of what is recorded, for the warning.
    """

    def __init__(self, recorder: Recorder, name: str) -> None:
        self.recorder = recorder
        self.name = name
        self.calls = 0
        self.gave_up = False
        self._replay: Callable[[], None] | None = None
        self._arguments: tuple[Tensor, ...] = ()
        self._outputs: tuple[Tensor, ...] = ()

    def __call__(self, function: Function, *arguments: Argument) -> tuple[Tensor, ...]:
        """The function's outputs, tensors of the caller's own.

        Args:
            function: of tensors and numbers, to tensors; the same at every call.
            arguments: tensors of the same shapes at every call, and numbers.
        """
        self.calls += 1
        if self.gave_up:
            return function(*arguments)
        if self.calls < WARM_UP:
            with self.recorder.warming_up(strict=False):
                return function(*arguments)
        self._take(arguments)
        try:
            if self.calls == WARM_UP:
                with self.recorder.warming_up(strict=True):
                    return function(*self._arguments)
            if self._replay is None:
                self._replay, self._outputs = self.recorder.record(
                    function, self._arguments
                )
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            self._give_up(error)
            return function(*arguments)
        self._replay()
        return tuple(output.clone() for output in self._outputs)

    def _take(self, arguments: Sequence[Argument]) -> None:
        """Copy this call's arguments to where the recording reads them."""
        if not self._arguments:
            self._arguments = tuple(self._place(value) for value in arguments)
        for place, value in zip(self._arguments, arguments, strict=True):
            if isinstance(value, Tensor):
                place.copy_(value)
            else:
                place.fill_(value)  # a kernel with the number, not a transfer

    def _place(self, value: Argument) -> Tensor:
        if isinstance(value, Tensor):
            return torch.empty_like(value)
        kind = torch.int64 if isinstance(value, int) else torch.float64
        return torch.empty((), dtype=kind, device=self.recorder.device)

    def _give_up(self, error: Exception) -> None:
        self.gave_up, self._replay = True, None
        reason = (str(error).strip().splitlines() or [""])[0]
        log.warning(
            "a step of %s cannot be recorded as a CUDA graph and runs slower: %s: %s%s",
            self.name,
            type(error).__name__,
            reason,
            locate_error(error),
        )
