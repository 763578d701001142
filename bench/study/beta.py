"""The strength β: one number, or one for each of the prior's groups. Nothing here imports torch."""

from itertools import groupby

Beta = float | tuple[float, ...]

REPEATED = 4
"""From so many equal neighbours on, they are written once with their number."""


def list_strengths(beta: Beta) -> tuple[float, ...]:
    """The numbers of β."""
    return beta if isinstance(beta, tuple) else (beta,)


def format_beta(beta: Beta) -> str:
    """β as it is shown.

    Example:
        >>> format_beta(4.0), format_beta((1.0, 1.0, 8.0)), format_beta((1.0,) * 10 + (8.0,))
        ('4', '1/1/8', '1×10/8')
    """
    parts = []
    for value, equal in groupby(list_strengths(beta)):
        count = len(list(equal))
        parts += [f"{value:g}×{count}"] if count >= REPEATED else [f"{value:g}"] * count
    return "/".join(parts)


def make_beta_cell(beta: Beta) -> float | str:
    """β in a table: a number, or the text of several."""
    return format_beta(beta) if isinstance(beta, tuple) else beta


def make_sort_key(beta: Beta) -> tuple[float, str]:
    """Sort key: the mean value, then the text."""
    return sum(list_strengths(beta)) / len(list_strengths(beta)), format_beta(beta)
