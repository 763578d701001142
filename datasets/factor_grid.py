"""Complete grids of factors: the levels that are kept, and the rows of their images."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from priorbench.datasets.arguments import is_integer
from priorbench.registry import suggest_names

Levels = tuple[tuple[int, ...], ...]
"""The levels that are kept of each factor, ascending."""


def choose_levels(
    sizes: Mapping[str, int],
    chosen: Mapping[str, Sequence[int | str]] | None = None,
    labels: Mapping[str, Sequence[str]] | None = None,
) -> Levels:
    """Return the levels that are kept of each factor; all if a factor is not mentioned.

    Args:
        sizes: number of levels of each factor.
        chosen: levels to keep, by factor: positions from 0, or labels.
        labels: names of the levels, for the factors that have them.

    Raises:
        ValueError: an unknown factor or level, a repeated level, or no level at all.

    Example:
        >>> choose_levels(
        ...     {"shape": 2, "x": 3}, {"shape": ["disc"]}, {"shape": ["box", "disc"]}
        ... )
        ((1,), (0, 1, 2))
    """
    chosen = {} if chosen is None else chosen
    if not isinstance(chosen, Mapping):
        raise ValueError(
            "'factors' must give lists of levels by factor, such as "
            f"{{{next(iter(sizes))!r}: [0]}}; got {chosen!r}"
        )
    kept = {factor: tuple(range(size)) for factor, size in sizes.items()}
    for factor, values in chosen.items():
        if factor not in sizes:
            known = suggest_names(factor, list(sizes))
            raise ValueError(f"'factors' has no factor {factor!r}; {known}")
        wrong_type = isinstance(values, str | Mapping) or not isinstance(
            values, Iterable
        )
        listed = [] if wrong_type else list(values)
        if not listed:
            raise ValueError(
                f"'factors' must give {factor!r} a list of at least one level; "
                f"got {values!r}"
            )
        names = (labels or {}).get(factor, ())
        levels = {_find_level(factor, sizes[factor], value, names) for value in listed}
        if len(levels) < len(listed):
            raise ValueError(
                f"'factors' must give each level of {factor!r} once; got {values!r}"
            )
        kept[factor] = tuple(sorted(levels))
    return tuple(kept.values())


def list_complete_factors(
    sizes: Mapping[str, int], levels: Levels, factors: Iterable[str]
) -> list[str]:
    """Return those of some factors of which all levels are kept.

    Args:
        sizes: number of levels of each factor of the complete grid.
        levels: levels of each factor that are kept.
        factors: names among ``sizes``.

    Example:
        >>> sizes = {"turn": 2, "hue": 3}
        >>> list_complete_factors(sizes, ((0, 1), (0, 2)), ["turn", "hue"])
        ['turn']
    """
    kept = dict(zip(sizes, levels, strict=True))
    return [name for name in factors if len(kept[name]) == sizes[name]]


def find_grid_rows(sizes: Iterable[int], levels: Sequence[Sequence[int]]) -> np.ndarray:
    """Return the rows, int64 (n,), of a sub-grid in the complete grid.

    Args:
        sizes: number of levels of each factor of the complete grid.
        levels: levels of each factor that the sub-grid keeps.

    Example:
        >>> find_grid_rows((2, 3), [[1], [0, 2]]).tolist()
        [3, 5]
    """
    return np.ravel_multi_index(np.ix_(*levels), tuple(sizes)).ravel()


def find_row_levels(sizes: Iterable[int], rows: np.ndarray) -> np.ndarray:
    """Return the levels of the factors, int64 (n, F), at ``rows`` of a complete grid.

    Example:
        >>> find_row_levels((2, 3), np.array([3, 5])).tolist()
        [[1, 0], [1, 2]]
    """
    return np.stack(np.unravel_index(rows, tuple(sizes)), axis=1)


def list_first_combinations(sizes: Sequence[int], count: int) -> np.ndarray:
    """Return the first combinations of a complete grid, int64 (count, F).

    The grid may have more combinations than an integer can count.

    Example:
        >>> list_first_combinations([10] * 30 + [2], 3)[:, -2:].tolist()
        [[0, 0], [0, 1], [1, 0]]
    """
    rest = np.arange(count)
    columns = []
    for size in reversed(sizes):
        rest, levels = np.divmod(rest, size)
        columns.append(levels)
    return np.stack(columns[::-1], axis=1)


def find_distinct_rows(
    levels: np.ndarray, sizes: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return where each combination of levels occurs first, and how often it occurs.

    The combinations are in the order of a complete grid, the last factor fastest.
    Memory is that of the rows, however many combinations there could be.

    Args:
        levels: int64 (N, F).
        sizes: number of levels of each factor.

    Returns:
        Rows, int64 (combinations,), and counts, int64 (combinations,).

    Example:
        >>> levels = np.array([[1, 0], [0, 1], [1, 0]])
        >>> rows, counts = find_distinct_rows(levels, (2, 2))
        >>> rows.tolist(), counts.tolist()
        ([1, 0], [1, 2])
    """
    keys = np.zeros(len(levels), dtype=np.int64)
    num_keys = 1
    for size, column in zip(sizes, levels.T, strict=True):
        if num_keys * size > np.iinfo(np.int64).max:
            # ranks are in the order of the keys, and there are no more than rows
            keys = np.unique(keys, return_inverse=True)[1].reshape(-1)
            num_keys = len(keys)
        keys = keys * size + column
        num_keys *= size
    return np.unique(keys, return_index=True, return_counts=True)[1:]


def check_grid_order(name: str, levels: np.ndarray, sizes: Iterable[int]) -> None:
    """Check that a table of levels is a complete grid, the last factor fastest.

    Args:
        name: what the table is called in the file that it is from.
        levels: integers (N, F), the levels of the factors of each image.
        sizes: number of levels of each factor, N in all.

    Raises:
        ValueError: the first row that differs, with what was expected and what came.
    """
    expected = find_row_levels(sizes, np.arange(len(levels)))
    wrong = np.flatnonzero((levels != expected).any(axis=1))
    if wrong.size:
        row = wrong[0]
        raise ValueError(
            f"expected the levels {expected[row].tolist()} in row {row} of {name!r}, "
            f"got {levels[row].tolist()}"
        )


def describe_levels(names: Iterable[str], levels: Iterable[int]) -> str:
    """Return one combination of factors in words.

    Example:
        >>> describe_levels(("y", "x"), (1, 0))
        'y=1, x=0'
    """
    pairs = zip(names, levels, strict=True)
    return ", ".join(f"{name}={level}" for name, level in pairs)


def _find_level(factor: str, size: int, value: int | str, labels: Sequence[str]) -> int:
    """Return the level that a position or a label means."""
    if isinstance(value, str) and labels:
        if value not in labels:
            known = suggest_names(value, list(labels))
            raise ValueError(f"'factors' has no {factor} {value!r}; {known}")
        return labels.index(value)
    if not is_integer(value) or not 0 <= value < size:
        names = f" or one of {', '.join(labels)}" if labels else ""
        raise ValueError(
            f"'factors' must give {factor!r} integers from 0 to {size - 1}{names}; "
            f"got {value!r}"
        )
    return int(value)
