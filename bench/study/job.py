"""From a grid to its jobs: one job is one seed of one setting, and its id says which."""

import hashlib
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from priorbench.bench.models import architectures, likelihoods
from priorbench.bench import objectives
from priorbench.bench.study.beta import Beta
from priorbench.bench.study.grid import Grid, Plugin
from priorbench.errors import prefix_errors
from priorbench.bench.results.store import encode_json
from priorbench.registry import Registry
from priorbench.datasets.base import is_file
from priorbench.datasets.base import registry as datasets
from priorbench.metrics.base import registry as metrics
from priorbench.priors.base import registry as priors
from priorbench.priors.product import list_part_names

RESULTS_VERSION = 2
"""Raised when a change to the code changes results; runs of another version are done again."""

OURS = ("priorbench", "bench", "datasets", "metrics", "priors")

REGISTRIES: dict[str, Registry] = {
    "prior": priors,
    "objective": objectives.registry,
    "dataset": datasets,
    "architecture": architectures.registry,
    "likelihood": likelihoods.registry,
    "metrics": metrics,
}


@dataclass(frozen=True)
class Job:
    """One run to be done.

    Attributes:
        grid: name of the grid.
        profile: of the grid.
        method: its label in the figures.
        beta: strength of the objective, or one for each of the prior's groups.
        seed: whole number >= 0.
        precision: "fp32", "tf32" or "bf16".
        config: all that changes the result but β, seed and precision, as plain values.
        keep_model: save the trained parameters beside the record.
    """

    grid: str
    profile: str
    method: str
    beta: Beta
    seed: int
    precision: str
    config: dict[str, Any]
    keep_model: bool = False

    @property
    def id(self) -> str:
        """Hash of everything that changes the result: 16 hexadecimal digits."""
        identity = {
            "config": self.config,
            "beta": self.beta,
            "seed": self.seed,
            "precision": self.precision,
            "version": RESULTS_VERSION,
        }
        return hashlib.sha256(encode_json(identity).encode()).hexdigest()[:16]

    @property
    def setting(self) -> tuple[str, Beta]:
        """Method and β: what its seeds have in common."""
        return self.method, self.beta


def list_jobs(
    grid: Grid, precision: str = "fp32", methods: Iterable[str] | None = None
) -> list[Job]:
    """All jobs of a grid: method by method, β by β, seed by seed.

    Args:
        grid: the study.
        precision: of the matrix products.
        methods: keep these only.
    """
    chosen = None if methods is None else set(methods)
    return [
        Job(
            grid.name,
            grid.profile,
            method.name,
            beta,
            seed,
            precision,
            _make_config(grid, method),
            grid.keep_models,
        )
        for method in grid.methods
        if chosen is None or method.name in chosen
        for beta in grid.betas(method)
        for seed in range(grid.seeds)
    ]


def _make_config(grid: Grid, method: Any) -> dict[str, Any]:
    """What is the same for all β and seeds of a method; plug-ins bring a hash of their file."""
    parts = {
        "prior": method.prior,
        "objective": method.objective,
        "dataset": grid.dataset,
        "architecture": grid.architecture,
        "likelihood": grid.likelihood,
    }
    config: dict[str, Any] = {
        kind: part.model_dump(mode="json") for kind, part in parts.items()
    }
    config["metrics"] = [part.model_dump(mode="json") for part in grid.metrics]
    config["latent_dim"] = grid.latent_dim
    config["importance_samples"] = grid.importance_samples
    config["importance_images"] = grid.importance_images
    config["training"] = grid.training.model_dump(mode="json", exclude_none=True)
    sources = {
        f"{kind} {name}": hash_source(kind, name)
        for kind, part in [*parts.items(), *(("metrics", m) for m in grid.metrics)]
        for name in _list_names(kind, part)
    }
    config["sources"] = {name: digest for name, digest in sources.items() if digest}
    return config


def check_plugins(grid: Grid, where: Callable[..., str]) -> None:
    """Look every plug-in of a grid up, so that the place of what is wrong can be said.

    What is called only after training, the metrics, has its arguments checked too.

    Args:
        grid: the study.
        where: words for a place in its file, given the keys.
    Raises:
        UserError: a name that is not registered, or an argument that a metric does not take.
    """
    named = [
        (kind, (kind,), getattr(grid, kind))
        for kind in ("dataset", "architecture", "likelihood")
    ]
    named += [("metrics", ("metrics", i), part) for i, part in enumerate(grid.metrics)]
    named += [
        (kind, ("methods", i, kind), getattr(method, kind))
        for i, method in enumerate(grid.methods)
        for kind in ("prior", "objective")
    ]
    for kind, keys, part in named:
        with prefix_errors(where(*keys)):
            for name in _list_names(kind, part):
                _check_exists(kind, name)
            if kind == "metrics":
                REGISTRIES[kind].check(part.name, None, **part.arguments)


def _list_names(kind: str, part: Plugin) -> list[str]:
    """A plug-in's name and, of a product of priors, those of its parts."""
    return (
        list_part_names(part.name, part.arguments) if kind == "prior" else [part.name]
    )


def _check_exists(kind: str, name: str) -> None:
    """See that there is a plug-in of that name, or a dataset's file.

    Raises:
        ValueError: there is none.
    """
    if kind != "dataset" or not is_file(name):
        REGISTRIES[kind].get(name)
    elif not Path(name).is_file():
        raise ValueError(
            f"there is no file {name!r}; a path is taken from the folder that the "
            f"command is given in, here {str(Path.cwd())!r}"
        )


def hash_source(kind: str, name: str) -> str | None:
    """Hash of the file that defines a plug-in that is not the project's own; None if it is.

    A dataset that is a file is known by its content.
    """
    if kind == "dataset" and is_file(name):
        return hashlib.sha256(Path(name).read_bytes()).hexdigest()[:16]
    entry = REGISTRIES[kind].get(name)
    if entry.__module__.split(".")[0] == "priorbench":
        return None
    source = inspect.getsourcefile(entry)
    if source is None:
        return None
    return hashlib.sha256(Path(source).read_bytes()).hexdigest()[:16]
