"""Several things timed in turn, so that what slows the machine slows all of them."""

import statistics
import time
from collections.abc import Callable, Mapping

import torch


def time_interleaved(
    actions: Mapping[str, Callable[[], object]],
    rounds: int,
    device: torch.device,
    warm_up: int = 2,
) -> dict[str, list[float]]:
    """Time every action once in every round.

    Args:
        actions: by name.
        rounds: that are timed.
        device: which is waited for before a clock is read.
        warm_up: rounds before these.

    Returns:
        Seconds of every action, round by round.

    Example:
        >>> seconds = time_interleaved({"a": list, "b": dict}, 3, torch.device("cpu"))
        >>> {name: len(times) for name, times in seconds.items()}
        {'a': 3, 'b': 3}
    """
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for number in range(-warm_up, rounds):
        for name, action in actions.items():
            taken = time_call(action, device)
            if number >= 0:
                seconds[name].append(taken)
    return seconds


def time_call(action: Callable[[], object], device: torch.device) -> float:
    """Return the seconds that one call takes."""
    wait_for_device(device)
    start = time.perf_counter()
    action()
    wait_for_device(device)
    return time.perf_counter() - start


def wait_for_device(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def compute_ratio(slow: list[float], fast: list[float]) -> float:
    """Return how many times faster the second is: the median over the rounds.

    Example:
        >>> compute_ratio([2.0, 4.0, 9.0], [1.0, 2.0, 3.0])
        2.0
    """
    return statistics.median(a / b for a, b in zip(slow, fast, strict=True))
