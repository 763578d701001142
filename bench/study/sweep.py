"""Methods that a grid's file writes as one: a sweep over the keys of a method."""

import copy
import re
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from priorbench.bench.study.grid_file import merge_tables, override_values
from priorbench.errors import UserError

SWEEP = "sweep"
"""The key of a method under which its sweep is."""

PLACEHOLDER = r"\{([\w.]+)\}"
"""What stands in a name for the value of a key."""


def expand_method(method: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the methods that one of a grid's file stands for.

    A sweep is a table of lists, every combination of whose values is a method, or a
    list of tables, each of which is laid over the method. A name takes values of the
    method: ``"p = {prior.p}"``. One that takes none is followed by the values of a
    table of lists.

    Args:
        method: as TOML; one without a sweep stands for itself.

    Raises:
        UserError: the sweep is neither, or a name takes what its method does not have.

    Example:
        >>> sweep = {"prior": {"p": [1.9, 2.1]}}
        >>> method = {"name": "ISA", "prior": {"name": "isa"}, "sweep": sweep}
        >>> [found["name"] for found in expand_method(method)]
        ['ISA, p = 1.9', 'ISA, p = 2.1']
    """
    if SWEEP not in method:
        return [method]
    base = {key: value for key, value in method.items() if key != SWEEP}
    sweep = method[SWEEP]
    if isinstance(sweep, dict) and sweep:
        variants = _combine_lists(base, dict(_list_leaves(sweep)))
    elif isinstance(sweep, list) and sweep and all(isinstance(s, dict) for s in sweep):
        variants = [merge_tables(base, table) for table in sweep]
    else:
        raise UserError(
            "must be a table of lists, like prior.p = [1.9, 2.1], or a list of tables, "
            f'like [{{ name = "A", prior.p = 1.9 }}]; got {sweep!r}'
        )
    return [v | {"name": _fill_name(v.get("name"), v)} for v in variants]


def _combine_lists(
    base: dict[str, Any], lists: Mapping[str, list[Any]]
) -> list[dict[str, Any]]:
    """Return a method for every combination of values, by key."""
    name = base.get("name")
    if isinstance(name, str) and not re.search(PLACEHOLDER, name):
        words = [f"{key.rpartition('.')[2]} = {{{key}}}" for key in lists]
        name = ", ".join([name, *words])
    variants = []
    for values in product(*lists.values()):
        variant = copy.deepcopy(base) | {"name": name}
        override_values(variant, dict(zip(lists, values, strict=True)))
        variants.append(variant)
    return variants


def _list_leaves(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple]:
    """Yield each key of a sweep, like "prior.p", and its values."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _list_leaves(value, f"{prefix}{key}.")
        elif isinstance(value, list) and value:
            yield f"{prefix}{key}", value
        else:
            raise UserError(
                f"'{prefix}{key}' must be a list with at least one value; got {value!r}"
            )


def _fill_name(name: Any, method: Mapping[str, Any]) -> Any:
    """Return a name with the values of the method in place of their keys."""

    def find_value(match: re.Match[str]) -> str:
        here: Any = method
        for part in match[1].split("."):
            if not isinstance(here, dict) or part not in here:
                raise UserError(
                    f"the name {name!r} takes {match[1]!r}, which the method does not "
                    "have"
                )
            here = here[part]
        return f"{here:g}" if isinstance(here, float) else str(here)

    return re.sub(PLACEHOLDER, find_value, name) if isinstance(name, str) else name
