"""One run of a study: a model under the names of the grid, and its scores."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from priorbench.bench.results.manifest import Entry
from priorbench.bench.results.records import ModelRecord, Provenance, ScoreRecord
from priorbench.bench.results.store import Store
from priorbench.bench.study.beta import Beta

LEADING = 3
"""Headline scores that progress lines and figures show; tables have all of them."""


@dataclass(frozen=True)
class Result:
    """One run of a study: a model under the names of the grid, and its scores.

    Attributes:
        grid: name of the study.
        profile: of the grid.
        entry: labels and id.
        model: record of the training.
        store: where its files are.
        records: of the scores, by key, in the order in which they were asked for.
        comparison: scores that compare the run with the other seeds of its setting.
    """

    grid: str
    profile: str
    entry: Entry
    model: ModelRecord
    store: Store
    records: Mapping[str, ScoreRecord] = field(default_factory=dict)
    comparison: Mapping[str, float] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Hash of all that changes the training."""
        return self.entry.id

    @property
    def method(self) -> str:
        """Name of the method."""
        return self.entry.method

    @property
    def prior(self) -> str:
        """Name of the prior."""
        return self.entry.prior

    @property
    def objective(self) -> str:
        """Name of the objective."""
        return self.entry.objective

    @property
    def beta(self) -> Beta:
        """Strength of the objective."""
        return self.entry.beta

    @property
    def seed(self) -> int:
        """Number of the seed."""
        return self.entry.seed

    @property
    def status(self) -> str:
        """Whether the training "finished" or "failed"."""
        return self.model.status

    @property
    def reason(self) -> str | None:
        """Why the training failed."""
        return self.model.reason

    @property
    def failed_scores(self) -> dict[str, str]:
        """Why each score that failed did so, by the name of the metric."""
        failed = [score for score in self.records.values() if score.reason is not None]
        return {score.name: score.reason or "" for score in failed}

    @cached_property
    def headlines(self) -> tuple[str, ...]:
        """The scores that lead, in the order in which they were asked for."""
        named = [score.headline for score in self.records.values()]
        return tuple(name for name in named if name is not None)

    @cached_property
    def scores(self) -> dict[str, float]:
        """All numbers by column; a name that two metrics give has the metric's before.

        What the training itself measured and the comparison of seeds are among them,
        and what the prior learned, in ascending order, for its groups may be exchanged:
        ``sorted_<name>_<i>``, i from 1.
        """
        scores = {**self.model.outcome, **self.comparison}
        for record in self.records.values():
            for column, value in record.values.items():
                name = f"{record.name}.{column}" if column in scores else column
                scores[name] = value
        learned = self.learned if self.status == "finished" else {}
        for name, values in learned.items():
            for i, value in enumerate(sorted(values), start=1):
                scores[f"sorted_{name}_{i}"] = value
        return scores

    @property
    def learned(self) -> dict[str, list[float]]:
        """What the prior learned, by name."""
        return self.model.learned

    @property
    def timings(self) -> dict[str, float]:
        """Seconds by name, but for ``images_per_second`` and ``seeds_in_block``."""
        scored = {f"{s.name}_seconds": s.seconds for s in self.records.values()}
        return {**self.model.timings, **scored}

    @property
    def provenance(self) -> Provenance:
        """Where the model comes from."""
        return self.model.provenance
