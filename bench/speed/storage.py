"""Images rendered and loaded; thousands of records read, and reported on."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from priorbench import datasets
from priorbench.bench.results import store
from priorbench.bench import report
from priorbench.bench.results.store import Record
from priorbench.bench.speed.timing import time_call
from priorbench.datasets.files.cache import VARIABLE

CPU = torch.device("cpu")
METHODS = tuple("ABCDEFGH")


def measure_images() -> dict[str, float]:
    """Seconds to render all of dSprites, to load it later, and megabytes that it takes."""
    with tempfile.TemporaryDirectory() as folder, _use_data_folder(folder):
        render, load = (
            time_call(lambda: datasets.load_dataset("dsprites", progress=False), CPU)
            for _ in range(2)
        )
        size = datasets.load_dataset("dsprites", progress=False).packed.nbytes
    return {"render_seconds": render, "load_seconds": load, "megabytes": size / 1e6}


def measure_records(scanned: int = 10_000, reported: int = 2_000) -> dict[str, float]:
    """Seconds to find what is done among many records, and to write a report on many runs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(scanned):
            _write_record(folder, number)
        scan = time_call(lambda: store.load_records(folder), CPU)
        for number in range(reported, scanned):
            _remove_record(folder, number)
        write = time_call(lambda: report.write_report(folder), CPU)
    return {"scan_seconds": scan, "report_seconds": write}


def _write_record(folder: Path, number: int) -> None:
    """A record like a run's of dSprites, without the arrays that are read only when asked for."""
    random = np.random.default_rng(number)
    setting, seed = divmod(number, 50)
    method, beta = METHODS[setting % len(METHODS)], 1.0 + setting // len(METHODS)
    scores = {
        "mig": 0.3,
        "mig_all_factors": 0.25,
        "mig_error": 1e-5,
        "reconstruction": -60.0,
        "kl": 15.0,
        "elbo": -75.0,
        "log_likelihood": -70.0,
        "mig_histogram": 0.3,
        "mig_groups": 0.3,
        "index_code_mi": 10.0,
        "total_correlation": 1.0,
        "dimension_wise_kl": 4.0,
        "active_latents": 8.0,
    }
    result = Record(
        id=_make_id(number),
        grid="speed",
        profile="paper",
        method=method,
        prior="normal",
        objective="beta_vae",
        beta=beta,
        seed=seed,
        status="finished",
        scores={k: v * random.uniform(0.5, 1.5) for k, v in scores.items()},
        config={
            "training": {"epochs": 20, "batch_size": 2048, "learning_rate": 1e-3},
            "metrics": [{"name": name} for name in scores],
        },
        timings={"train_seconds": 1.0, "evaluate_seconds": 1.0},
        device="cpu",
        precision="fp32",
    )
    (folder / result.id).mkdir()
    (folder / result.id / store.RECORD).write_text(result.model_dump_json(indent=1))


def _remove_record(folder: Path, number: int) -> None:
    (folder / _make_id(number) / store.RECORD).unlink()
    (folder / _make_id(number)).rmdir()


def _make_id(number: int) -> str:
    return f"{number:016x}"


@contextmanager
def _use_data_folder(folder: str) -> Iterator[None]:
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = folder
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before
