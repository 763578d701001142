"""Checks of arguments that several datasets take."""

from collections.abc import Iterable
from typing import Any

import numpy as np


def is_integer(value: Any) -> bool:
    """Return whether a value is an integer of Python or NumPy; a bool is not."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def check_positive(argument: str, values: Iterable[int]) -> tuple[int, ...]:
    """Check that all values are positive integers, and return them.

    Raises:
        ValueError: a value is not a positive integer; the message names ``argument``.
    """
    values = tuple(values)
    for value in values:
        if not is_integer(value) or value < 1:
            raise ValueError(f"{argument!r} must be positive integers; got {values}")
    return tuple(map(int, values))


def check_seed(seed: int) -> int:
    """Check that a seed is an integer of at least 0, and return it.

    Raises:
        ValueError: it is not; the message names ``'seed'``.

    Example:
        >>> check_seed(-1)
        Traceback (most recent call last):
        ValueError: 'seed' must be an integer >= 0; got -1
    """
    if not is_integer(seed) or seed < 0:
        raise ValueError(f"'seed' must be an integer >= 0; got {seed!r}")
    return int(seed)
