"""The grid: a study's schema, validated once, with the place of each error."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PrivateAttr,
    Tag,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from priorbench.bench.study.beta import Beta
from priorbench.bench.study.grid_file import (
    GridFile,
    Keys,
    find_line,
    merge_tables,
    override_values,
    read_grid_file,
    split_key,
)
from priorbench.bench.study.identity import encode_json
from priorbench.bench.study.sweep import SWEEP, expand_method
from priorbench.errors import UserError, prefix_errors
from priorbench.metrics.presets import expand_presets
from priorbench.registry import suggest_names
from priorbench.validation import explain_invalid


class Table(BaseModel):
    """A table of the grid file; keys that it does not know are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Plugin(BaseModel):
    """A registered name with its arguments, ``{ name = "isa", p0 = 2.1 }``.

    In the file it may be the bare name. It is hashable: equal ones are one key of a
    cache.
    """

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    of_the_grid: ClassVar[tuple[str, ...]] = ("beta", "latent_dim")
    name: str

    @model_validator(mode="before")
    @classmethod
    def _take_bare_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check_arguments(self) -> "Plugin":
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

    def __hash__(self) -> int:
        return hash(encode_json(self.model_dump(mode="json")))

    @property
    def arguments(self) -> dict[str, Any]:
        """All keys but the name."""
        return dict(self.model_extra or {})


class PriorPlugin(Plugin):
    """A prior, which may have a ``latent_dim`` of its own."""

    of_the_grid: ClassVar[tuple[str, ...]] = ("beta",)


PLUGINS = (Plugin.__name__, PriorPlugin.__name__)

MOST_SEEDS = 10_000
"""Seeds of a setting; the runs of a study are listed before the first of them."""

Strength = Annotated[float, Field(ge=0, allow_inf_nan=False)]
StrengthPerGroup = Annotated[tuple[Strength, ...], Field(min_length=1, strict=False)]


def _check_distinct(values: Sequence[Beta]) -> Sequence[Beta]:
    if len(set(values)) < len(values):
        raise ValueError("the values must differ from each other")
    return values


OneBeta = Annotated[
    Annotated[Strength, Tag("one")] | Annotated[StrengthPerGroup, Tag("per-group")],
    Discriminator(
        lambda beta: "per-group" if isinstance(beta, list | tuple) else "one"
    ),
]
"""One entry of ``beta``: a number, or one for each of the prior's groups."""

Betas = Annotated[
    tuple[OneBeta, ...],
    Field(min_length=1, strict=False),
    AfterValidator(_check_distinct),
]


class TrainingOptions(Table):
    """How every seed is trained; the defaults are the ISA-VAE paper's for dSprites.

    References: Stühmer et al. 2019, Table 1.

    Attributes:
        epochs: the largest number of passes over the data.
        batch_size: number of images of a step.
        learning_rate: of Adam.
        warm_up: epochs in which the weight of the regularisation rises linearly from 0.
        look_ahead: epochs to go on without a better validation ELBO.
    """

    epochs: int = Field(20, ge=1)
    batch_size: int = Field(2048, ge=2)
    learning_rate: float = Field(1e-3, gt=0, allow_inf_nan=False)
    warm_up: int | None = Field(None, ge=1)
    look_ahead: int | None = Field(None, ge=1)

    @field_validator("warm_up")
    @classmethod
    def _check_warm_up(cls, warm_up: int | None, info: ValidationInfo) -> int | None:
        epochs = info.data.get("epochs")
        if warm_up is not None and epochs is not None and warm_up > epochs:
            raise ValueError(f"must be at most the {epochs} epochs; got {warm_up}")
        return warm_up


class Method(Table):
    """A line of the figures: a prior and an objective over several β.

    Attributes:
        name: of the line.
        prior: the prior.
        objective: what is trained with it.
        beta: the method's own; None for the grid's.
        architecture, likelihood, training: the method's own; None for the grid's.
    """

    name: str = Field(min_length=1, max_length=200)
    prior: PriorPlugin
    objective: Plugin
    beta: Betas | None = None
    architecture: Plugin | None = None
    likelihood: Plugin | None = None
    training: TrainingOptions | None = None

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        # a spreadsheet takes what begins so for a formula
        if name != name.strip() or not name.isprintable() or name[:1] in "=+-@":
            raise ValueError(
                "must be printable, without space around it, and not begin with one of "
                f"= + - @; got {name!r}"
            )
        return name


OWN = ("architecture", "likelihood", "training")
"""Keys of a grid that a method may have of its own."""


