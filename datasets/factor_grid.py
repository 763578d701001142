"""Complete grids of factors: which levels to keep, and where their images are."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from priorbench.registry import suggest_names

Levels = tuple[tuple[int, ...], ...]


def choose_levels(
    sizes: Mapping[str, int],
    chosen: Mapping[str, Sequence[int | str]],
    labels: Mapping[str, Sequence[str]],
) -> Levels:
    """The levels kept of each factor, ascending; all of a factor that is not mentioned.

    Args:
        sizes: number of levels of each factor.
        chosen: levels to keep, by factor: positions from 0, or labels.
        labels: names of the levels, for the factors that have them.

    Raises:
        ValueError: unknown factor or level, a repeated level, or no level at all.

    Example:
        >>> choose_levels({"shape": 2, "x": 3}, {"shape": ["disc"]}, {"shape": ["box", "disc"]})
        ((1,), (0, 1, 2))
    """
    if not isinstance(chosen, Mapping):
        raise ValueError(
            "'factors' must give lists of levels by factor, such as "
            f"{{{next(iter(sizes))!r}: [0]}}; got {chosen!r}"
        )
    for factor in chosen:
        if factor not in sizes:
            raise ValueError(
                f"'factors' has no factor {factor!r}; {suggest_names(factor, list(sizes))}"
            )
    return tuple(
        _check_levels(factor, size, chosen[factor], labels.get(factor, ()))
        if factor in chosen
        else tuple(range(size))
        for factor, size in sizes.items()
    )


def find_grid_rows(sizes: Iterable[int], levels: Sequence[Sequence[int]]) -> np.ndarray:
    """Indices, int64 (n,), in the grid of ``sizes`` of the images of the sub-grid ``levels``.

    Example:
        >>> find_grid_rows((2, 3), [[1], [0, 2]]).tolist()
        [3, 5]
    """
    return np.ravel_multi_index(np.ix_(*levels), tuple(sizes)).ravel()


def _check_levels(
    factor: str, size: int, values: Sequence[int | str], labels: Sequence[str]
) -> tuple[int, ...]:
    listed = not isinstance(values, str | Mapping) and isinstance(values, Iterable)
    levels = (
        [_find_level(factor, size, value, labels) for value in values] if listed else []
    )
    if not levels:
        raise ValueError(
            f"'factors' must give {factor!r} a list of at least one level; "
            f"got {values!r}"
        )
    if len(set(levels)) < len(levels):
        raise ValueError(
            f"'factors' must give each level of {factor!r} once; got {values!r}"
        )
    return tuple(sorted(levels))


def _find_level(factor: str, size: int, value: int | str, labels: Sequence[str]) -> int:
    if isinstance(value, str) and labels:
        if value not in labels:
            raise ValueError(
                f"'factors' has no {factor} {value!r}; {suggest_names(value, list(labels))}"
            )
        return labels.index(value)
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or not 0 <= value < size:
        names = f" or one of {', '.join(labels)}" if labels else ""
        raise ValueError(
            f"'factors' must give {factor!r} integers from 0 to {size - 1}{names}; "
            f"got {value!r}"
        )
    return int(value)
