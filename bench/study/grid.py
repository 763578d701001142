"""The grid's schema, validated once, with the place of the error."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from priorbench.bench.study import grid_file
from priorbench.bench.study.beta import Beta
from priorbench.errors import UserError
from priorbench.bench.results.store import encode_json
from priorbench.registry import suggest_names


class Table(BaseModel):
    """A table of the grid file; keys it does not know are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Plugin(BaseModel):
    """A registered name with its arguments, ``{ name = "isa", p0 = 2.1 }``, or the bare name."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    of_the_grid: ClassVar[tuple[str, ...]] = ("beta", "latent_dim")
    name: str

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _plain_values(self) -> "Plugin":
        for key, value in self.arguments.items():
            try:
                encode_json(value)
            except (TypeError, ValueError):
                raise ValueError(
                    f"{key!r} must be plain and finite; got {value!r}"
                ) from None
        for key in self.of_the_grid:
            if key in self.arguments:
                raise ValueError(
                    f"{key!r} is not an argument here; it belongs to the grid"
                )
        return self

    @property
    def arguments(self) -> dict[str, Any]:
        """All keys but the name."""
        return dict(self.model_extra or {})


class PriorPlugin(Plugin):
    """A prior, which may have a ``latent_dim`` of its own."""

    of_the_grid: ClassVar[tuple[str, ...]] = ("beta",)


Strength = Annotated[float, Field(ge=0, allow_inf_nan=False)]
OfGroups = Annotated[tuple[Strength, ...], Field(min_length=1, strict=False)]


def _beta_form(beta: Any) -> str:
    return "of-groups" if isinstance(beta, list | tuple) else "of-all"


OneBeta = Annotated[
    Annotated[Strength, Tag("of-all")] | Annotated[OfGroups, Tag("of-groups")],
    Discriminator(_beta_form),
]
"""One entry of ``beta``: a number, or one for each of the prior's groups."""


def _check_distinct(values: Sequence[Beta]) -> Sequence[Beta]:
    if len(set(values)) < len(values):
        raise ValueError("the values must differ from each other")
    return values


Betas = Annotated[
    tuple[OneBeta, ...],
    Field(min_length=1, strict=False),
    AfterValidator(_check_distinct),
]


class Training(Table):
    """How every seed is trained; the defaults are the ISA-VAE paper's for dSprites (Table 1).

    Attributes:
        epochs: at most.
        batch_size: images.
        learning_rate: of Adam.
        warm_up: epochs in which the weight of the regularisation rises linearly from 0.
        look_ahead: epochs to go on in search of a better validation ELBO.
    """

    epochs: int = Field(20, ge=1)
    batch_size: int = Field(2048, ge=2)
    learning_rate: float = Field(1e-3, gt=0, allow_inf_nan=False)
    warm_up: int | None = Field(None, ge=1)
    look_ahead: int | None = Field(None, ge=1)

    @field_validator("warm_up")
    @classmethod
    def _within_epochs(cls, warm_up: int | None, info: ValidationInfo) -> int | None:
        epochs = info.data.get("epochs")
        if warm_up is not None and epochs is not None and warm_up > epochs:
            raise ValueError(f"must be at most the {epochs} epochs; got {warm_up}")
        return warm_up


class Method(Table):
    """A line of the figures: a prior and an objective over several β."""

    name: str = Field(min_length=1)
    prior: PriorPlugin
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
    importance_samples: int = Field(500, ge=0)
    importance_images: int = Field(1000, ge=1)
    metrics: tuple[Plugin, ...] = Field(strict=False)
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
                    raise ValueError(
                        f"methods {other.name!r} and {method.name!r} are the same"
                    )
            seen[method.name] = method
        return methods

    def betas(self, method: Method) -> tuple[Beta, ...]:
        """The method's own β, or the grid's."""
        return self.beta if method.beta is None else method.beta


def load_grid(grid: str, profile: str | None = None) -> Grid:
    """Read a grid.

    Args:
        grid: the name of a grid of the project, or the path of a TOML file.
        profile: one of the file's profiles; None for the file as it stands.

    Raises:
        UserError: no such grid or profile, or a file that is not valid; the file, the key, the
            line and what was expected are named.
    """
    plugins = [
        key for key, field in Grid.model_fields.items() if field.annotation is Plugin
    ]
    values, chosen = grid_file.read_grid(grid, profile, plugins)
    for key in plugins:
        default = Grid.model_fields[key].default
        if isinstance(default, Plugin) and isinstance(values.get(key), dict):
            values[key].setdefault("name", default.name)
    try:
        return Grid.model_validate({**values, "profile": chosen})
    except ValidationError as error:
        keys, message = _explain_error(error)
        raise UserError(
            f"{grid_file.locate_key(grid, chosen, keys)}: {message}"
        ) from error


def _explain_error(error: ValidationError) -> tuple[list[str | int], str]:
    """Keys and message of the first error."""
    # a misspelt key is also a missing one: the misspelling says more
    first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    # validators and the forms of a union have a place in the schema, but none in the file
    keys = [
        key for key in first["loc"] if not str(key).startswith(("function-", "of-"))
    ]
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        known = [name for name in _list_keys(keys[:-1]) if name != "profile"]
        message = f"unknown key; {suggest_names(str(keys[-1]), known)}"
    elif first["type"] not in ("missing", "value_error"):
        message += f"; got {first['input']!r}"
    return keys, message


def _list_keys(keys: list[str | int]) -> list[str]:
    known: dict[tuple[str, ...], type[BaseModel]] = {
        (): Grid,
        ("training",): Training,
        ("methods",): Method,
    }
    return list(known[tuple(k for k in keys if isinstance(k, str))].model_fields)
