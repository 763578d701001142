"""The head of the page: what the study is, and how much it can bear."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pandas as pd

from priorbench.bench.report.comparisons import EVERY_BETA, count_seeds_needed
from priorbench.bench.report.study import Study
from priorbench.bench.results.manifest import Manifest
from priorbench.bench.results.result import Result
from priorbench.units import format_count

FIXED = {
    "dataset": "data set",
    "architecture": "architecture",
    "likelihood": "likelihood",
    "latent_dim": "number of latents",
    "training": "training",
}
"""What a study holds fixed, in words, by the key of a run's configuration."""


def make_summary(
    study: Study, manifest: Manifest, comparisons: pd.DataFrame
) -> dict[str, Any]:
    """Return the facts of the page's head, in words.

    Args:
        study: the results.
        manifest: of the study.
        comparisons: the table of comparisons.
    """
    results = study.results
    failed = sum(result.status == "failed" for result in results)
    missing = len(manifest.models) - len(results)
    seeds = {(e.method, e.beta): 0 for e in manifest.models}
    for entry in manifest.models:
        seeds[entry.method, entry.beta] += 1
    betas = len({entry.beta for entry in manifest.models})
    hours = sum(r.timings.get("train_seconds", 0.0) for r in results) / 3600
    fixed, varied = describe_fixed(results)
    facts = {
        "Runs": f"{len(results) - failed} finished, {failed} failed, {missing} missing",
        "Methods": ", ".join(study.methods),
        "Held fixed": fixed,
        "Precision": manifest.precision,
        "Device": _list_distinct(result.provenance.device for result in results),
        "Training": f"{hours:.3g} hours in all",
        "Versions": _list_distinct(
            ", ".join(f"{k} {v}" for k, v in result.provenance.versions.items())
            for result in results
        ),
        "Commit": _list_distinct(result.provenance.commit or "" for result in results),
        "Command": manifest.provenance.command or "",
        "Written": manifest.written,
    }
    most = max(seeds.values(), default=0)
    return {
        "grid": study.grid,
        "profile": study.profile,
        "description": manifest.description,
        "sentence": f"{format_count(len(study.methods), 'method')} at {betas} β, "
        f"{format_count(most, 'seed')} of each setting.",
        "facts": {name: fact for name, fact in facts.items() if fact},
        "warnings": [*varied, *_list_warnings(study, missing, comparisons)],
        "unfinished": missing > 0,
    }


def describe_fixed(results: Sequence[Result]) -> tuple[str, list[str]]:
    """Return what all runs have in common, in words, and a warning of what they lack.

    Example:
        >>> _describe({"name": "mlp", "hidden": 64}), _describe(20)
        ('mlp (hidden 64)', '20')
    """
    fixed, varied = [], []
    for name in FIXED:
        found = [result.model.config.get(name) for result in results]
        words = list(dict.fromkeys(_describe(value) for value in found if value))
        if len(words) == 1:
            fixed.append(f"{FIXED[name]}: {words[0]}")
        elif words:
            varied.append(f"{FIXED[name]}: {' or '.join(words)}")
    if not varied:
        return "; ".join(fixed), []
    return "; ".join(fixed), [f"Not the same in all runs ({'; '.join(varied)})."]


def _describe(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value)
    given = {key: part for key, part in value.items() if key != "name"}
    words = ", ".join(f"{key} {part}" for key, part in given.items())
    label = value.get("name", "")
    return f"{label} ({words})" if label and words else label or words


def _list_warnings(
    study: Study, missing: int, comparisons: pd.DataFrame
) -> Iterator[str]:
    """Yield plain words on what the results cannot bear."""
    if missing:
        yield f"{format_count(missing, 'run')} still missing: this is the state so far."
    failures = study.failures
    if failures:
        yield failures
    if study.settings["n"].max() == 1:
        yield "One seed: nothing here says how far a difference is chance."
    elif study.headlines:
        score = study.headlines[0]
        yield from _weigh_comparisons(comparisons[comparisons["score"] == score], score)


def _weigh_comparisons(rows: pd.DataFrame, score: str) -> Iterator[str]:
    """Yield words on how much the comparisons by one score can bear."""
    able = rows[rows["detectable"].notna()]
    if not len(rows):
        return
    if not len(able):
        told = rows[rows["at"] == rows.loc[rows["n"].idxmax(), "at"]]
        needed = count_seeds_needed(len(told))
        enough = "no number is enough" if needed is None else f"that takes {needed}"
        yield (
            f"With {_format_range(told['n'])} seeds no method is called better or "
            f"worse than another: for {format_count(len(told), 'comparison')} at a "
            f"time {enough}."
        )
        return
    together = able[able["at"] == EVERY_BETA]
    told = together if len(together) else able
    yield (
        f"{_format_range(told['n'])} seeds: a difference in {score} below "
        f"{told['detectable'].median():.2g} would mostly be missed."
    )
    silent = len(rows) - len(able)
    if silent:
        yield (
            f"{silent} of {format_count(len(rows), 'comparison')} by {score} have too "
            "few seeds to call a method better or worse."
        )


def _format_range(n: pd.Series) -> str:
    low, high = int(n.min()), int(n.max())
    return f"{low}" if low == high else f"{low} to {high}"


def _list_distinct(values: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(value for value in values if value))
