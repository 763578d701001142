"""Processes that end quietly, and with the command that started them."""

import os
import signal
import sys
import threading
import time
from types import TracebackType


def exit_with_parent(parent: int) -> None:
    """End this process within half a second of its parent's end, however that ends.

    Args:
        parent: number of the process that started this one. It is given, for a parent
            may end before this process can ask for its number.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def end_quietly() -> None:
    """End without a traceback where Ctrl-C comes before the command has begun.

    This is for a process that is a command, which takes seconds to import.
    """

    def show_error(
        kind: type[BaseException], error: BaseException, place: TracebackType | None
    ) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, place)

    sys.excepthook = show_error


def ignore_interrupts() -> None:
    """Ignore Ctrl-C from now on, for the command is ending."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
