"""A stand-in for a GPU: tensors that say "cuda:0" and compute on the CPU.

A dispatch mode sees every operation below vmap, autograd and autocast. It raises where
tensors of host and device meet in one operation, notes what makes the host wait for the
device, raises at these where a step is strict or recorded, as CUDA does, and counts
memory. Values are those of the CPU. Fused functions run as they are written.
"""

import contextlib
import ctypes
import functools
import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import weakref
from collections import Counter
from pathlib import Path

import torch
from filelock import FileLock
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import (
    TorchDispatchMode,
    return_and_correct_aliasing,
)
from torch.utils._pytree import tree_leaves, tree_map

CUDA = torch.device("cuda", 0)
ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"

SYNCHRONISING = "called a synchronizing CUDA operation"
CAPTURING = "operation not permitted when stream is capturing"

WAITING = {
    "_local_scalar_dense",
    "_unique2",
    "bincount",
    "equal",
    "is_nonzero",
    "masked_select",
    "nonzero",
    "repeat_interleave",
    "unique_consecutive",
    "unique_dim",
}
"""Operations whose result, or its shape, the host must know."""

INDEXING = {"_index_put_impl_", "_unsafe_index", "index", "index_put_"}


class Waits(RuntimeError):
    """The host would wait for the device where it must not."""


class OnDevice(torch.Tensor):
    """A tensor of the host that says that it is on the device."""

    @staticmethod
    def __new__(cls, host):
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            host.size(),
            strides=host.stride(),
            storage_offset=host.storage_offset(),
            dtype=host.dtype,
            device=CUDA,
        )
        made.host = host
        DEVICE.hold_memory(host)
        return made

    def __repr__(self):
        return f"OnDevice({self.host})"

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            made = OnDevice(self.host.detach().clone())
            if isinstance(self, nn.Parameter):
                made = nn.Parameter(made, self.requires_grad)
            memo[id(self)] = made
        return memo[id(self)]

    @classmethod
    def __torch_dispatch__(cls, operation, types, args=(), kwargs=None):
        return DEVICE.run(operation, args, kwargs or {})


class Device:
    """What the stand-in notes.

    Attributes:
        waits: lines of the project that made the host wait, and for what.
        allocated: bytes of the tensors that are alive.
        peak: the most of them since :meth:`reset`.
        total: bytes that the device has.
        forbidden: message of the error that a wait is at present; None where it is
            allowed.
    """

    def __init__(self):
        self.allocated = 0
        self.total = 1 << 40
        self._holders = Counter()
        self.forbidden = None
        self.reset()

    def reset(self):
        self.waits = Counter()
        self.peak = self.allocated

    def hold_memory(self, host):
        """Count a storage until the last of its tensors is gone."""
        storage = host.untyped_storage()
        key, size = storage.data_ptr(), storage.nbytes()
        if not self._holders[key]:
            if self.allocated + size > self.total:
                raise torch.OutOfMemoryError("CUDA out of memory (the stand-in)")
            self.allocated += size
            self.peak = max(self.peak, self.allocated)
        self._holders[key] += 1
        weakref.finalize(host, self._let_go, key, size)

    def _let_go(self, key, size):
        self._holders[key] -= 1
        if not self._holders[key]:
            self.allocated -= size

    def wait(self, what):
        """Note that the host waits; raise where that is forbidden."""
        self.waits[what, find_line()] += 1
        if self.forbidden:
            raise Waits(f"{self.forbidden}: {what} at {find_line()}")

    @contextlib.contextmanager
    def forbid_waits(self, message):
        before, self.forbidden = self.forbidden, message
        try:
            yield
        finally:
            self.forbidden = before

    def run(self, operation, args, kwargs):
        """Run an operation on the host's values."""
        name = operation._schema.name.split("::")[1]
        tensors = [t for t in tree_leaves((args, kwargs)) if torch.is_tensor(t)]
        here = [t for t in tensors if isinstance(t, OnDevice)]
        target = kwargs.get("device")
        to_device = bool(here)
        if target is not None:
            to_device = torch.device(target).type == "cuda"
        if name == "copy_" and here:
            to_device = isinstance(args[0], OnDevice)
        self._check_places(name, args, tensors, here, to_device)
        plain = {k: v for k, v in kwargs.items() if k != "pin_memory" or v}
        if target is not None:
            plain["device"] = torch.device("cpu")
        found = operation(*tree_map(_get_host, args), **tree_map(_get_host, plain))
        if not to_device or name == "_local_scalar_dense":
            return found
        wrapped = tree_map(_put_on_device, found)
        if not here or isinstance(found, bool | int | float):
            return wrapped
        return return_and_correct_aliasing(operation, args, kwargs, wrapped)

    def _check_places(self, name, args, tensors, here, to_device):
        """Note transfers and waits; raise where host and device mix."""
        elsewhere = [t for t in tensors if not isinstance(t, OnDevice)]
        if name in ("_to_copy", "copy_"):
            if here and not to_device:
                self.wait("copy to the host")
            elif elsewhere and to_device:
                self.wait("copy from the host")
            return
        if here and name in WAITING:
            self.wait(name)
        indexed = here and name in INDEXING
        if here and elsewhere:
            if indexed and isinstance(args[0], OnDevice):
                self.wait("copy of an index from the host")
            elif any(t.ndim for t in elsewhere):
                places = [(tuple(t.shape), str(t.device)) for t in tensors]
                raise RuntimeError(
                    "Expected all tensors to be on the same device, but got "
                    f"{places} in {name}"
                )
        if indexed:
            indices = [t for t in tree_leaves(args[1]) if torch.is_tensor(t)]
            masks = any(t.dtype in (torch.bool, torch.uint8) for t in indices)
            fills = len(args) > 2 and torch.is_tensor(args[2]) and args[2].numel() == 1
            if masks and not fills:
                self.wait("a mask as an index")


