"""Images rendered and loaded; thousands of records read, and reported on."""

import os
import tempfile
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch

from priorbench.bench.report.write import write_report
from priorbench.bench.results.load import load_results
from priorbench.bench.results.manifest import Entry, Manifest, write_manifest
from priorbench.bench.results.records import ModelRecord, ScoreRecord
from priorbench.bench.results.store import Store
from priorbench.bench.speed.timing import time_call
from priorbench.datasets.files.cache import VARIABLE
from priorbench.datasets.load import load_dataset

CPU = torch.device("cpu")
METHODS = tuple("ABCDEFGH")
SEEDS = 50
SCORES = {
    "headline": 0.3,
    "reconstruction": -60.0,
    "kl": 15.0,
    "elbo": -75.0,
    "log_likelihood": -70.0,
    **{f"score_{i}": float(i) for i in range(8)},
}
"""Scores of a synthetic run, before they are varied."""


def measure_images() -> dict[str, float]:
    """Measure how long all of dSprites takes to render, and to load later.

    Returns:
        ``render_seconds``, ``load_seconds`` and the ``megabytes`` that the images take.
    """
    load_images = partial(load_dataset, "dsprites", progress=False)
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.dict(os.environ, {VARIABLE: folder}),
    ):
        render = time_call(load_images, CPU)
        load = time_call(load_images, CPU)
        size = load_images().packed.nbytes
    return {"render_seconds": render, "load_seconds": load, "megabytes": size / 1e6}


def measure_records(scanned: int = 2_000) -> dict[str, float]:
    """Measure how long it takes to read the results of many runs, and to report them.

    Returns:
        ``scan_seconds`` and ``report_seconds`` of ``scanned`` runs.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = save_study(Path(name), scanned)
        scan = time_call(lambda: load_results(folder), CPU)
        write = time_call(lambda: write_report(folder), CPU)
    return {"scan_seconds": scan, "report_seconds": write}


def save_study(root: Path, count: int) -> Path:
    """Write a study of synthetic runs; return its folder."""
    folder, store = root / "speed", Store(root)
    entries, keys = [], []
    for number in range(count):
        entry, model, scores = make_run(number)
        store.save_model(model, {})
        for score in scores:
            store.save_score(score, {})
        entries.append(entry)
        keys = [score.key for score in scores]
    manifest = Manifest(
        grid="speed", profile="paper", precision="fp32", models=entries, scores=keys
    )
    write_manifest(folder, manifest)
    return folder


def make_run(number: int) -> tuple[Entry, ModelRecord, list[ScoreRecord]]:
    """Make a model and its scores, like those of a run on dSprites."""
    random = np.random.default_rng(number)
    setting, seed = divmod(number, SEEDS)
    beta, method = divmod(setting, len(METHODS))
    model = ModelRecord(
        id=f"{number:016x}",
        config={
            "dataset": {"name": "dsprites"},
            "training": {"epochs": 20, "batch_size": 2048, "learning_rate": 1e-3},
        },
        beta=1.0 + beta,
        seed=seed,
        precision="fp32",
        image_shape=(1, 64, 64),
        status="finished",
        timings={"train_seconds": 1.0},
    )
    entry = Entry(
        method=METHODS[method],
        prior="normal",
        objective="beta_vae",
        beta=model.beta,
        seed=seed,
        id=model.id,
    )
    scores = [
        ScoreRecord(
            key=name,
            model=model.id,
            name=name,
            seed=seed,
            status="finished",
            headline=name if name == "headline" else None,
            values={name: value * random.uniform(0.5, 1.5)},
        )
        for name, value in SCORES.items()
    ]
    return entry, model, scores
