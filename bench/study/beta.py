"""The strength β: one number, or one for each of the prior's groups."""

from itertools import groupby

Beta = float | tuple[float, ...]

REPEATED = 4
"""From so many equal neighbours on, they are written once with their number."""


def list_strengths(beta: Beta) -> tuple[float, ...]:
    """Return the numbers of β."""
    return beta if isinstance(beta, tuple) else (beta,)


def format_beta(beta: Beta) -> str:
    """Return β as it is shown.

    Example:
        >>> format_beta(4.0), format_beta((1.0, 1.0, 8.0))
        ('4', '1/1/8')
        >>> format_beta((1.0,) * 10 + (8.0,))
        '1×10/8'
    """
    parts = []
    for value, equal in groupby(list_strengths(beta)):
        count = len(list(equal))
        if count >= REPEATED:
            parts.append(f"{value:g}×{count}")
        else:
            parts += [f"{value:g}"] * count
    return "/".join(parts)


def make_beta_cell(beta: Beta) -> float | str:
    """Return β for a table: a number, or the text of several."""
    return format_beta(beta) if isinstance(beta, tuple) else beta


def make_sort_key(beta: Beta) -> tuple[float, str]:
    """Return what β is sorted by: the mean of its numbers, then its text."""
    strengths = list_strengths(beta)
    return sum(strengths) / len(strengths), format_beta(beta)
