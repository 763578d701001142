"""Runs that were never trained: of a study with factors, and of one of likelihoods."""

from pathlib import Path

import numpy as np

from priorbench.bench.report.study import Study
from priorbench.bench.report.study import make_study as make_study_of_records
from priorbench.bench.results.selection import number_methods
from priorbench.bench.results.store import RECORD, Record
from priorbench.bench.results.tables import make_settings_table
from priorbench.bench.study.beta import Beta, format_beta, make_sort_key

CONFIG = {
    "dataset": {"name": "binarized_mnist"},
    "importance_samples": 500,
    "importance_images": 10_000,
}


def make_record(
    method: str = "β-VAE",
    beta: Beta = 1.0,
    seed: int = 0,
    mig: float = 0.2,
    reconstruction: float = -30.0,
    **changes,
) -> Record:
    """Make a finished run with factors; ``status="failed"`` makes one without scores."""
    failed = changes.get("status") == "failed"
    scores = {} if failed else {"mig": mig, "reconstruction": reconstruction}
    fields = {
        "id": f"{method}-{format_beta(beta).replace('/', '_')}-{seed}",
        "grid": "study",
        "profile": "quick",
        "prior": "normal",
        "objective": "beta_vae",
        "status": "finished",
        "headlines": ("mig",),
        "scores": scores,
        "config": {"latent_dim": 2},
        "device": "cpu",
        "precision": "float32",
        "created": "2025-01-01T00:00:00+00:00",
        "reason": "the loss is not finite" if failed else None,
        "failed_step": 12 if failed else None,
    }
    return Record(method=method, beta=beta, seed=seed, **(fields | changes))


def make_likelihood_record(
    method: str = "S40", seed: int = 0, ll: float = -93.0, beta: Beta = 1.0, **changes
) -> Record:
    """Make a finished run without factors; ``status="failed"`` makes one without scores."""
    failed = changes.get("status") == "failed"
    scores = {
        "log_likelihood": ll,
        "log_likelihood_se": 0.3,
        "elbo": ll - 6,
        "reconstruction": ll + 20,
        "kl": 26.0,
        "best_epoch": 200.0,
    }
    fields = {
        "grid": "mnist_products",
        "profile": "paper",
        "prior": "hypersphere",
        "headlines": ("log_likelihood",),
        "scores": {} if failed else scores,
        "config": CONFIG,
        "failed_step": None,
    }
    return make_record(method, beta, seed, **(fields | changes))


def make_records(
    methods=("β-VAE", "ISA-VAE"), betas=(1.0, 4.0), seeds=3, **changes
) -> list[Record]:
    """Make runs of every setting; more β gives a higher MIG and less reconstruction."""
    random = np.random.default_rng(0)
    records = []
    for i, method in enumerate(methods):
        for beta in betas:
            mean, _ = make_sort_key(beta)
            for seed in range(seeds):
                mig = random.normal(0.1 + 0.05 * i + 0.03 * mean, 0.02)
                reconstruction = random.normal(-10 * mean - 3 * i, 1)
                record = make_record(method, beta, seed, mig, reconstruction, **changes)
                records.append(record)
    return records


def make_study(records: list[Record]) -> Study:
    """Make what the report is drawn from."""
    settings = make_settings_table(records)
    return make_study_of_records(records, settings, number_methods(records))


def save_records(folder: Path, records: list[Record]) -> Path:
    """Write the records as runs do."""
    for record in records:
        (folder / record.id).mkdir(parents=True)
        path = folder / record.id / RECORD
        path.write_text(record.model_dump_json(), encoding="utf-8")
    return folder
