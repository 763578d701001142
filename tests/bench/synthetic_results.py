"""Runs that were never trained: of a study with factors, and of one of likelihoods."""

from pathlib import Path

import numpy as np

from priorbench.bench.report.study import Study
from priorbench.bench.report.study import make_study as make_study_of_manifest
from priorbench.bench.results.manifest import Entry, Manifest, write_manifest
from priorbench.bench.results.records import ModelRecord, Provenance, ScoreRecord
from priorbench.bench.results.result import Result
from priorbench.bench.results.store import Store
from priorbench.bench.study.beta import Beta, format_beta, make_sort_key

FIELDS = (
    "id",
    "config",
    "status",
    "reason",
    "failed_step",
    "learned",
    "timings",
    "created",
)
CONFIG = {"dataset": {"name": "binarized_mnist"}}
ESTIMATOR = {"samples": 500, "images": 10_000}
"""Arguments of the log-likelihood."""


def make_result(
    method: str = "β-VAE",
    beta: Beta = 1.0,
    seed: int = 0,
    mig: float = 0.2,
    reconstruction: float = -30.0,
    **changes,
) -> Result:
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
        "config": {"latent_dim": 2, "dataset": {"name": "dsprites"}},
        "created": "2025-01-01T00:00:00+00:00",
        "reason": "the loss is not finite" if failed else None,
        "failed_step": 12 if failed else None,
        "learned": {},
        "timings": {},
        "commit": None,
    } | changes
    entry = Entry(
        method=method,
        prior=fields["prior"],
        objective=fields["objective"],
        beta=beta,
        seed=seed,
        id=fields["id"],
    )
    model = ModelRecord(
        beta=beta,
        seed=seed,
        precision="fp32",
        image_shape=(1, 64, 64),
        provenance=Provenance(commit=fields["commit"]),
        **{name: fields[name] for name in FIELDS},
    )
    records = make_score_records(model, fields["headlines"], fields["scores"])
    store = Store(Path("unsaved"))
    return Result(fields["grid"], fields["profile"], entry, model, store, records)


def make_score_records(model, headlines, scores) -> dict[str, ScoreRecord]:
    """Make a score for each headline, and one of all other numbers."""
    parts = {h: {h: scores[h]} if h in scores else {} for h in headlines if scores}
    rest = {k: v for k, v in scores.items() if k not in headlines}
    if rest:
        parts["others"] = rest
    return {
        name: ScoreRecord(
            key=name,
            model=model.id,
            name=name,
            seed=model.seed,
            status="finished",
            headline=name if name in headlines else None,
            values=values,
            arguments=ESTIMATOR if name == "log_likelihood" else {},
        )
        for name, values in parts.items()
    }


def make_likelihood_result(
    method: str = "S40", seed: int = 0, ll: float = -93.0, beta: Beta = 1.0, **changes
) -> Result:
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
    return make_result(method, beta, seed, **(fields | changes))


def make_results(
    methods=("β-VAE", "ISA-VAE"), betas=(1.0, 4.0), seeds=3, **changes
) -> list[Result]:
    """Make runs of every setting; more β gives a higher MIG and less reconstruction."""
    random = np.random.default_rng(0)
    results = []
    for i, method in enumerate(methods):
        for beta in betas:
            mean, _ = make_sort_key(beta)
            for seed in range(seeds):
                mig = random.normal(0.1 + 0.05 * i + 0.03 * mean, 0.02)
                reconstruction = random.normal(-10 * mean - 3 * i, 1)
                result = make_result(method, beta, seed, mig, reconstruction, **changes)
                results.append(result)
    return results


def make_manifest(results: list[Result]) -> Manifest:
    """Make the manifest of a study that has these results."""
    keys = dict.fromkeys(key for result in results for key in result.records)
    return Manifest(
        grid=results[0].grid,
        profile=results[0].profile,
        precision="fp32",
        models=tuple(result.entry for result in results),
        scores=tuple(keys),
    )


def make_study(results: list[Result]) -> Study:
    """Make what the report is drawn from."""
    return make_study_of_manifest(make_manifest(results), results)


def save_results(folder: Path, results: list[Result]) -> Path:
    """Write results as runs do; return the folder of the study."""
    store = Store(folder.parent)
    for result in results:
        store.save_model(result.model, {})
        for record in result.records.values():
            store.save_score(record, {})
    write_manifest(folder, make_manifest(results))
    return folder
