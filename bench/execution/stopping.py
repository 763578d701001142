"""How a command is stopped: by a signal or at its time limit, and with which status."""

import contextlib
import math
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

FAILED = 1
"""Exit status where runs or scores failed."""

TIME_UP = 124
"""Exit status at the time limit, which is that of ``timeout``."""

LAST_MINUTE = 60.0
"""Seconds before a time limit at which trainings stop; of a short limit a tenth."""

LAST_SECONDS = 25.0
"""Seconds after a signal within which a command ends, whatever it waits for.

A batch queue sends SIGKILL some time after SIGTERM, Slurm half a minute.
"""

SAVING_SECONDS = 20.0
"""Seconds after a signal that other processes have to write their checkpoints."""


class Stopped(KeyboardInterrupt):
    """A signal has asked the command to stop, as Ctrl-C does, or its time is up.

    Args:
        status: that the command exits with.
    """

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass
class _Stop:
    """What this process knows of a stop.

    Attributes:
        status: to exit with; None where none was asked for.
        holders: contexts that hold it back.
        prepare: is called before it is raised.
    """

    status: int | None = None
    holders: int = 0
    prepare: Callable[[], None] | None = None


_stop = _Stop()


def is_stop_asked() -> bool:
    """Return whether this process is to stop; what holds it back ends soon, then."""
    return _stop.status is not None


def ask_to_stop(status: int) -> bool:
    """Note that this process is to stop, and return whether that is held back."""
    _stop.status = status
    return _stop.holders > 0


@contextlib.contextmanager
def hold_stops() -> Iterator[None]:
    """Hold back a stop until the end of this context, for a training to be kept.

    Raises:
        Stopped: at the end, if a stop was asked for meanwhile.
    """
    _stop.holders += 1
    try:
        yield
    finally:
        _stop.holders -= 1
    if _stop.status is not None and not _stop.holders:
        raise Stopped(_stop.status)


@contextlib.contextmanager
def prepare_stops(prepare: Callable[[], None]) -> Iterator[None]:
    """Call a function before a stop is raised in this context."""
    _stop.prepare = prepare
    try:
        yield
    finally:
        _stop.prepare = None


@contextlib.contextmanager
def stop_on_signals(seconds: float = math.inf) -> Iterator[None]:
    """Raise :class:`Stopped` at Ctrl-C, where the system asks to end, or at a hang-up.

    The same is done after ``seconds``, where the system has a clock that signals.
    Trainings that are under way are kept first, in this process or others; a second
    signal does not wait for them.

    A pool of processes that a signal has broken may never finish its own shutdown; then
    the command ends after :data:`LAST_SECONDS` all the same. Outside the main thread,
    which alone can be told of signals, nothing is done.
    """
    names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    ignored = signal.SIG_IGN  # by nohup, or in the background of a shell
    names = [n for n in names if signal.getsignal(getattr(signal, n)) != ignored]
    alarm = getattr(signal, "SIGALRM", None)
    timed = seconds < math.inf and alarm is not None
    if timed:
        names.append("SIGALRM")
    if threading.current_thread() is not threading.main_thread():
        names, timed = [], False

    def stop(signum: int, _: object) -> None:
        status = TIME_UP if signum == alarm else 128 + signum
        if is_stop_asked():
            raise Stopped(status)
        held = ask_to_stop(status)
        timer = threading.Timer(LAST_SECONDS, _end_now, (status,))
        timer.daemon = True
        timer.start()
        if held:
            return
        if _stop.prepare is not None:
            _stop.prepare()
        raise Stopped(status)

    before = {name: signal.signal(getattr(signal, name), stop) for name in names}
    if timed:
        signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3))
    try:
        yield
    finally:
        _stop.status = None
        if timed:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)


def _end_now(status: int) -> None:
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    os._exit(status)
