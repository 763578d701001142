"""The plug-ins that a grid names: that they exist, and what they are made of."""

from collections.abc import Iterator

from priorbench.bench.models.architectures import registry as architectures
from priorbench.bench.models.likelihoods import registry as likelihoods
from priorbench.bench.objectives.base import registry as objectives
from priorbench.bench.study.grid import Grid, Method, Plugin
from priorbench.bench.study.sources import hash_definition
from priorbench.datasets.base import registry as datasets
from priorbench.datasets.load import is_path
from priorbench.metrics.base import registry as metrics
from priorbench.priors.base import registry as priors
from priorbench.priors.product import list_part_names
from priorbench.registry import Registry

REGISTRIES: dict[str, Registry] = {
    "prior": priors,
    "objective": objectives,
    "dataset": datasets,
    "architecture": architectures,
    "likelihood": likelihoods,
    "metrics": metrics,
}
"""The registry of each kind of plug-in, by its key in a grid."""


def check_plugins(grid: Grid) -> None:
    """Check that every plug-in of a grid exists.

    The arguments of metrics, which are called only after training, are checked too.

    Raises:
        UserError: a name is not registered, or a metric does not take an argument; the
            message names the place in the grid's file.
    """
    for keys, kind, plugin in _list_plugins(grid):
        with grid.blame(*keys):
            for name in _list_names(kind, plugin):
                if kind != "dataset" or not is_path(name):
                    REGISTRIES[kind].get(name)
            if kind == "metrics":
                metrics.check_arguments(plugin.name, None, **plugin.arguments)


def hash_sources(grid: Grid, method: Method) -> dict[str, str]:
    """Return the hash of each plug-in of a method that is not the project's own.

    Args:
        grid: the study, as the method has it.
        method: the method.

    Returns:
        Hashes by kind and name, like ``"prior logistic"``, of what changes a training.
    """
    plugins = {
        "prior": method.prior,
        "objective": method.objective,
        "dataset": grid.dataset,
        "architecture": grid.architecture,
        "likelihood": grid.likelihood,
    }
    hashes = {}
    for kind, plugin in plugins.items():
        for name in _list_names(kind, plugin):
            if kind == "dataset" and is_path(name):
                continue
            digest = hash_definition(REGISTRIES[kind].get(name))
            if digest is not None:
                hashes[f"{kind} {name}"] = digest
    return hashes


def _list_plugins(grid: Grid) -> Iterator[tuple[tuple[str | int, ...], str, Plugin]]:
    """Yield the place, the kind and the plug-in of all that a grid names."""
    for kind in ("dataset", "architecture", "likelihood"):
        yield (kind,), kind, getattr(grid, kind)
    for position, metric in grid.list_metrics():
        yield ("metrics", position), "metrics", metric
    for position, method in enumerate(grid.methods):
        yield ("methods", position, "prior"), "prior", method.prior
        yield ("methods", position, "objective"), "objective", method.objective
        for kind in ("architecture", "likelihood"):
            own = getattr(method, kind)
            if own is not None:
                yield ("methods", position, kind), kind, own


def _list_names(kind: str, plugin: Plugin) -> list[str]:
    """Return a plug-in's name and, for a product of priors, those of its parts."""
    if kind == "prior":
        return list_part_names(plugin.name, plugin.arguments)
    return [plugin.name]
