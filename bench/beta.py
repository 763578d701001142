"""The strength β: one number, or one for each of the prior's groups. Nothing here imports torch."""

from itertools import groupby

Beta = float | tuple[float, ...]

REPEATED = 4
"""From so many equal neighbours on, they are written once with their number."""


def values(beta: Beta) -> tuple[float, ...]:
    """The numbers of β."""
    return beta if isinstance(beta, tuple) else (beta,)


def text(beta: Beta) -> str:
    """β as it is shown.

    Example:
        >>> text(4.0), text((1.0, 1.0, 8.0)), text((1.0,) * 10 + (8.0,))
        ('4', '1/1/8', '1×10/8')
    """
    parts = []
    for value, equal in groupby(values(beta)):
        count = len(list(equal))
        parts += [f"{value:g}×{count}"] if count >= REPEATED else [f"{value:g}"] * count
    return "/".join(parts)


def cell(beta: Beta) -> float | str:
    """β in a table: a number, or the text of several."""
    return text(beta) if isinstance(beta, tuple) else beta


def order(beta: Beta) -> tuple[float, str]:
    """Sort key: the mean value, then the text."""
    return sum(values(beta)) / len(values(beta)), text(beta)
