r"""Whether one method is better than another: pairs of methods, paired over seeds.

Seeds are common to all methods: seed 3 of every method has the same order of the data
and the same noise. A difference is therefore taken seed by seed, and what follows is
about the mean of these differences:

- Student's t interval and the percentile bootstrap's, over seeds;
- the permutation test that turns the signs of the differences around, exact where
  there are few, with Holm's correction over all comparisons of one score at one place;
- the probability of improvement :math:`P(A > B)` over all pairs of runs, ties by half;
- Cohen's d;
- the smallest difference that four of five such studies would find.

A method is called better where the corrected p is below 0.05. With too few seeds for
the number of comparisons, fewer than six for one, no permutation test can give that,
and nothing is called better.

References: Agarwal et al. 2021, "Deep reinforcement learning at the edge of the
statistical precipice"; Holm 1979; Phipson and Smyth 2010 (p of a random permutation
test); Cohen 1988.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from priorbench.bench.report.study import Study
from priorbench.bench.results.files import DamagedFileError
from priorbench.bench.results.statistics import (
    LEVEL,
    SEED,
    draw_bootstrap_means,
)
from priorbench.bench.study.beta import Beta, format_beta, make_sort_key

SIGNIFICANT = 0.05
POWER = 0.8
STUDIES = 1000
"""Number of simulated studies, for the smallest difference that is found."""

PERMUTATIONS = 9_999
EXACT_BELOW = 15
"""Seeds from which the signs are drawn at random, not all tried."""

FIELD = "reconstruction"
LEVELS = 9
"""Values of the reconstruction at which two curves are compared."""

GROUP_SCORES = {"mig_groups": "group_mutual_information"}
"""Scores that depend on how many groups of latents there are, and the stored array that
has a row for each group."""

EVERY_BETA = "all β"
EQUAL_RECONSTRUCTION = "equal reconstruction"

COLUMNS = [
    "score",
    "at",
    "a",
    "b",
    "n",
    "mean_a",
    "mean_b",
    "difference",
    "t_low",
    "t_high",
    "bootstrap_low",
    "bootstrap_high",
    "p",
    "p_holm",
    "probability_of_improvement",
    "cohen_d",
    "detectable",
    "verdict",
]

_CHUNK = 256


@dataclass(frozen=True)
class Pair:
    """Two methods at one place, with the values of the seeds that both have.

    Attributes:
        a, b: names of the methods.
        values_a, values_b: of the same seeds, each (n,).
    """

    a: str
    b: str
    values_a: np.ndarray
    values_b: np.ndarray


def make_comparison_table(study: Study, scores: Sequence[str]) -> pd.DataFrame:
    """Compare every pair of methods by every score.

    It is done at each β that both have, over all of them (each seed's mean over its β),
    and at equal reconstruction: each seed's scores are interpolated along its β at
    values of the reconstruction that both methods reach. Methods of fewer and of more
    groups are not compared by :data:`GROUP_SCORES`.

    Columns: :data:`COLUMNS`; ``difference`` is a − b and ``verdict`` says of a that it
    is "better", "worse" or "not distinguishable".

    Args:
        study: the results.
        scores: names of scores of which more is better.
    """
    rows: list[dict] = []
    for score in scores:
        table, couples = _tabulate(study, score), _list_couples(study, score)
        for at, pairs in _list_places(couples, table):
            rows += ({"score": score, "at": at, **row} for row in compare_pairs(pairs))
    return pd.DataFrame(rows, columns=COLUMNS)


def compare_pairs(pairs: Sequence[Pair]) -> list[dict[str, object]]:
    """Return the statistics of pairs that are tested together.

    The keys are those of :data:`COLUMNS` from ``a`` on. Pairs with no seed in common
    are left out; with one seed there is a difference, and nothing that says how sure.
    """
    pairs = [pair for pair in pairs if len(pair.values_a)]
    differences = [pair.values_a - pair.values_b for pair in pairs]
    p = permute_signs(differences)
    corrected = correct_holm(p)
    intervals = compute_bootstrap_intervals(differences)
    rows = []
    for number, (pair, difference) in enumerate(zip(pairs, differences, strict=True)):
        t_low, t_high = compute_t_interval(difference)
        low, high = intervals[number]
        mean = difference.mean()
        verdict = "not distinguishable"
        if corrected[number] < SIGNIFICANT:
            verdict = "better" if mean > 0 else "worse"
        rows.append(
            {
                "a": pair.a,
                "b": pair.b,
                "n": len(difference),
                "mean_a": pair.values_a.mean(),
                "mean_b": pair.values_b.mean(),
                "difference": mean,
                "t_low": t_low,
                "t_high": t_high,
                "bootstrap_low": low,
                "bootstrap_high": high,
                "p": p[number],
                "p_holm": corrected[number],
                "probability_of_improvement": compute_improvement(
                    pair.values_a, pair.values_b
                ),
                "cohen_d": compute_cohen_d(pair.values_a, pair.values_b),
                "detectable": compute_detectable(difference, len(pairs)),
                "verdict": verdict,
            }
        )
    return rows


def permute_signs(differences: Sequence[np.ndarray]) -> np.ndarray:
    """Return the two-sided p of each mean difference under turned signs, (tests,).

    With fewer than :data:`EXACT_BELOW` seeds all signs are tried, otherwise
    :data:`PERMUTATIONS` random ones. With one seed p is 1.

    Args:
        differences: of each test, over its seeds.
    """
    p = np.ones(len(differences))
    for rows, values in _group_by_size(differences):
        signs = _list_signs(values.shape[1])
        sums = np.abs(values @ signs)
        # sums that are equal but for rounding are as extreme
        observed = np.abs(values.sum(axis=1)) - 1e-12 * np.abs(values).sum(axis=1)
        extreme = (sums >= observed[:, None]).sum(axis=1)
        exact = values.shape[1] < EXACT_BELOW
        tries = signs.shape[1]
        p[rows] = extreme / tries if exact else (extreme + 1) / (tries + 1)
    return p


@cache
def _list_signs(n: int) -> np.ndarray:
    """Return signs to turn ``n`` differences by, (n, tries)."""
    if n < EXACT_BELOW:
        numbers = np.arange(2**n)
        return 1.0 - 2.0 * ((numbers >> np.arange(n)[:, None]) & 1)
    generator = np.random.default_rng(SEED)
    signs = generator.choice([-1.0, 1.0], size=(n, PERMUTATIONS))
    # the observed sum is counted apart, and no draw is to count it again
    signs[0, np.abs(signs.sum(axis=0)) == n] *= -1
    return signs


def correct_holm(p: np.ndarray) -> np.ndarray:
    """Return p corrected for all tests together, by Holm's step-down procedure.

    Example:
        >>> correct_holm(np.array([0.01, 0.04, 0.03]))
        array([0.03, 0.06, 0.06])
    """
    order = np.argsort(p, kind="stable")
    factors = len(p) - np.arange(len(p))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1.0)
    return corrected


def compute_t_interval(values: np.ndarray) -> tuple[float, float]:
    """Return Student's 95% interval of the mean; NaN with one value."""
    n = len(values)
    if n < 2:
        return np.nan, np.nan
    reach = stats.t.ppf((1 + LEVEL) / 2, n - 1) * values.std(ddof=1) / np.sqrt(n)
    return values.mean() - reach, values.mean() + reach


def compute_bootstrap_intervals(values: Sequence[np.ndarray]) -> np.ndarray:
    """Return the percentile bootstrap's 95% interval of each mean, (means, 2).

    NaN with one value.
    """
    intervals = np.full((len(values), 2), np.nan)
    for rows, columns in _group_by_size(values):
        means = draw_bootstrap_means(columns.T)
        tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
        intervals[rows] = np.quantile(means, tails, axis=0).T
    return intervals


def _group_by_size(
    values: Sequence[np.ndarray],
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield rows whose values are equally many, at least two, and these, stacked."""
    sizes = np.array([len(row) for row in values])
    for n in sorted(set(sizes.tolist()) - {0, 1}):
        rows = np.flatnonzero(sizes == n)
        for start in range(0, len(rows), _CHUNK):
            chosen = rows[start : start + _CHUNK]
            yield chosen, np.stack([values[row] for row in chosen])


def compute_improvement(a: np.ndarray, b: np.ndarray) -> float:
    """Return the share of all pairs of runs in which a is above b, ties by half."""
    ranks = stats.rankdata(np.concatenate([a, b]))[: len(a)]
    return (ranks.sum() - len(a) * (len(a) + 1) / 2) / (len(a) * len(b))


def compute_cohen_d(a: np.ndarray, b: np.ndarray) -> float:
    """Return the difference of means in units of the pooled standard deviation."""
    if len(a) < 2:
        return np.nan
    pooled = np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)
    return (a.mean() - b.mean()) / pooled if pooled > 0 else np.nan


def compute_detectable(differences: np.ndarray, tests: int = 1) -> float:
    """Return the mean difference that four of five studies find.

    The studies have as many seeds, normal differences of the same spread, and no other
    pair of methods that differs. NaN where so few seeds can show nothing.

    Args:
        differences: over the seeds.
        tests: number of pairs that are tested together.
    """
    n = len(differences)
    if n < 2:
        return np.nan
    return _compute_detectable_effect(n, tests) * differences.std(ddof=1)


@cache
def _compute_detectable_effect(n: int, tests: int) -> float:
    """Return the detectable difference, in standard deviations of the differences.

    Signs turned for the seeds F leave a sum as extreme as it was where the mean over F,
    or over all others, is not above zero: an effect makes all but a few of these means
    positive, the fewer the smaller p is to be.
    """
    if not _can_find(n, tests):
        return np.nan
    turned = _list_signs(n).T < 0
    tries, exact = len(turned), n < EXACT_BELOW
    most = math.ceil(SIGNIFICANT / tests * (tries + (not exact))) - 1 - (not exact)
    draws = np.random.default_rng(SEED).normal(size=(n, STUDIES))
    sums, sizes = turned @ draws, turned.sum(axis=1)[:, None]
    with np.errstate(invalid="ignore"):
        means = sums / sizes, (draws.sum(axis=0) - sums) / (n - sizes)
    lowest = np.nan_to_num(np.minimum(*means), nan=-np.inf)
    effects = -np.partition(lowest, most, axis=0)[most]
    return float(np.quantile(effects, POWER))


def _can_find(n: int, tests: int) -> bool:
    """Return whether any difference of n seeds has a corrected p below 0.05."""
    least = 2.0 ** (1 - n) if n < EXACT_BELOW else 1 / (PERMUTATIONS + 1)
    return least * tests < SIGNIFICANT


def count_seeds_needed(tests: int) -> int | None:
    """Return the least number of seeds that can show a difference; None for no number.

    Args:
        tests: number of pairs that are tested together.

    Example:
        >>> count_seeds_needed(1), count_seeds_needed(21), count_seeds_needed(500)
        (6, 10, None)
    """
    numbers = range(2, EXACT_BELOW + 1)
    return next((n for n in numbers if _can_find(n, tests)), None)


Lines = dict[int, tuple[np.ndarray, np.ndarray]]
"""Reconstructions of a method's β, ascending, and scores there, by seed."""


@dataclass(frozen=True)
class _Curves:
    """One score of all runs, and their reconstruction, by method, β and seed."""

    scores: dict[tuple[str, Beta], dict[int, float]]
    reconstructions: dict[tuple[str, Beta], dict[int, float]]


def _tabulate(study: Study, score: str) -> _Curves:
    curves = _Curves({}, {})
    for result in study.results:
        for name, table in (
            (score, curves.scores),
            (FIELD, curves.reconstructions),
        ):
            value = result.scores.get(name, np.nan)
            if np.isfinite(value):
                setting = table.setdefault((result.method, result.beta), {})
                setting[result.seed] = value
    return curves


def _list_couples(study: Study, score: str) -> list[tuple[str, str]]:
    """Return the pairs of methods that can be compared by a score."""
    groups = _count_groups(study, score)
    pairs = combinations(study.methods, 2)
    return [(a, b) for a, b in pairs if groups.get(a) == groups.get(b)]


def _count_groups(study: Study, score: str) -> dict[str, int]:
    """Return the number of groups of each method; {} where a score has none."""
    if score not in GROUP_SCORES:
        return {}
    counts: dict[str, int] = {}
    for result in study.results:
        for record in result.records.values():
            if record.headline == score and result.method not in counts:
                with suppress(DamagedFileError):
                    arrays = result.store.load_arrays(record)
                    counts[result.method] = len(arrays[GROUP_SCORES[score]])
    return counts


def _list_places(
    couples: Sequence[tuple[str, str]], curves: _Curves
) -> Iterator[tuple[str, list[Pair]]]:
    """Yield each place of comparison, in words, and its pairs."""
    methods = dict.fromkeys(method for couple in couples for method in couple)
    betas = sorted({beta for _, beta in curves.scores}, key=make_sort_key)
    for beta in betas:
        settings = {m: curves.scores.get((m, beta), {}) for m in methods}
        at = f"β = {format_beta(beta)}"
        yield at, [_pair_seeds(a, b, settings[a], settings[b]) for a, b in couples]
    if len(betas) > 1:
        pairs = [_pair_means(a, b, betas, curves) for a, b in couples]
        yield EVERY_BETA, pairs
        if any(curves.reconstructions.values()):
            lines = {m: _list_lines(m, betas, curves) for m in methods}
            pairs = [_pair_along_curves(a, b, lines[a], lines[b]) for a, b in couples]
            yield EQUAL_RECONSTRUCTION, pairs


def _pair_seeds(a: str, b: str, of_a: dict, of_b: dict) -> Pair:
    common = sorted(of_a.keys() & of_b.keys())
    return Pair(
        a,
        b,
        np.array([of_a[seed] for seed in common]),
        np.array([of_b[seed] for seed in common]),
    )


def _pair_means(a: str, b: str, betas: Sequence[Beta], curves: _Curves) -> Pair:
    """Pair the means over the β that both methods have, of seeds that have them all."""
    shared = [beta for beta in betas if {(a, beta), (b, beta)} <= curves.scores.keys()]

    def average(method: str) -> dict[int, float]:
        columns = [curves.scores[method, beta] for beta in shared]
        seeds = set.intersection(*map(set, columns)) if columns else set()
        return {s: float(np.mean([column[s] for column in columns])) for s in seeds}

    return _pair_seeds(a, b, average(a), average(b))


def _pair_along_curves(a: str, b: str, of_a: Lines, of_b: Lines) -> Pair:
    """Pair the seeds' mean scores over reconstructions that both curves reach."""
    means: tuple[dict[int, float], dict[int, float]] = ({}, {})
    for seed in of_a.keys() & of_b.keys():
        lines = of_a[seed], of_b[seed]
        low = max(x[0] for x, _ in lines)
        high = min(x[-1] for x, _ in lines)
        if low < high:
            levels = np.linspace(low, high, LEVELS)
            for found, line in zip(means, lines, strict=True):
                found[seed] = float(np.interp(levels, *line).mean())
    return _pair_seeds(a, b, *means)


def _list_lines(method: str, betas: Sequence[Beta], curves: _Curves) -> Lines:
    """Return each seed's reconstructions, ascending, and its scores there.

    A β for each group does not lie on the way from one β to the next.
    """
    points: dict[int, list[tuple[float, float]]] = {}
    for beta in (beta for beta in betas if not isinstance(beta, tuple)):
        reconstructions = curves.reconstructions.get((method, beta), {})
        for seed, score in curves.scores.get((method, beta), {}).items():
            if seed in reconstructions:
                points.setdefault(seed, []).append((reconstructions[seed], score))
    lines = {}
    for seed, found in points.items():
        if len(found) > 1:
            x, y = np.array(sorted(found)).T
            lines[seed] = (x, y)
    return lines
