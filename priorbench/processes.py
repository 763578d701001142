"""Processes that end quietly, and with the command that started them."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


def exit_with_parent(parent: int) -> None:
    """End this process within half a second of its parent's end, however that ends.

    SIGTERM, which may be blocked while a process is started, ends it too.

    Args:
        parent: number of the process that started this one. It is given, for a parent
            may end before this process can ask for its number.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    if hasattr(signal, "pthread_sigmask"):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def shield_children() -> Iterator[None]:
    """Shield processes that are started in this context from the terminal's signals.

    A terminal sends Ctrl-C and its hang-up to all processes; the parent alone answers,
    and the others end with it. A signal that is blocked here stays blocked in what is
    started. Meanwhile none interrupts the parent either, for an exception that a
    handler raises is lost where a process forks.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # here, for the whole package waits for what this module imports
    import multiprocessing.resource_tracker

    from joblib.externals.loky.backend import resource_tracker

    told = {signal.SIGINT, signal.SIGHUP, signal.SIGTERM}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, told)
    try:
        for tracker in (multiprocessing.resource_tracker, resource_tracker):
            tracker.ensure_running()  # some versions unblock signals
        signal.pthread_sigmask(signal.SIG_BLOCK, told)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_at_interrupts() -> None:
    """Let Ctrl-C end this process at once and without a word.

    This is for a command while it imports, which takes seconds: an interrupt there is
    swallowed by some libraries, and leaves them half imported.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def raise_interrupts() -> None:
    """Let Ctrl-C raise ``KeyboardInterrupt`` again."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL and _is_main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)


def ignore_interrupts() -> None:
    """Ignore Ctrl-C from now on, for the command is ending."""
    if _is_main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
