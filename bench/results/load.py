"""The results of a study: each model of its manifest with its scores."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from priorbench.bench.results.files import DamagedFileError
from priorbench.bench.results.manifest import Entry, Manifest, read_manifest
from priorbench.bench.results.result import Result
from priorbench.bench.results.store import Store
from priorbench.bench.results.udr import (
    find_active_latents,
    unsupervised_disentanglement_rank,
)
from priorbench.bench.study.beta import Beta

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger("priorbench")


def load_results(folder: Path, manifest: Manifest | None = None) -> list[Result]:
    """Load the runs of a study that are done, in the order of its manifest.

    The seeds of each setting are compared: see
    :func:`priorbench.bench.results.udr.unsupervised_disentanglement_rank`.

    Args:
        folder: of the study, ``runs/<grid>``.
        manifest: of the study, where it was read already.

    Raises:
        UserError: there is no manifest, or it is damaged.
    """
    folder = Path(folder)
    manifest = manifest or read_manifest(folder)
    store = Store(folder.parent)
    results = []
    for entry in manifest.models:
        result = load_result(store, manifest, entry)
        if result is not None:
            results.append(result)
    return compare_seeds(results)


def compare_seeds(results: list[Result]) -> list[Result]:
    """Return results with the score ``udr`` where two seeds of a setting have codes."""
    settings: dict[tuple[str, Beta], dict[int, dict[str, np.ndarray]]] = {}
    for position, result in enumerate(results):
        for score in result.records.values():
            if score.name != "representation" or score.status != "finished":
                continue
            try:
                arrays = results[position].store.load_arrays(score)
            except DamagedFileError as error:
                log.warning("%s; the run has no udr", error)
                continue
            codes = settings.setdefault((result.method, result.beta), {})
            codes[position] = arrays
    compared = list(results)
    for codes in settings.values():
        if len(codes) < 2:
            continue
        ranks = unsupervised_disentanglement_rank(
            [arrays["representation"] for arrays in codes.values()],
            [find_active_latents(arrays) for arrays in codes.values()],
        )
        for position, rank in zip(codes, ranks, strict=True):
            comparison = {"udr": float(rank)}
            compared[position] = replace(results[position], comparison=comparison)
    return compared


def load_result(store: Store, manifest: Manifest, entry: Entry) -> Result | None:
    """Load one run of a study; None where it is not trained yet."""
    model = store.load_model(entry.id)
    if model is None:
        return None
    records = store.load_scores(entry.id, manifest.scores)
    return Result(manifest.grid, manifest.profile, entry, model, store, records)


def load_chance(folder: Path, manifest: Manifest) -> "pd.DataFrame":
    """Load what each metric gives for noise of the study's shape.

    Returns:
        Columns metric, score and value; empty where nothing was scored.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    if manifest.chance is not None:
        store = Store(Path(folder).parent)
        found = store.load_scores(manifest.chance, manifest.scores)
        for record in found.values():
            for column, value in record.values.items():
                rows.append({"metric": record.name, "score": column, "value": value})
    return pd.DataFrame(rows, columns=["metric", "score", "value"])


def load(folder: str | Path) -> "pd.DataFrame":
    """Load the runs of a study as a table: a row for each, a column for each score.

    Args:
        folder: of the study, ``runs/<grid>``.

    Raises:
        UserError: there is no manifest, or it is damaged.
    """
    from priorbench.bench.results.tables import make_runs_table  # needs pandas

    return make_runs_table(load_results(Path(folder)))


def load_model(model: str, root: str | Path = "runs", device: str = "cpu") -> Any:
    """Load a trained model, ready to encode, decode and sample.

    Args:
        model: its id, as in the table of runs; the first digits are enough where they
            are unique.
        root: folder of the results.
        device: where the model goes.

    Returns:
        A :class:`priorbench.bench.models.vae.VAE` in evaluation mode.

    Raises:
        UserError: there is no such model, or its parameters were not kept.
    """
    from priorbench.bench.results.trained_model import restore_model  # needs torch

    return restore_model(Store(Path(root)), model).to(device)
