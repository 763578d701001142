"""A grid's file: its values under a profile, and the place of each key in it."""

import copy
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from priorbench.errors import UserError, prefix_errors
from priorbench.paths import expand_path
from priorbench.registry import suggest_names

GRIDS = Path(__file__).parents[1] / "grids"
"""Folder of the grids that come with the project."""

Keys = Sequence[str | int]
"""A place in a file: keys of tables, and positions in lists."""


@dataclass(frozen=True)
class GridFile:
    """A grid's file, read once.

    Attributes:
        path: the file.
        text: of the file.
        values: what the text says, as TOML.
    """

    path: Path
    text: str
    values: dict[str, Any]

    @property
    def place(self) -> str:
        """Path of the file; of a grid that comes with the project, its name alone."""
        return self.path.name if self.path.parent == GRIDS else str(self.path)

    @property
    def profiles(self) -> list[str]:
        """Names of the profiles; the one of the file as it stands is the first.

        Raises:
            UserError: a profile is not a table.
        """
        default = self.values.get("profile", "default")
        others = self.values.get("profiles", {})
        if not isinstance(default, str):
            where = self.locate(["profile"])
            raise UserError(f"{where}: must be a name; got {default!r}")
        tables = others.values() if isinstance(others, dict) else [others]
        if not all(isinstance(table, dict) for table in tables):
            raise UserError(
                f"{self.path}: 'profiles' must be tables, like [profiles.quick]"
            )
        return list(dict.fromkeys([default, *others]))

    def apply_profile(
        self, profile: str | None, plugins: Sequence[str]
    ) -> tuple[dict[str, Any], str]:
        """Return the values under a profile, and the profile's name.

        Args:
            profile: a table under ``profiles``, which is laid over the file; None for
                the file as it stands, called "default" or what the file's ``profile``
                says.
            plugins: keys of plug-ins, which may be written as a bare name.

        Raises:
            UserError: there is no such profile, or it names methods that are not there.
        """
        known = self.profiles
        if profile is not None and profile not in known:
            hint = suggest_names(profile, known)
            raise UserError(f"{self.path}: unknown profile {profile!r}; {hint}")
        chosen = profile or known[0]
        values = {"name": self.path.stem, **copy.deepcopy(self.values)}
        values.pop("profile", None)
        changes = values.pop("profiles", {}).get(chosen, {})
        for key in plugins:
            if isinstance(values.get(key), str):
                values[key] = {"name": values[key]}
        with prefix_errors(f"{self.path}, profile {chosen!r}"):
            return merge_tables(values, changes), chosen

    def locate(self, keys: Keys, profile: str = "") -> str:
        """Return a place in the file, like ``my.toml, line 12: 'methods[0].beta'``."""
        line = find_line(self.text, keys, profile)
        where = f"{self.path}, line {line}" if line else str(self.path)
        return f"{where}: '{format_keys(keys)}'" if keys else where


def list_grids() -> list[str]:
    """Return the names of the grids that come with the project."""
    return sorted(path.stem for path in GRIDS.glob("*.toml"))


