"""Pictures of each setting's representative, best and worst model."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from priorbench.bench.report.page.latents import draw_latents
from priorbench.bench.report.page.png import embed_png
from priorbench.bench.report.study import Study
from priorbench.bench.results.files import DamagedFileError
from priorbench.bench.results.records import ScoreRecord
from priorbench.bench.results.result import Result
from priorbench.bench.study.beta import format_beta

FIELD = "reconstruction"


def make_gallery(study: Study) -> list[dict[str, Any]]:
    """Return pictures, setting by setting, of those that have any.

    Each setting has ``method``, ``beta`` and ``models``, of which each has what it is
    ("representative", "best" or "worst"), its seed, id and scores, and PNG files as
    addresses that hold the data.
    """
    settings: dict[tuple[str, Any], list[Result]] = {}
    for result in study.results:
        if result.status == "finished" and _find_pictures(result) is not None:
            settings.setdefault((result.method, result.beta), []).append(result)
    gallery = []
    for (method, beta), results in settings.items():
        kinds: dict[str, list[str]] = {}  # one model may be several of them
        chosen = choose_models(results, study.headlines)
        for kind, result in chosen.items():
            kinds.setdefault(result.id, []).append(kind)
        models = [
            _show_model(" and ".join(names), chosen[names[0]], study.headlines)
            for names in kinds.values()
        ]
        shown = [model for model in models if model]
        if shown:
            beta_text = format_beta(beta)
            gallery.append({"method": method, "beta": beta_text, "models": shown})
    return gallery


def choose_models(
    results: Sequence[Result], headlines: Sequence[str]
) -> dict[str, Result]:
    """Return the representative model of a setting, and the best and worst ones.

    The representative is among the upper half by the first headline score the one that
    is nearest to their mean in that score and in reconstruction, by the Mahalanobis
    distance. References: Stühmer et al. 2019, A.5.

    Args:
        results: finished runs of one setting.
        headlines: scores of which more is better; the first that all have decides.
    """
    common = [h for h in headlines if all(h in r.scores for r in results)]
    score = common[0] if common else "elbo"
    ranked = sorted(results, key=lambda result: result.scores.get(score, -np.inf))
    upper = ranked[len(ranked) // 2 :]
    points = np.array(
        [[r.scores.get(name, 0.0) for name in (score, FIELD)] for r in upper]
    )
    apart = points - points.mean(axis=0)
    inverse = np.linalg.pinv(apart.T @ apart / len(upper))
    distances = np.einsum("ni,ij,nj->n", apart, inverse, apart)
    chosen = {"representative": upper[int(distances.argmin())]}
    if len(ranked) > 1:
        chosen |= {"best": ranked[-1], "worst": ranked[0]}
    return chosen


def _find_pictures(result: Result) -> ScoreRecord | None:
    found = (s for s in result.records.values() if s.name == "pictures")
    return next((s for s in found if s.status == "finished"), None)


def _show_model(
    kind: str, result: Result, headlines: Sequence[str]
) -> dict[str, Any] | None:
    record = _find_pictures(result)
    if record is None:
        return None
    try:
        arrays = result.store.load_arrays(record)
    except DamagedFileError:
        return None
    shown = [*headlines[:2], FIELD]
    latents = arrays.get("traversed_latent", ())
    spheres = arrays.get("traversed_sphere", ())
    nats = arrays.get("traversed_kl", ())
    return {
        "kind": kind,
        "seed": result.seed,
        "id": result.id,
        "scores": {n: f"{result.scores[n]:.4g}" for n in shown if n in result.scores},
        "learned": {
            name: ", ".join(f"{value:.3g}" for value in values[:12])
            for name, values in result.learned.items()
        },
        "reconstructions": _embed_sheet(arrays.get("reconstructions.png")),
        "traversals": _embed_sheet(arrays.get("traversals.png")),
        "blocks": len(arrays.get("traversed_starts", ())),
        "lines": [
            f"{'sphere from z' if sphere else 'z'}{latent}: {kl:.2g} nats"
            for latent, sphere, kl in zip(latents, spheres, nats, strict=True)
        ],
        "latents": draw_latents(arrays),
    }


def _embed_sheet(content: np.ndarray | None) -> str:
    return "" if content is None else embed_png(content.tobytes())
