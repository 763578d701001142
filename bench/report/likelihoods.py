"""The table of likelihoods of each method.

References: Davidson, Tomczak and Gavves 2019, "Increasing Expressivity of a
Hyperspherical VAE", Tables 1 to 5, whose columns these are.
"""

import math
from collections.abc import Sequence

import pandas as pd

from priorbench.bench.report.plain_text import (
    escape_markdown,
    format_csv,
    format_estimate,
    format_markdown,
)
from priorbench.bench.report.published import Published, list_published
from priorbench.bench.report.study import Study

LIKELIHOOD = "log_likelihood"
"""The headline score that these tables and their figure belong to."""

PARTS = {
    "LL": (LIKELIHOOD, 1),
    "ELBO": ("elbo", 1),
    "RE": ("reconstruction", -1),
    "KL": ("kl", 1),
}
"""The papers' columns: our score and the sign that it has there."""


def make_likelihood_files(study: Study) -> dict[str, bytes]:
    """Return the content of the tables of likelihoods by file name.

    They are ``likelihoods.csv`` and ``.md``. There are none where the log-likelihood is
    not a headline or no run has it.
    """
    if LIKELIHOOD not in study.headlines or not study.has_score(LIKELIHOOD):
        return {}
    table = make_likelihood_table(study, list_published(study))
    return {
        "likelihoods.csv": format_csv(table, "%.10g"),
        "likelihoods.md": _format_likelihood_page(study, table).encode(),
    }


def make_likelihood_table(study: Study, published: Sequence[Published]) -> pd.DataFrame:
    """Make a table with one row per method and β: :data:`PARTS`, means over seeds.

    Columns: method, beta, ``n`` runs that have a log-likelihood, ``failures`` of the
    training, and for each part its mean and standard error ``<part>_se`` (blank with
    one seed), in nats per image. RE = −E[log p(x|z)], the other three are as they are
    in the records. Methods are in the order of :func:`order_methods`.
    """
    order = order_methods(study, published)
    settings = study.settings.sort_values(
        "method", key=lambda methods: methods.map(order.index), kind="stable"
    )
    table = settings[["method", "beta", f"{LIKELIHOOD}_n", "failures"]]
    table = table.rename(columns={f"{LIKELIHOOD}_n": "n"}).reset_index(drop=True)
    for part, (score, sign) in PARTS.items():
        if f"{score}_mean" in settings:
            table[part] = sign * settings[f"{score}_mean"].to_numpy()
            table[f"{part}_se"] = settings[f"{score}_se"].to_numpy()
        else:
            table[part] = table[f"{part}_se"] = math.nan
    return table


def order_methods(study: Study, published: Sequence[Published]) -> list[str]:
    """Return the study's methods: first those of which nothing is published."""
    listed = dict.fromkeys(row.method for row in published)
    own = [method for method in study.methods if method not in listed]
    return own + [method for method in listed if method in study.methods]


def _format_likelihood_page(study: Study, table: pd.DataFrame) -> str:
    columns = ["method", *PARTS, "n"]
    if table["beta"].nunique() > 1:
        columns.insert(1, "β")
    if table["failures"].any():
        columns.append("failed")
    rows = []
    for row in table.to_dict("records"):
        beta = row["beta"]
        entries = {
            "method": row["method"],
            "β": beta if isinstance(beta, str) else f"{beta:g}",
            "n": str(row["n"]),
            "failed": str(row["failures"]),
        }
        for part in PARTS:
            entries[part] = format_estimate(row[part], row[f"{part}_se"])
        rows.append([entries[column] for column in columns])
    paragraphs = [
        f"# Likelihoods: {escape_markdown(study.heading)}",
        "Nats per image, mean ± standard error over n seeds with an LL. "
        f"RE = −E[log p(x|z)] and ELBO = −(RE + KL).\nLL: {describe_estimator(study)}.",
        format_markdown(columns, rows, left=["method"]),
    ]
    return "\n\n".join(paragraphs) + "\n"


def describe_estimator(study: Study) -> str:
    """Return how the log-likelihood was estimated, as far as the scores say."""
    scores = [s for result in study.results for s in result.records.values()]
    given = next((s.arguments for s in scores if s.name == LIKELIHOOD), {})
    samples, images = given.get("samples"), given.get("images")
    described = "importance-weighted"
    if samples:
        described += f", K = {samples:,}"
    if images:
        described += f", of {images:,} images (all if there are fewer)"
    return described
