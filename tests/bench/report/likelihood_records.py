"""Runs of a study of likelihoods, as the tests of its report need them."""

from pathlib import Path

from priorbench.bench.study.beta import format_beta
from priorbench.bench.results.store import RECORD, Record
from priorbench.bench.report.figures import study_figures, style
from priorbench.bench.results import tables

CONFIG = {
    "dataset": {"name": "binarized_mnist"},
    "importance_samples": 500,
    "importance_images": 10_000,
}


def record(method="S40", seed=0, ll=-93.0, beta=1.0, **changes):
    """A finished run; ``status="failed"`` makes it one without scores."""
    scores = {
        "log_likelihood": ll,
        "log_likelihood_se": 0.3,
        "elbo": ll - 6,
        "reconstruction": ll + 20,
        "kl": 26.0,
        "best_epoch": 200.0,
    }
    failed = changes.get("status") == "failed"
    fields = {
        "id": f"{method}-{format_beta(beta).replace('/', '_')}-{seed}",
        "grid": "mnist_products",
        "profile": "paper",
        "prior": "hypersphere",
        "objective": "beta_vae",
        "status": "finished",
        "scores": {} if failed else scores,
        "config": CONFIG,
        "device": "cpu",
        "precision": "float32",
        "created": "2025-01-01T00:00:00+00:00",
        "reason": "the loss is not finite" if failed else None,
    }
    return Record(method=method, beta=beta, seed=seed, **(fields | changes))


def study(records):
    """What the report is drawn from."""
    return study_figures.Study.of(
        records, tables.make_settings_table(records), style.assign_styles(records)
    )


def store(folder: Path, records: list[Record]) -> Path:
    """Write the records as runs do."""
    for r in records:
        (folder / r.id).mkdir(parents=True)
        (folder / r.id / RECORD).write_text(r.model_dump_json(), encoding="utf-8")
    return folder
