"""What a grid asks to be scored: each score by what identifies it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from priorbench.bench.study.grid import Grid, Plugin
from priorbench.bench.study.identity import hash_values
from priorbench.bench.study.sources import hash_definition
from priorbench.metrics.base import registry as metrics

MODEL_SCORES = {
    "elbo": 1,
    "log_likelihood": 1,
    "representation": 1,
    "pictures": 2,
    "group_kl": 1,
}
"""Scores of a model itself, which are no metrics of its codes, and their versions."""


@dataclass(frozen=True)
class ScoreRequest:
    """A score that is wanted of every model: a metric, or one of the model itself.

    Attributes:
        name: of the metric, or one of :data:`MODEL_SCORES`.
        arguments: of the metric.
        version: of the score's values; raised when a change of the code changes them.
        source: hash of the code, where it is the user's own.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    version: int = 1
    source: str | None = None

    @property
    def key(self) -> str:
        """Name and hash of all that changes the values: it names the score's file."""
        identity = {
            "arguments": dict(self.arguments),
            "version": self.version,
            "source": self.source,
        }
        return f"{self.name}-{hash_values(identity)}"


def request_metric(plugin: Plugin) -> ScoreRequest:
    """Return the request of a registered metric.

    Raises:
        ValueError: there is no such metric.
    """
    metric = metrics.get(plugin.name)
    source = hash_definition(metric)
    return ScoreRequest(plugin.name, plugin.arguments, metric.version, source)


def list_requests(grid: Grid) -> list[ScoreRequest]:
    """Return all that a grid asks to be scored.

    Raises:
        UserError: a metric is unknown; the message names its place in the grid.
    """
    arguments: dict[str, dict[str, Any]] = {name: {} for name in MODEL_SCORES}
    if grid.importance_samples:
        arguments["log_likelihood"] = {
            "samples": grid.importance_samples,
            "images": grid.importance_images,
        }
    else:
        del arguments["log_likelihood"]
    requests = [
        ScoreRequest(name, given, MODEL_SCORES[name])
        for name, given in arguments.items()
    ]
    for position, plugin in grid.list_metrics():
        with grid.blame("metrics", position):
            requests.append(request_metric(plugin))
    return requests
