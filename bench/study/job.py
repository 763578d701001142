"""From a grid to its jobs: one job is one seed of one setting."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from priorbench.bench.study.beta import Beta, format_beta
from priorbench.bench.study.data import identify_dataset
from priorbench.bench.study.grid import Grid, Method
from priorbench.bench.study.identity import hash_values
from priorbench.bench.study.plugins import hash_sources

TRAINING_VERSION = 3
"""Raised when a change of the code changes trainings, so that they are done again."""


@dataclass(frozen=True)
class Setting:
    """A method at one β: what a block of seeds has in common.

    Attributes:
        grid: the study, as the method has it.
        method: one of its methods.
        beta: strength of the objective, or one for each of the prior's groups.
        precision: "fp32", "tf32" or "bf16".
        config: all that changes the training but β, seed and precision, as plain
            values.
    """

    grid: Grid
    method: Method
    beta: Beta
    precision: str
    config: dict[str, Any]

    @property
    def label(self) -> str:
        """Method and β, as they are shown."""
        return f"{self.method.name} β={format_beta(self.beta)}"

    @property
    def key(self) -> tuple[str, Beta]:
        """Method and β, to tell the settings of one grid apart."""
        return self.method.name, self.beta


@dataclass(frozen=True)
class Job:
    """One model: one seed of one setting.

    Attributes:
        setting: what it has in common with other seeds.
        seed: whole number >= 0.
    """

    setting: Setting
    seed: int

    @property
    def id(self) -> str:
        """Hash of everything that changes the training: 16 hexadecimal digits.

        The names of the grid, its profile and its methods are not in it, nor what is
        scored: two grids share the models that they have in common.
        """
        return hash_values(
            {
                "config": self.setting.config,
                "beta": self.setting.beta,
                "seed": self.seed,
                "precision": self.setting.precision,
                "version": TRAINING_VERSION,
            }
        )


def list_settings(
    grid: Grid, precision: str = "fp32", methods: Iterable[str] | None = None
) -> list[Setting]:
    """Return the settings of a grid: method by method, β by β.

    Args:
        grid: the study.
        precision: of the matrix products.
        methods: names of the methods to keep; None for all.

    Raises:
        UserError: the data set cannot be loaded; the message names its place.
    """
    chosen = None if methods is None else set(methods)
    with grid.blame("dataset"):
        dataset = identify_dataset(grid.dataset)
    settings = []
    for method in grid.methods:
        if chosen is not None and method.name not in chosen:
            continue
        own = grid.apply_method(method)
        options = {"latent_dim": grid.latent_dim, **method.prior.arguments}
        config = {  # the same for all β and seeds
            "prior": method.prior.model_dump(mode="json"),
            "objective": method.objective.model_dump(mode="json"),
            "dataset": dataset,
            "architecture": own.architecture.model_dump(mode="json"),
            "likelihood": own.likelihood.model_dump(mode="json"),
            "latent_dim": options["latent_dim"],
            "training": own.training.model_dump(mode="json", exclude_none=True),
            "sources": hash_sources(own, method),
        }
        for beta in grid.betas(method):
            settings.append(Setting(own, method, beta, precision, config))
    return settings


def list_jobs(
    grid: Grid, precision: str = "fp32", methods: Iterable[str] | None = None
) -> list[Job]:
    """Return all jobs of a grid: setting by setting, seed by seed.

    Arguments are those of :func:`list_settings`.
    """
    return [
        Job(setting, seed)
        for setting in list_settings(grid, precision, methods)
        for seed in range(grid.seeds)
    ]


def pick_shard(grid: Grid, jobs: Iterable[Job], number: int, count: int) -> list[Job]:
    """Return one of several parts of a study, which together are the whole.

    The parts differ by at most one job, and so do their seeds of a setting once there
    are as many seeds as parts. A job stays in its part when seeds are added.

    Args:
        grid: the study.
        jobs: all of its jobs, or those of some methods.
        number: of the part, from 1.
        count: of the parts.

    Raises:
        ValueError: the part has no job.
    """
    keys = [(m.name, beta) for m in grid.methods for beta in grid.betas(m)]
    place = {key: position for position, key in enumerate(keys)}
    # seeds after which a setting would come back to its first part
    period = count // math.gcd(len(keys), count)

    def find_shard(job: Job) -> int:
        turn = job.seed * len(keys) + place[job.setting.key]
        return (turn + job.seed // period) % count + 1

    chosen = [job for job in jobs if find_shard(job) == number]
    if not chosen:
        raise ValueError(f"part {number} of {count} has no run; there are too few runs")
    return chosen
