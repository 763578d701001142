"""The grid file: its schema, its profiles, and errors that say where."""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from bench.errors import UserError
from bench.registry import suggest

GRIDS = Path(__file__).parent / "grids"


class Table(BaseModel):
    """A table of the grid file; keys it does not know are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Plugin(BaseModel):
    """A registered name with its arguments, ``{ name = "isa", p0 = 2.1 }``, or the bare name."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    name: str

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @property
    def arguments(self) -> dict[str, Any]:
        """All keys but the name."""
        return dict(self.model_extra or {})


class Training(Table):
    """How every seed is trained; the defaults are the ISA-VAE paper's for dSprites (Table 1)."""

    epochs: int = Field(20, ge=1)
    batch_size: int = Field(2048, ge=2)
    learning_rate: float = Field(1e-3, gt=0)


class Method(Table):
    """A line of the figures: a prior and an objective over several β."""

    name: str = Field(min_length=1)
    prior: Plugin
    objective: Plugin
    beta: tuple[float, ...] = ()


class Grid(Table):
    """A study: everything that is held fixed, and the methods that are compared."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    profile: str
    description: str = ""
    seeds: int = Field(50, ge=1)
    keep_models: bool = False
    beta: tuple[float, ...] = (1.0,)
    dataset: Plugin
    architecture: Plugin = Plugin(name="mlp")
    likelihood: Plugin = Plugin(name="bernoulli")
    latent_dim: int = Field(20, ge=1)
    training: Training = Training()
    metrics: tuple[Plugin, ...] = Field(min_length=1)
    methods: tuple[Method, ...] = Field(min_length=1)

    @field_validator("methods")
    @classmethod
    def _distinct(cls, methods: tuple[Method, ...]) -> tuple[Method, ...]:
        seen: dict[str, Method] = {}
        for method in methods:
            for other in seen.values():
                if method.name == other.name:
                    raise ValueError(f"two methods are called {method.name!r}")
                if (method.prior, method.objective) == (other.prior, other.objective):
                    raise ValueError(f"methods {other.name!r} and {method.name!r} are the same")
            seen[method.name] = method
        return methods

    def betas(self, method: Method) -> tuple[float, ...]:
        """The method's own β, or the grid's."""
        return method.beta or self.beta


def names() -> list[str]:
    """Grids that come with the project."""
    return sorted(path.stem for path in GRIDS.glob("*.toml"))


def profiles(grid: str) -> list[str]:
    """Names of a grid's profiles, the one that is the file as it stands first."""
    values = _parse(_find(grid))
    others = values.get("profiles", {})
    if not isinstance(others, dict) or not all(isinstance(p, dict) for p in others.values()):
        raise UserError(f"{_find(grid)}: 'profiles' must be tables, like [profiles.quick]")
    return list(dict.fromkeys([values.get("profile", "paper"), *others]))


def load(grid: str, profile: str | None = None) -> Grid:
    """Read a grid.

    Args:
        grid: the name of a grid of the project, or the path of a TOML file.
        profile: a table under ``profiles`` whose keys override the file's; by default the file
            as it stands, called "paper" or what the file's ``profile`` says.

    Raises:
        UserError: no such grid or profile, or a file that is not valid; the file, the key, the
            line and what was expected are named.
    """
    known = profiles(grid)
    if profile is not None and profile not in known:
        raise UserError(f"{_find(grid)}: unknown profile {profile!r}; {suggest(profile, known)}")
    values = _parse(_find(grid))
    default = values.pop("profile", "paper")
    chosen = profile or default
    values = _override(values, values.pop("profiles", {}).get(chosen, {}))
    values.setdefault("name", _find(grid).stem)
    try:
        return Grid.model_validate({**values, "profile": chosen}, strict=False)
    except ValidationError as error:
        keys, message = _explain(error)
        raise UserError(f"{where(grid, chosen, keys)}: {message}") from error


def where(grid: str, profile: str, keys: Sequence[str | int]) -> str:
    """A place in a grid's file, like ``my.toml, line 12: 'methods[0].beta'``."""
    path = _find(grid)
    place = "".join(f"[{k}]" if isinstance(k, int) else f".{k}" for k in keys).lstrip(".")
    line = find_line(_read(path), keys, profile)
    return f"{path}{f', line {line}' if line else ''}" + (f": '{place}'" if place else "")


def _find(grid: str) -> Path:
    path = Path(grid)
    if path.suffix == ".toml":
        if not path.is_file():
            raise UserError(f"no grid file at {grid!r}; give the path of a .toml file or one of: "
                            f"{', '.join(names())}")
        return path
    if grid not in names():
        raise UserError(f"unknown grid {grid!r}; {suggest(grid, names())} "
                        "(or the path of your own .toml file)")
    return GRIDS / f"{grid}.toml"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from error


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_read(path))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: not valid TOML: {error}") from error


def _override(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """``values`` with ``changes`` laid over them, table by table.

    A list replaces a list, except that ``methods = ["A", "B"]`` keeps those of the file's methods.
    """
    merged = dict(values)
    for key, change in changes.items():
        old = values.get(key)
        if key == "methods" and all(isinstance(name, str) for name in change):
            known = {m.get("name"): m for m in old or []}
            unknown = [name for name in change if name not in known]
            if unknown:
                raise UserError(f"a profile names method {unknown[0]!r}; "
                                f"{suggest(unknown[0], list(known))}")
            merged[key] = [known[name] for name in change]
        elif isinstance(old, dict) and isinstance(change, dict):
            merged[key] = _override(old, change)
        else:
            merged[key] = change
    return merged


def _explain(error: ValidationError) -> tuple[list[str | int], str]:
    """Keys and message of the first error."""
    first = error.errors()[0]
    keys = [key for key in first["loc"] if not str(key).startswith("function-")]
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        known = [name for name in _model_of(keys[:-1]) if name != "profile"]
        message = f"unknown key; {suggest(str(keys[-1]), known)}"
    elif first["type"] not in ("missing", "value_error"):
        message += f"; got {first['input']!r}"
    return keys, message


def _model_of(keys: list[str | int]) -> list[str]:
    known: dict[tuple[str, ...], type[BaseModel]] = {
        (): Grid, ("training",): Training, ("methods",): Method
    }
    return list(known[tuple(k for k in keys if isinstance(k, str))].model_fields)


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
        heading = re.match(r"\s*(\[\[?)\s*([^\]]+?)\s*\]", line)
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
