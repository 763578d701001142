"""A grid's file: finding it, laying a profile over it, and saying where in it something is."""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from priorbench.errors import UserError, prefix_errors
from priorbench.registry import suggest_names

GRIDS = Path(__file__).parents[1] / "grids"


def list_grids() -> list[str]:
    """Grids that come with the project."""
    return sorted(path.stem for path in GRIDS.glob("*.toml"))


def list_profiles(grid: str) -> list[str]:
    """Names of a grid's profiles, the one that is the file as it stands first."""
    path = _find_file(grid)
    values = _parse_file(path)
    default, others = values.get("profile", "default"), values.get("profiles", {})
    if not isinstance(default, str):
        raise UserError(
            f"{locate_key(grid, '', ['profile'])}: must be a name; got {default!r}"
        )
    if not isinstance(others, dict) or not all(
        isinstance(p, dict) for p in others.values()
    ):
        raise UserError(f"{path}: 'profiles' must be tables, like [profiles.quick]")
    return list(dict.fromkeys([default, *others]))


def read_grid(
    grid: str, profile: str | None, plugins: Sequence[str]
) -> tuple[dict[str, Any], str]:
    """The values of a grid's file under a profile, and the profile's name.

    Args:
        grid: the name of a grid of the project, or the path of a TOML file.
        profile: a table under ``profiles`` whose keys override the file's; None for the file as
            it stands, called "default" or what the file's ``profile`` says.
        plugins: keys that are plug-ins, which may be written as a bare name.

    Raises:
        UserError: no such grid or profile, or no valid TOML.
    """
    known, path = list_profiles(grid), _find_file(grid)
    if profile is not None and profile not in known:
        raise UserError(
            f"{path}: unknown profile {profile!r}; {suggest_names(profile, known)}"
        )
    chosen = profile or known[0]
    values = {"name": path.stem, **_parse_file(path)}
    values.pop("profile", None)
    changes = values.pop("profiles", {}).get(chosen, {})
    for key in plugins:
        if isinstance(values.get(key), str):
            values[key] = {"name": values[key]}
    with prefix_errors(f"{path}, profile {chosen!r}"):
        return _merge_tables(values, changes), chosen


def locate_key(grid: str, profile: str, keys: Sequence[str | int]) -> str:
    """A place in a grid's file, like ``my.toml, line 12: 'methods[0].beta'``."""
    path = _find_file(grid)
    key = "".join(f"[{k}]" if isinstance(k, int) else f".{k}" for k in keys).lstrip(".")
    line = find_line(_read_text(path), keys, profile)
    return f"{path}{f', line {line}' if line else ''}" + (f": '{key}'" if key else "")


def _find_file(grid: str) -> Path:
    path = Path(grid)
    if path.suffix == ".toml":
        if not path.is_file():
            raise UserError(
                f"no grid file at {grid!r}; give the path of a .toml file or one of: "
                f"{', '.join(list_grids())}"
            )
        return path
    if grid not in list_grids():
        raise UserError(
            f"unknown grid {grid!r}; {suggest_names(grid, list_grids())} "
            "(or the path of your own .toml file)"
        )
    return GRIDS / f"{grid}.toml"


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from error


def _parse_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: not valid TOML: {error}") from error


def _merge_tables(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """``values`` with ``changes`` laid over them, table by table.

    A list replaces a list, except that ``methods = ["A", "B"]`` keeps those of the file's methods;
    another plug-in replaces a plug-in with all its arguments.

    Raises:
        ValueError: methods that the file does not have.
    """
    merged = dict(values)
    for key, change in changes.items():
        old = values.get(key)
        if key == "methods":
            merged[key] = _choose_methods(old, change)
        elif _is_same_table(old, change):
            merged[key] = _merge_tables(old, change)
        else:
            merged[key] = change
    return merged


def _is_same_table(old: Any, change: Any) -> bool:
    """Whether ``change`` is laid over ``old``: tables both, and not of different plug-ins."""
    if not isinstance(old, dict) or not isinstance(change, dict):
        return False
    return change.get("name", old.get("name")) == old.get("name")


def _choose_methods(methods: Any, chosen: Any) -> Any:
    """The methods whose names a profile gives, or the methods that it gives whole."""
    if not isinstance(chosen, list):
        raise ValueError(
            f"'methods' must be a list of names or of tables; got {chosen!r}"
        )
    if not all(isinstance(name, str) for name in chosen):
        return chosen
    known = {m.get("name"): m for m in methods or [] if isinstance(m, dict)}
    for name in chosen:
        if name not in known:
            raise ValueError(
                f"unknown method {name!r}; {suggest_names(name, list(known))}"
            )
    return [known[name] for name in chosen]


def find_line(text: str, keys: Sequence[str | int], profile: str = "") -> int | None:
    r"""Line (from 1) of a key of a TOML file, or of the nearest table around it.

    Args:
        text: of the file.
        keys: of the value, with positions in lists.
        profile: whose overriding keys count too.
    Returns:
        The line, None if not even a table around the key was found.

    Example:
        >>> find_line("seeds = 5\n[[methods]]\nname = 'A'\nbta = [1]\n", ["methods", 0, "bta"])
        4
    """
    best, depth = None, 0
    table: list[str | int] = []
    counts: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        heading = re.match(r"\s*(\[\[?)\s*([\w.\-\"' ]+?)\s*\]+\s*(?:#.*)?$", line)
        assigned = re.match(r"\s*([\w.\-\"']+)\s*=", line)
        if heading:
            table = [part.strip(" \"'") for part in heading[2].split(".")]
            if heading[1] == "[[":
                counts[heading[2]] = counts.get(heading[2], -1) + 1
                table.append(counts[heading[2]])
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
