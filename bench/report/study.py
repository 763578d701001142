"""What a report shows: the results of the last command of a study."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from priorbench.bench.results.manifest import Manifest
from priorbench.bench.results.result import Result
from priorbench.bench.results.tables import list_headlines, make_settings_table
from priorbench.bench.study.beta import Beta


@dataclass(frozen=True)
class Study:
    """The results of a study, as the manifest of its last command names them.

    Attributes:
        grid: its name, or those of several.
        profile: of the grid.
        results: of the runs that are done, in the order of the grid.
        settings: the rows of the table of settings, ordered by method and β.
        methods: numbers by method, in the order of the grid.
        headlines: the scores that lead, in order.
    """

    grid: str
    profile: str
    results: list[Result]
    settings: pd.DataFrame
    methods: dict[str, int]
    headlines: tuple[str, ...]

    def has_score(self, score: str) -> bool:
        """Return whether any run has ``score``."""
        return any(score in result.scores for result in self.results)

    def list_values(self, method: str, beta: Beta, score: str) -> np.ndarray:
        """Return the finite values of ``score`` in a setting, ordered by seed."""
        runs = [r for r in self.results if r.method == method and r.beta == beta]
        runs.sort(key=lambda result: result.seed)
        values = [run.scores[score] for run in runs if score in run.scores]
        array = np.array(values, dtype=float)
        return array[np.isfinite(array)]

    def list_shared_betas(self, score: str) -> set[Beta]:
        """Return the β at which all methods that have ``score`` have it.

        Where there is none, it is every β.
        """
        betas: dict[str, set[Beta]] = {}
        for result in self.results:
            if np.isfinite(result.scores.get(score, np.nan)):
                betas.setdefault(result.method, set()).add(result.beta)
        shared = set.intersection(*betas.values()) if betas else set()
        return shared or {result.beta for result in self.results}

    @property
    def heading(self) -> str:
        """Grid, profile and number of seeds."""
        n = self.settings.loc[self.settings["n"] > 0, "n"]
        seeds = f"{n.min()}" if n.min() == n.max() else f"{n.min()}–{n.max()}"
        plural = "" if n.max() == 1 else "s"
        return f"{self.grid}, profile {self.profile}, {seeds} seed{plural}"

    @property
    def failures(self) -> str:
        """Sentences on runs and scores that failed; "" if none did."""
        runs = len(self.results)
        failed = sum(result.reason is not None for result in self.results)
        lacking = sum(bool(result.failed_scores) for result in self.results)
        sentences = []
        if failed:
            sentences.append(f"{failed} of {runs} runs failed.")
        if lacking:
            sentences.append(f"In {lacking} of {runs} runs a score failed.")
        return " ".join(sentences)


def make_study(manifest: Manifest, results: list[Result]) -> Study:
    """Make the study of a manifest from the results that are there."""
    methods = dict.fromkeys(entry.method for entry in manifest.models)
    return Study(
        manifest.grid,
        manifest.profile,
        results,
        make_settings_table(results),
        {method: number for number, method in enumerate(methods)},
        tuple(list_headlines(results)),
    )
