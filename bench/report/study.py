"""What a report shows: the runs and settings of one profile."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from priorbench.bench.results.selection import get_moment
from priorbench.bench.results.store import Record
from priorbench.bench.results.tables import list_headlines
from priorbench.bench.study.beta import Beta


@dataclass(frozen=True)
class Study:
    """The runs and settings of one profile.

    Attributes:
        grid: its name.
        profile: its name.
        records: one per method, β and seed.
        settings: the rows of the table of settings, ordered by method and β.
        methods: numbers by method, as in
            :func:`priorbench.bench.results.selection.number_methods` of the whole
            folder, so that a method looks alike in all profiles.
        headlines: the scores that lead, in order.
    """

    grid: str
    profile: str
    records: list[Record]
    settings: pd.DataFrame
    methods: dict[str, int]
    headlines: tuple[str, ...]

    def has_score(self, score: str) -> bool:
        """Return whether any run has ``score``."""
        return any(score in record.scores for record in self.records)

    def list_values(self, method: str, beta: Beta, score: str) -> np.ndarray:
        """Return the finite values of ``score`` in a setting, ordered by seed."""
        runs = [r for r in self.records if r.method == method and r.beta == beta]
        runs.sort(key=lambda record: record.seed)
        values = [run.scores[score] for run in runs if score in run.scores]
        array = np.array(values, dtype=float)
        return array[np.isfinite(array)]

    @property
    def heading(self) -> str:
        """Grid, profile and number of seeds."""
        n = self.settings.loc[self.settings["n"] > 0, "n"]
        seeds = f"{n.min()}" if n.min() == n.max() else f"{n.min()}–{n.max()}"
        plural = "" if n.max() == 1 else "s"
        return f"{self.grid}, profile {self.profile}, {seeds} seed{plural}"

    @property
    def failures(self) -> str:
        """A sentence on the runs that failed; "" if none did."""
        failed = int(self.settings["failures"].sum())
        return f"{failed} of {len(self.records)} runs failed." if failed else ""


def make_study(
    records: list[Record], settings: pd.DataFrame, methods: Mapping[str, int]
) -> Study:
    """Make the study of the profile of the newest finished run.

    Args:
        records: one per profile, method, β and seed; at least one is finished.
        settings: the table of settings of these records.
        methods: numbers of all methods of the folder.
    """
    finished = [record for record in records if record.status == "finished"]
    newest = max(finished, key=get_moment)
    own = [record for record in records if record.profile == newest.profile]
    rows = settings[settings["profile"] == newest.profile].reset_index(drop=True)
    present = {record.method for record in own}
    return Study(
        newest.grid,
        newest.profile,
        own,
        rows,
        {method: number for method, number in methods.items() if method in present},
        tuple(list_headlines(own)),
    )