class Grid(Table):
    """A study: all that is held fixed, and the methods that are compared."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=200)
    profile: str
    description: str = ""
    seeds: int = Field(50, ge=1, le=MOST_SEEDS)
    keep_models: bool = True
    beta: Betas = (1.0,)
    dataset: Plugin
    architecture: Plugin = Plugin(name="mlp")
    likelihood: Plugin = Plugin(name="bernoulli")
    latent_dim: int = Field(20, ge=1)
    training: TrainingOptions = TrainingOptions()
    importance_samples: int = Field(500, ge=0)
    importance_images: int = Field(1000, ge=1)
    metrics: tuple[Plugin, ...] = Field(strict=False)
    methods: tuple[Method, ...] = Field(min_length=1, strict=False)

    _file: GridFile = PrivateAttr()
    _overrides: dict[str, Any] = PrivateAttr(default_factory=dict)
    _origins: tuple[int, ...] = PrivateAttr(())
    _added: tuple[Plugin, ...] = PrivateAttr(())

    @field_validator("metrics", mode="before")
    @classmethod
    def _take_one_metric(cls, metrics: Any) -> Any:
        return [metrics] if isinstance(metrics, str) else metrics

    @field_validator("metrics")
    @classmethod
    def _check_metrics(cls, metrics: tuple[Plugin, ...]) -> tuple[Plugin, ...]:
        names = [metric.name for _, metric in _expand_metrics(metrics)]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"metric {name!r} is there twice")
        return metrics

    @field_validator("methods")
    @classmethod
    def _check_methods(
        cls, methods: tuple[Method, ...], info: ValidationInfo
    ) -> tuple[Method, ...]:
        seen: dict[str, list[Any]] = {}
        for method in methods:
            own = [getattr(method, key) or info.data.get(key) for key in OWN]
            trained = [method.prior, method.objective, *own]
            if method.name in seen:
                raise ValueError(f"two methods are called {method.name!r}")
            for other, same in seen.items():
                if trained == same:
                    raise ValueError(
                        f"methods {other!r} and {method.name!r} are the same"
                    )
            seen[method.name] = trained
        return methods

    @property
    def file(self) -> GridFile:
        """The file that the grid was read from."""
        return self._file

    @property
    def overrides(self) -> dict[str, Any]:
        """Keys that were set on the command line, with their values."""
        return dict(self._overrides)

    def list_metrics(self) -> list[tuple[int, Plugin]]:
        """Return each metric, those of presets too, and its position in ``metrics``.

        Metrics that were added come last, in place of one of the same name.
        """
        names = [plugin.name for plugin in self._added]
        own = [m for m in _expand_metrics(self.metrics) if m[1].name not in names]
        return own + list(enumerate(self._added, start=len(self.metrics)))

    def add_metrics(self, added: Sequence[Plugin]) -> Self:
        """Return the grid with metrics that its file does not have."""
        together = self.model_copy()
        together._added = (*self._added, *added)
        return together

    def betas(self, method: Method) -> tuple[Beta, ...]:
        """Return the method's own β, or the grid's."""
        return self.beta if method.beta is None else method.beta

    def apply_method(self, method: Method) -> Self:
        """Return the grid with what a method has of its own in place of the grid's."""
        own = {key: getattr(method, key) for key in OWN}
        return self.model_copy(update={k: v for k, v in own.items() if v is not None})

    def locate(self, *keys: str | int) -> str:
        """Return where a key was set, like ``my.toml, line 12: 'methods[0].beta'``.

        An error's message begins with it. A key of the command line is named as it was
        given there. Of a method of a sweep it is the place of the sweep's method.
        """
        keys = _find_origin(keys, self._origins)
        return _locate(self._file, self.profile, self._overrides, keys)

    def blame(self, *keys: str | int, what: str = "") -> AbstractContextManager[None]:
        """Return a context in which errors are blamed on a key of the grid.

        Args:
            keys: of what is at fault.
            what: words that name it, for example ``metric 'dci'``.
        """
        words = f", {what}" if what else ""
        return prefix_errors(lambda: f"{self.locate(*keys)}{words}")


