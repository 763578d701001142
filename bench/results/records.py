"""What is known of a trained model and of a score: the schemas of their files."""

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from priorbench.bench.study.beta import Beta


def format_now() -> str:
    """Return the time, in UTC and to the second, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class _Record(BaseModel):
    # NaN and infinity stay themselves: a failed training may have learned them
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="constants")


class Provenance(_Record):
    """Where a result comes from: versions, commit, machine, command.

    Attributes:
        versions: of the project, of Python and of what computes.
        commit: of the project's own checkout, where there is one.
        machine: operating system, processor, threads, CUDA, host.
        command: that the user gave.
        device: "cpu", or the name of a GPU.
    """

    versions: dict[str, str] = Field(default_factory=dict)
    commit: str | None = None
    machine: dict[str, str | int | None] = Field(default_factory=dict)
    command: str | None = None
    device: str = "cpu"


class ModelRecord(_Record):
    """A trained model: one seed of one setting, finished or failed.

    Attributes:
        id: hash of all that changes the training.
        config: that, as plain values.
        beta: strength of the objective.
        seed: number of the seed.
        precision: of the matrix products.
        training_version: of the project's code that trains.
        image_shape: (channels, height, width).
        status: a failed training has a ``reason``.
        reason: why it failed, in words.
        failed_step: step of the first loss that was not finite.
        outcome: what the training itself measured, such as ``valid_elbo``.
        learned: parameters of the prior, by name.
        timings: in seconds, but for ``images_per_second`` and ``seeds_in_block``.
        provenance: where it comes from.
        created: when, in UTC.
        digests: SHA-256 of the files beside the record, by name.
    """

    version: Literal[2] = 2
    id: str
    config: dict[str, Any]
    beta: Beta
    seed: int
    precision: str
    training_version: int = 3
    image_shape: tuple[int, ...]
    status: Literal["finished", "failed"]
    reason: str | None = None
    failed_step: int | None = None
    outcome: dict[str, float] = Field(default_factory=dict)
    learned: dict[str, list[float]] = Field(default_factory=dict)
    timings: dict[str, float] = Field(default_factory=dict)
    provenance: Provenance = Provenance()
    created: str = Field(default_factory=format_now)
    digests: dict[str, str] = Field(default_factory=dict)


class CheckpointRecord(_Record):
    """How far an unfinished training was when its state was kept.

    Attributes:
        id: of the model.
        epoch: epochs that were done.
        position: steps of the next epoch that were done.
        seconds: that they took.
        provenance: where the state comes from.
        created: when, in UTC.
    """

    version: Literal[1] = 1
    id: str
    epoch: int
    position: int
    seconds: float
    provenance: Provenance = Provenance()
    created: str = Field(default_factory=format_now)


class ScoreRecord(_Record):
    """One score of one model: a metric with its arguments, finished or failed.

    Attributes:
        key: name and hash of the request; it names the file.
        model: id of the model.
        name: of the metric.
        arguments: of the metric.
        metric_version: of its values.
        source: hash of its code, where it is the user's own.
        seed: of its random draws.
        status: a failed score has a ``reason`` and no values.
        reason: why it failed, in words.
        headline: the column that stands for it.
        values: numbers by column, in nats where they have a unit.
        seconds: that it took.
        provenance: where it comes from.
        created: when, in UTC.
        digests: SHA-256 of the file of its arrays, by name.
    """

    version: Literal[1] = 1
    key: str
    model: str
    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    metric_version: int = 1
    source: str | None = None
    seed: int
    status: Literal["finished", "failed"]
    reason: str | None = None
    headline: str | None = None
    values: dict[str, float] = Field(default_factory=dict)
    seconds: float = 0.0
    provenance: Provenance = Provenance()
    created: str = Field(default_factory=format_now)
    digests: dict[str, str] = Field(default_factory=dict)
