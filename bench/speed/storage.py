"""Images rendered and loaded; thousands of records read, and reported on."""

import os
import shutil
import tempfile
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch

from priorbench.bench.report import write_report
from priorbench.bench.results.store import RECORD, Record, load_records
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


def measure_records(scanned: int = 10_000, reported: int = 2_000) -> dict[str, float]:
    """Measure how long it takes to read many records, and to report on many runs.

    Returns:
        ``scan_seconds`` of ``scanned`` records, ``report_seconds`` of ``reported``
        runs.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(scanned):
            record = make_record(number)
            path = folder / record.id
            path.mkdir()
            content = record.model_dump_json(indent=1)
            (path / RECORD).write_text(content, encoding="utf-8")
        scan = time_call(lambda: load_records(folder), CPU)
        for number in range(reported, scanned):
            shutil.rmtree(folder / make_record(number).id)
        write = time_call(lambda: write_report(folder), CPU)
    return {"scan_seconds": scan, "report_seconds": write}


def make_record(number: int) -> Record:
    """Make a record like that of a run on dSprites."""
    random = np.random.default_rng(number)
    setting, seed = divmod(number, SEEDS)
    beta, method = divmod(setting, len(METHODS))
    varied = random.uniform(0.5, 1.5, len(SCORES))
    return Record(
        id=f"{number:016x}",
        grid="speed",
        profile="paper",
        method=METHODS[method],
        prior="normal",
        objective="beta_vae",
        beta=1.0 + beta,
        seed=seed,
        status="finished",
        headlines=("headline",),
        scores=dict(zip(SCORES, varied * list(SCORES.values()), strict=True)),
        config={
            "training": {"epochs": 20, "batch_size": 2048, "learning_rate": 1e-3},
            "metrics": [{"name": name} for name in SCORES],
        },
        timings={"train_seconds": 1.0, "evaluate_seconds": 1.0},
        device="cpu",
        precision="fp32",
    )