def load_grid(
    grid: str,
    profile: str | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Grid:
    """Read a grid.

    Args:
        grid: the name of a grid of the project, or the path of a TOML file.
        profile: one of the file's profiles; None for the file as it stands.
        overrides: values laid over those of the profile, by key; a key of a table is
            written ``training.epochs``, one in a list ``methods.0.beta``.

    Raises:
        UserError: there is no such grid or profile, or the file is not valid; the
            message names the file, the key, the line and what was expected.
    """
    file, overrides = read_grid_file(grid), dict(overrides or {})
    fields = Grid.model_fields
    plugins = [key for key, field in fields.items() if field.annotation is Plugin]
    values, chosen = file.apply_profile(profile, plugins)
    override_values(values, overrides)
    for key in plugins:
        default = fields[key].default
        if isinstance(default, Plugin) and isinstance(values.get(key), dict):
            values[key].setdefault("name", default.name)
    origins: list[int] = []
    if isinstance(values.get("methods"), list):
        place = partial(_locate, file, chosen, overrides)
        values["methods"], origins = _expand_methods(values, place)
    try:
        found = Grid.model_validate({**values, "profile": chosen})
    except ValidationError as error:
        keys, message = _explain_error(error, values)
        where = _locate(file, chosen, overrides, _find_origin(keys, origins))
        raise UserError(f"{where}: {message}") from error
    found._file, found._overrides, found._origins = file, overrides, tuple(origins)
    return found


def _expand_methods(
    values: Mapping[str, Any], place: Callable[[Keys], str]
) -> tuple[list[Any], list[int]]:
    """Return the methods of a file, and the position there of what each comes from.

    Args:
        values: of the file.
        place: says where a key is in it.
    """
    found, origins = [], []
    for position, method in enumerate(values["methods"]):
        own = [method]
        if isinstance(method, dict):
            with prefix_errors(partial(place, ["methods", position, SWEEP])):
                own = expand_method(method)
            own = [table | _complete_tables(table, values) for table in own]
        found += own
        origins += [position] * len(own)
    return found, origins


def _complete_tables(
    method: Mapping[str, Any], values: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the tables of its own that a method has, laid over those of the grid."""
    completed = {}
    for key in OWN:
        own, default = method.get(key), Grid.model_fields[key].default
        if isinstance(own, dict):
            name = {"name": default.name} if isinstance(default, Plugin) else {}
            table = values.get(key, name)
            table = {"name": table} if isinstance(table, str) else table
            if isinstance(table, dict):
                completed |= merge_tables({key: table}, {key: own})
    return completed


def _find_origin(keys: Keys, origins: Sequence[int]) -> Keys:
    """Return the place in the file of a key of a method that a sweep stands for."""
    if len(keys) > 1 and keys[0] == "methods" and isinstance(keys[1], int):
        return ["methods", origins[keys[1]], *keys[2:]]
    return keys


def _expand_metrics(metrics: Sequence[Plugin]) -> list[tuple[int, Plugin]]:
    entries = [m.model_dump() if m.arguments else m.name for m in metrics]
    return [
        (position, Plugin.model_validate(entry))
        for position, entry in expand_presets(entries)
    ]


def _locate(
    file: GridFile, profile: str, overrides: Mapping[str, Any], keys: Keys
) -> str:
    for key in overrides:
        own = split_key(key)
        if list(keys[: len(own)]) == own:
            return f"--set {key}"
        made_here = keys and own[: len(keys)] == list(keys)
        if made_here and find_line(file.text, keys, profile) is None:
            return f"--set {key}"
    return file.locate(keys, profile)


def _explain_error(
    error: ValidationError, values: Mapping[str, Any]
) -> tuple[list[str | int], str]:
    """Return keys and message of the first error."""
    # a misspelt key is also a missing one: the misspelling says more
    first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    keys = _select_keys(first["loc"], values)
    message = explain_invalid(first)
    if first["type"] == "extra_forbidden":
        known = [name for name in _list_keys(keys[:-1]) if name != "profile"]
        message = f"unknown key; {suggest_names(str(keys[-1]), known)}"
    elif first["type"] == "missing":
        keys = [*keys, first["loc"][-1]] if keys[-1:] != [first["loc"][-1]] else keys
    elif first["type"] == "model_type" and first["ctx"]["class_name"] in PLUGINS:
        message = message.replace("a table", "a name, or a table with a name")
    return keys, message


def _select_keys(place: Keys, values: Mapping[str, Any]) -> list[str | int]:
    """Return the keys of a place in the schema that the file can have too.

    Validators and the alternatives of a union have a place in the schema only; what is
    missing is in the file's place all the same.
    """
    keys: list[str | int] = []
    here: Any = values
    for key in place:
        inside = isinstance(here, list | tuple) and isinstance(key, int)
        if inside or (isinstance(here, Mapping) and key in here):
            keys.append(key)
            here = here[key]
        elif isinstance(here, Mapping) and key in _list_keys(keys):
            keys.append(key)
            here = None
    return keys


def _list_keys(place: Keys) -> list[str]:
    """Return the keys that a table of the grid may have."""
    tables: dict[tuple[str, ...], type[BaseModel]] = {
        (): Grid,
        ("training",): TrainingOptions,
        ("methods",): Method,
        ("methods", "training"): TrainingOptions,
    }
    place = tuple(key for key in place if isinstance(key, str))
    known = list(tables[place].model_fields) if place in tables else []
    return [*known, SWEEP] if place == ("methods",) else known