DEVICE = Device()


def _get_host(value):
    return value.host if isinstance(value, OnDevice) else value


def _make_index(values):
    """Return a list as an index; an empty one selects nothing."""
    return torch.tensor(values, dtype=None if values else torch.int64)


def _put_on_device(value):
    plain = torch.is_tensor(value) and not isinstance(value, OnDevice)
    return OnDevice(value) if plain else value


def find_line():
    """Return the innermost line of the project, outside its tests, on the stack."""
    frame = sys._getframe()
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(ROOT) and not path.is_relative_to(TESTS):
            return f"{path.relative_to(ROOT)}:{frame.f_lineno}"
        frame = frame.f_back
    return "outside of the project"


class Operations(TorchDispatchMode):
    """Sees the operations that make tensors, which have none among their arguments."""

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if OnDevice not in types and kwargs.get("device") is None:
            return operation(*args, **kwargs)  # the host's own
        return DEVICE.run(operation, args, kwargs)


class Functions(TorchFunctionMode):
    """What does not reach the dispatcher as it would on a GPU."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        target = kwargs.get("device")
        if function in (torch.tensor, torch.as_tensor) and target is not None:
            rest = {k: v for k, v in kwargs.items() if k != "device"}
            return function(*args, **rest).to(torch.device(target))
        if not args or not isinstance(args[0], OnDevice):
            return function(*args, **kwargs)
        if function is torch.Tensor.tolist:
            DEVICE.wait("tolist")
            return args[0].host.detach().tolist()
        if function is torch.Tensor.numpy:
            raise TypeError("can't convert cuda:0 device type tensor to numpy")
        if function is torch.Tensor.new_tensor:
            DEVICE.wait("copy from the host")
            return OnDevice(args[0].host.new_tensor(*args[1:], **kwargs))
        if function in (torch.Tensor.__getitem__, torch.Tensor.__setitem__):
            index = args[1] if isinstance(args[1], tuple) else (args[1],)
            if any(isinstance(i, list) for i in index):
                DEVICE.wait("a list as an index")
                index = [
                    OnDevice(_make_index(i)) if isinstance(i, list) else i
                    for i in index
                ]
                return function(args[0], tuple(index), *args[2:])
        return function(*args, **kwargs)


class StandInRecorder:
    """Stands for :class:`priorbench.bench.training.cuda_graph.Recorder`.

    A replay runs the step again, with every wait an error, as in a capture.
    """

    def __init__(self, device):
        self.device = device

    @contextlib.contextmanager
    def warm_up(self, strict):
        with DEVICE.forbid_waits(SYNCHRONISING if strict else None):
            yield

    def record(self, function, arguments):
        with DEVICE.forbid_waits(CAPTURING):
            outputs = function(*arguments)
        first = True

        def replay():
            nonlocal first
            if first:  # recording has computed it, and a GPU would not have
                first = False
                return
            with DEVICE.forbid_waits(CAPTURING):
                found = function(*arguments)
            for output, value in zip(outputs, found, strict=True):
                output.copy_(value)

        return replay, outputs


@functools.cache
def load_guard():
    """Load what the CPU build of PyTorch lacks; compiled once for each of its versions.

    Returns:
        A function that is given whether there is a GPU.
    """
    folder = Path(importlib.util.find_spec("torch").origin).parent
    source = Path(__file__).with_name("device_guard.cpp")
    version = hashlib.sha256(source.read_bytes() + torch.__version__.encode())
    name = f"priorbench-{os.getuid()}-{version.hexdigest()[:12]}.so"
    built = Path(tempfile.gettempdir()) / name
    include = folder / "include"
    with FileLock(built.with_suffix(".lock")):
        if not built.exists():
            command = ["g++", "-O0", "-fPIC", "-shared", "-std=c++20", str(source)]
            command += [f"-I{include}", f"-I{include}/torch/csrc/api/include"]
            command += [f"-L{folder}/lib", "-lc10", "-ltorch_cpu"]
            part = built.with_suffix(".part")
            subprocess.run([*command, "-o", str(part)], check=True)
            part.replace(built)
    ctypes.CDLL(str(folder / "lib/libtorch_cpu.so"), ctypes.RTLD_GLOBAL)
    return ctypes.CDLL(str(built), ctypes.RTLD_GLOBAL).pretend_cuda


@contextlib.contextmanager
def stand_in(patch):
    """Stand in for a GPU within this context.

    Args:
        patch: pytest's ``monkeypatch``.
    """
    from priorbench import compiled
    from priorbench.bench.training import ensemble

    patch.setattr(torch.cuda, "_lazy_init", lambda: None)
    patch.setattr(torch.cuda, "is_available", lambda: True)
    patch.setattr(torch.cuda, "device_count", lambda: 1)
    patch.setattr(torch.cuda, "synchronize", lambda *_: None)
    patch.setattr(
        torch.cuda, "mem_get_info", lambda *_: (DEVICE.total - DEVICE.allocated,) * 2
    )
    patch.setattr(torch.cuda, "memory_reserved", lambda *_: DEVICE.allocated)
    patch.setattr(torch.cuda, "max_memory_reserved", lambda *_: DEVICE.peak)
    patch.setattr(torch.cuda, "reset_peak_memory_stats", lambda *_: DEVICE.reset())
    # a parameter of the host cannot become one of another class in place
    patch.setattr(torch.__future__, "_overwrite_module_params_on_conversion", True)
    patch.setattr(ensemble, "Recorder", StandInRecorder)
    patch.setattr(torch.autocast, "__init__", make_autocast_init())
    pretend_cuda = load_guard()
    pretend_cuda(True)
    try:
        one_thread = torch.autograd.set_multithreading_enabled(False)
        fused = compiled.run_fused_by(lambda function, *given: function(*given))
        with Operations(), Functions(), one_thread, fused:
            yield DEVICE
    finally:
        pretend_cuda(False)


def make_autocast_init():
    """Return an initialisation of autocast that does not refuse CUDA without a GPU."""
    original = torch.autocast.__init__

    def initialise(self, device_type, dtype=None, enabled=True, cache_enabled=None):
        known = "cpu" if device_type == "cuda" else device_type
        original(self, known, dtype, enabled, cache_enabled)
        if device_type == "cuda":
            self.device = "cuda"
            self.fast_dtype = dtype or torch.float16

    return initialise
