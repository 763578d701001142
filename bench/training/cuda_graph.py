"""Record a training step once as a CUDA graph and replay it: kernels cost no launch."""

import contextlib
import functools
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from priorbench.errors import locate_error
from priorbench.machine_errors import is_machine_fault

log = logging.getLogger("priorbench")

Argument = Tensor | int | float
Function = Callable[..., tuple[Tensor, ...]]

CALLS_BEFORE_RECORDING = 3
"""Calls that run the function as it is written before one is recorded."""


@functools.cache
def share_stream(device: torch.device) -> torch.cuda.Stream:
    """Return the stream on which all steps of a device are recorded.

    The allocator keeps the memory of every stream apart: one for each ensemble would
    leave that of earlier ones unused.
    """
    return torch.cuda.Stream(device)


class Recorder:
    """Records functions on a device; apart, so that the logic is tested without a GPU.

    Args:
        device: a CUDA device.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream = share_stream(device)

    @contextlib.contextmanager
    def warm_up(self, strict: bool) -> Iterator[None]:
        """Run on the CUDA stream that is recorded later.

        Args:
            strict: whether an operation that waits for the device is an error.

        Raises:
            RuntimeError: an operation that cannot be recorded, from the line that asks
                for it.
        """
        current = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(current)
        before = torch.cuda.get_sync_debug_mode()
        try:
            with torch.cuda.stream(self.stream):
                _set_sync_debug_mode("error" if strict else before)
                try:
                    yield
                finally:
                    _set_sync_debug_mode(before)
        finally:
            current.wait_stream(self.stream)

    def record(
        self, function: Function, arguments: Sequence[Tensor]
    ) -> tuple[Callable[[], None], tuple[Tensor, ...]]:
        """Record a function of tensors.

        Other threads may go on using the device, as those do that pin memory.

        Returns:
            A function that replays the recording, and the tensors that hold its results
            afterwards.
        """
        graph, pool = torch.cuda.CUDAGraph(), torch.cuda.graph_pool_handle()
        current = torch.cuda.current_stream(self.device)
        recording = torch.cuda.graph(
            graph, pool, stream=self.stream, capture_error_mode="thread_local"
        )
        try:
            with recording:
                outputs = function(*arguments)
        except BaseException:
            # torch.cuda.graph leaves its stream and its pool only where it succeeds
            torch.cuda.set_stream(current)
            _end_pool(self.stream.device_index, pool)
            raise
        return graph.replay, outputs


def _set_sync_debug_mode(mode: int | str) -> None:
    """Say what an operation that waits for the device is, without PyTorch's warning.

    It says at the first call that not all of them are found.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Synchronization debug mode")
        torch.cuda.set_sync_debug_mode(mode)


def _end_pool(device: int, pool: tuple[int, int]) -> None:
    """Let the allocator leave the pool of a recording that has failed.

    Where it has left it already, as after an error of the function alone, the graph
    releases the pool itself: a second release would end the process.
    """
    with contextlib.suppress(AttributeError, RuntimeError):
        torch._C._cuda_endAllocateToPool(device, pool)
        torch._C._cuda_releasePool(device, pool)


class ReplayedFunction:
    """Calls a function that is recorded after a few calls and replayed from then on.

    The values are the same as without. Numbers among the arguments become tensors of no
    dimension on the device, so that a replay sees those of its own call. The last call
    before the recording is made with these, and with everything forbidden that makes
    the device wait (``.item()``, a branch on a tensor's value, a transfer from the
    CPU): where that fails, or the recording itself does, a warning says why and where,
    and the function goes on running as it is written.

    The function comes with every call and is not held, so that the object to which it
    belongs can be freed.

    Args:
        recorder: records on the device.
        name: name of what is recorded, for the warning.
    """

    def __init__(self, recorder: Recorder, name: str) -> None:
        self.recorder = recorder
        self.name = name
        self.calls = 0
        self.recordable = True
        self._replay: Callable[[], None] | None = None
        self._arguments: tuple[Tensor, ...] = ()
        self._outputs: tuple[Tensor, ...] = ()

    @property
    def recorded(self) -> bool:
        """Return whether calls are replays."""
        return self._replay is not None

    def __call__(self, function: Function, *arguments: Argument) -> tuple[Tensor, ...]:
        """Return the function's outputs, tensors that later calls do not change.

        Args:
            function: maps tensors and numbers to tensors; the same at every call.
            arguments: tensors of the same shapes at every call, and numbers.
        """
        self.calls += 1
        if not self.recordable:
            return function(*arguments)
        if self.calls < CALLS_BEFORE_RECORDING:
            with self.recorder.warm_up(strict=False):
                return function(*arguments)
        self._copy_arguments(arguments)
        try:
            if self.calls == CALLS_BEFORE_RECORDING:
                with self.recorder.warm_up(strict=True):
                    return function(*self._arguments)
            if self._replay is None:
                self._replay, self._outputs = self.recorder.record(
                    function, self._arguments
                )
        except Exception as error:
            if is_machine_fault(error):
                raise
            self.recordable = False
            self._warn_of(error)
            return function(*arguments)
        self._replay()
        return tuple(output.clone() for output in self._outputs)

    def _copy_arguments(self, arguments: Sequence[Argument]) -> None:
        """Copy the arguments of this call to the tensors that the recording reads."""
        if not self._arguments:
            self._arguments = tuple(self._allocate(value) for value in arguments)
        for tensor, value in zip(self._arguments, arguments, strict=True):
            if isinstance(value, Tensor):
                tensor.copy_(value)
            else:
                tensor.fill_(value)  # a kernel with the number, not a transfer

    def _allocate(self, value: Argument) -> Tensor:
        """Return an empty tensor on the device that can hold an argument."""
        if isinstance(value, Tensor):
            return torch.empty_like(value)
        dtype = torch.int64 if isinstance(value, int) else torch.float64
        return torch.empty((), dtype=dtype, device=self.recorder.device)

    def _warn_of(self, error: Exception) -> None:
        reason = (str(error).strip().splitlines() or [""])[0]
        log.warning(
            "a step of %s cannot be recorded as a CUDA graph and runs slower: %s: %s%s",
            self.name,
            type(error).__name__,
            reason,
            locate_error(error),
        )