def read_grid_file(grid: str) -> GridFile:
    """Read a grid's file.

    Args:
        grid: the name of a grid of the project, or the path of a TOML file.

    Raises:
        UserError: there is no such grid, or the file is not valid TOML.
    """
    with prefix_errors("grid"):
        path = expand_path(grid)
    if path.suffix != ".toml":
        if grid not in list_grids():
            raise UserError(
                f"unknown grid {grid!r}; {suggest_names(grid, list_grids())} "
                "(or the path of your own .toml file)"
            )
        path = GRIDS / f"{grid}.toml"
    if not path.is_file():
        raise UserError(
            f"no grid file at {grid!r}; give the path of a .toml file or one of: "
            f"{', '.join(list_grids())}"
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from error
    try:
        return GridFile(path, text, tomllib.loads(text))
    except (ValueError, RecursionError) as error:  # a number or a nesting too long
        raise UserError(f"{path}: not valid TOML: {error}") from error


def override_values(values: dict[str, Any], overrides: Mapping[str, Any]) -> None:
    """Set keys of a grid's values in place.

    Args:
        values: of the grid's file.
        overrides: values by key; ``methods.0.prior.p`` is a key of a table in a list,
            and ``methods`` chooses among the methods as a profile does.

    Raises:
        UserError: a key leads through something that is neither a table nor a list, or
            one of the methods is not there.
    """
    for key, value in overrides.items():
        if key == "methods":
            with prefix_errors("--set methods"):
                values[key] = _choose_methods(values.get(key), value)
            continue
        table: Any = values
        *path, last = split_key(key)
        for part, following in pairwise([*path, last]):
            if isinstance(table, dict) and isinstance(table.get(part), str):
                table[part] = {"name": table[part]}  # a plug-in's bare name
            if isinstance(table, dict):
                table = table.setdefault(part, {})
            else:
                table = _take_item(table, part, key)
            if not isinstance(table, dict | list):
                raise UserError(
                    f"--set {key!r}: {part!r} has no key {following!r}; it is {table!r}"
                )
        if isinstance(table, list):
            _take_item(table, last, key)
        table[last] = value


def split_key(key: str) -> list[str | int]:
    """Return the parts of a key as it is written on a command line.

    Example:
        >>> split_key("methods.0.prior.p")
        ['methods', 0, 'prior', 'p']
    """
    return [int(part) if part.isdigit() else part for part in key.split(".")]


def format_keys(keys: Keys) -> str:
    """Return keys as an error names them.

    Example:
        >>> format_keys(["methods", 0, "prior", "p"])
        'methods[0].prior.p'
    """
    parts = (f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
    return "".join(parts).lstrip(".")


def find_line(text: str, keys: Keys, profile: str = "") -> int | None:
    r"""Return the line of a key of a TOML file, or of the nearest table around it.

    Args:
        text: of the file.
        keys: of the value, with positions in lists.
        profile: the profile that is laid over the file; its keys count too.

    Returns:
        The line, from 1; None if not even a table around the key was found.

    Example:
        >>> text = "seeds = 5\n[[methods]]\nname = 'A'\nbta = [1]\n"
        >>> find_line(text, ["methods", 0, "bta"])
        4
    """
    best, depth = None, 0
    table: list[str | int] = []
    counts: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        heading = re.match(r"\s*(\[\[?)\s*([\w.\-\"' ]+?)\s*\]+\s*(?:#.*)?$", line)
        assigned = re.match(r"\s*([\w.\-\"']+)\s*=", line)
        if heading:
            name = heading[2]
            table = [part.strip(" \"'") for part in name.split(".")]
            if heading[1] == "[[":
                counts[name] = counts.get(name, -1) + 1
                table.append(counts[name])
            here = table
        elif assigned:
            here = [*table, *(part.strip("\"'") for part in assigned[1].split("."))]
        else:
            continue
        if here[:2] == ["profiles", profile]:
            here = here[2:]
        if here and here == list(keys[: len(here)]) and len(here) >= depth:
            best, depth = number, len(here)
    return best


def merge_tables(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return ``values`` with ``changes`` laid over them, table by table.

    A list replaces a list, except that ``methods = ["A", { name = "B", beta = [1] }]``
    keeps those of the file's methods, the second with another β; another plug-in
    replaces a plug-in with all its arguments.

    Raises:
        ValueError: the file does not have one of the methods.
    """
    merged = dict(values)
    for key, change in changes.items():
        old = values.get(key)
        tables = isinstance(old, dict) and isinstance(change, dict)
        if key == "methods":
            merged[key] = _choose_methods(old, change)
        elif tables and change.get("name", old.get("name")) == old.get("name"):
            merged[key] = merge_tables(old, change)
        else:
            merged[key] = change
    return merged


def _choose_methods(methods: Any, chosen: Any) -> Any:
    """Return the methods that are named, changed or given whole."""
    if not isinstance(chosen, list):
        raise ValueError(
            f"'methods' must be a list of names or of tables; got {chosen!r}"
        )
    known = {m.get("name"): m for m in methods or [] if isinstance(m, dict)}
    found = []
    for item in chosen:
        if isinstance(item, str):
            if item not in known:
                hint = suggest_names(item, list(known))
                raise ValueError(f"unknown method {item!r}; {hint}")
            found.append(known[item])
        elif isinstance(item, dict) and item.get("name") in known:
            found.append(merge_tables(known[item["name"]], item))
        else:
            found.append(item)
    return found


def _take_item(items: list[Any], position: str | int, key: str) -> Any:
    if not isinstance(position, int) or position >= len(items):
        raise UserError(
            f"--set {key!r}: {position!r} must be a position from 0 to {len(items) - 1}"
        )
    return items[position]
