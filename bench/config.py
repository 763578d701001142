"""The grid file: its schema, its profiles, and errors that say where."""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from bench.errors import UserError, place
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


Beta = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _distinct(values: Sequence[float]) -> Sequence[float]:
    if len(set(values)) < len(values):
        raise ValueError("the values must differ from each other")
    return values


Betas = Annotated[tuple[Beta, ...], Field(min_length=1, strict=False), AfterValidator(_distinct)]


class Training(Table):
    """How every seed is trained; the defaults are the ISA-VAE paper's for dSprites (Table 1)."""

    epochs: int = Field(20, ge=1)
    batch_size: int = Field(2048, ge=2)
    learning_rate: float = Field(1e-3, gt=0, allow_inf_nan=False)


class Method(Table):
    """A line of the figures: a prior and an objective over several β."""

    name: str = Field(min_length=1)
    prior: Plugin
    objective: Plugin
    beta: Betas | None = None


class Grid(Table):
    """A study: everything that is held fixed, and the methods that are compared."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    profile: str
    description: str = ""
    seeds: int = Field(50, ge=1)
    keep_models: bool = False
    beta: Betas = (1.0,)
    dataset: Plugin
    architecture: Plugin = Plugin(name="mlp")
    likelihood: Plugin = Plugin(name="bernoulli")
    latent_dim: int = Field(20, ge=1)
    training: Training = Training()
    metrics: tuple[Plugin, ...] = Field(min_length=1, strict=False)
    methods: tuple[Method, ...] = Field(min_length=1, strict=False)

    @field_validator("metrics")
    @classmethod
    def _metrics_differ(cls, metrics: tuple[Plugin, ...]) -> tuple[Plugin, ...]:
        names = [metric.name for metric in metrics]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"metric {name!r} is there twice")
        return metrics

    @field_validator("methods")
    @classmethod
    def _methods_differ(cls, methods: tuple[Method, ...]) -> tuple[Method, ...]:
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
        return self.beta if method.beta is None else method.beta


def names() -> list[str]:
    """Grids that come with the project."""
    return sorted(path.stem for path in GRIDS.glob("*.toml"))


def profiles(grid: str) -> list[str]:
    """Names of a grid's profiles, the one that is the file as it stands first."""
    path = _find(grid)
    values = _parse(path)
    default, others = values.get("profile", "paper"), values.get("profiles", {})
    if not isinstance(default, str):
        raise UserError(f"{where(grid, '', ['profile'])}: must be a name; got {default!r}")
    if not isinstance(others, dict) or not all(isinstance(p, dict) for p in others.values()):
        raise UserError(f"{path}: 'profiles' must be tables, like [profiles.quick]")
    return list(dict.fromkeys([default, *others]))


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
    known, path = profiles(grid), _find(grid)
    if profile is not None and profile not in known:
        raise UserError(f"{path}: unknown profile {profile!r}; {suggest(profile, known)}")
    values = {"name": path.stem, **_parse(path)}
    chosen = profile or known[0]
    values.pop("profile", None)
    changes = values.pop("profiles", {}).get(chosen, {})
    with place(f"{where(grid, chosen, [])}, profile {chosen!r}"):
        values = _override(_plugins_as_tables(values), changes)
    try:
        return Grid.model_validate({**values, "profile": chosen})
    except ValidationError as error:
        keys, message = _explain(error)
        raise UserError(f"{where(grid, chosen, keys)}: {message}") from error


def where(grid: str, profile: str, keys: Sequence[str | int]) -> str:
    """A place in a grid's file, like ``my.toml, line 12: 'methods[0].beta'``."""
    path = _find(grid)
    key = "".join(f"[{k}]" if isinstance(k, int) else f".{k}" for k in keys).lstrip(".")
    line = find_line(_read(path), keys, profile)
    return f"{path}{f', line {line}' if line else ''}" + (f": '{key}'" if key else "")


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


def _plugins_as_tables(values: dict[str, Any]) -> dict[str, Any]:
    """Bare names and defaults of the file's own plug-ins as tables, to lay a profile over."""
    tables = dict(values)
    for key in ("dataset", "architecture", "likelihood"):
        default = Grid.model_fields[key].default
        value = values.get(key, default.name if isinstance(default, Plugin) else None)
        if isinstance(value, str):
            tables[key] = {"name": value}
    return tables


def _override(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
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
            merged[key] = _chosen_methods(old, change)
        elif _same_table(old, change):
            merged[key] = _override(old, change)
        else:
            merged[key] = change
    return merged


def _same_table(old: Any, change: Any) -> bool:
    """Whether ``change`` is laid over ``old``: tables both, and not of different plug-ins."""
    if not isinstance(old, dict) or not isinstance(change, dict):
        return False
    return change.get("name", old.get("name")) == old.get("name")


def _chosen_methods(methods: Any, chosen: Any) -> Any:
    """The methods whose names a profile gives, or the methods that it gives whole."""
    if not isinstance(chosen, list):
        raise ValueError(f"'methods' must be a list of names or of tables; got {chosen!r}")
    if not all(isinstance(name, str) for name in chosen):
        return chosen
    known = {m.get("name"): m for m in methods or [] if isinstance(m, dict)}
    for name in chosen:
        if name not in known:
            raise ValueError(f"unknown method {name!r}; {suggest(name, list(known))}")
    return [known[name] for name in chosen]


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
