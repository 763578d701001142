"""Processes that do not outlive the command that started them."""

import os
import threading
import time


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
