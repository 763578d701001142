"""The report of a study of likelihoods: on a dataset without factors there is no MIG to show.

References: Davidson, Tomczak and Gavves 2019, "Increasing Expressivity of a Hyperspherical VAE",
Tables 1 to 5, whose columns these are.
"""

import math

import pandas as pd

from priorbench.bench.report import published, plain_text
from priorbench.bench.report.figures.study_figures import Study
from priorbench.bench.report.published import Published

PARTS = {
    "LL": ("log_likelihood", 1),
    "ELBO": ("elbo", 1),
    "RE": ("reconstruction", -1),
    "KL": ("kl", 1),
}
"""The papers' columns: our score and the sign that it has there."""

PAPER = "paper"
"""The profile whose runs are those of the paper."""


def has_likelihoods(study: Study) -> bool:
    """Whether some run has ``log_likelihood`` and none a score of MIG (``mig``, ``mig_…``).

    Records do not say whether their dataset has factors. Those with factors are scored by MIG; a
    study that is not has nothing but its likelihoods to show either.
    """
    return study.has("log_likelihood") and not has_mig(study)


def has_mig(study: Study) -> bool:
    """Whether any run has a score that needs factors: ``mig`` or ``mig_…``."""
    return any(
        s == "mig" or s.startswith("mig_") for r in study.records for s in r.scores
    )


def make_files(study: Study) -> dict[str, bytes]:
    """``likelihoods.csv`` and ``.md``, ``published.csv`` and ``.md``, by name, where they apply.

    The latter are there where figures are published for the study's grid.
    """
    if not has_likelihoods(study):
        return {}
    rows = published.find_published(study.grid)
    table = make_table(study, rows)
    contents = {
        "likelihoods.csv": plain_text.format_csv(table, "%.10g"),
        "likelihoods.md": _format_likelihoods(study, table).encode(),
    }
    if rows:
        compared = published.compare_published(study, rows)
        contents |= {
            "published.csv": plain_text.format_csv(compared, "%.10g"),
            "published.md": _format_published(study, compared, rows).encode(),
        }
    return contents


def make_table(study: Study, rows: tuple[Published, ...]) -> pd.DataFrame:
    """One row per method and β: the terms of :data:`PARTS`, means over seeds.

    Columns: method, beta, ``n`` finished runs, failures, and for each part its mean and standard
    error ``<part>_se`` (blank with one seed), in nats per image. RE = −E[log p(x|z)], the other
    three are as they are in the records. Methods are in the order of :func:`order_methods`.
    """
    rank = {method: i for i, method in enumerate(order_methods(study, rows))}
    settings = study.settings.sort_values(
        "method", key=lambda m: m.map(rank), kind="stable"
    )
    table = settings[["method", "beta", "n", "failures"]].reset_index(drop=True)
    for part, (score, sign) in PARTS.items():
        for name, statistic, factor in ((part, "mean", sign), (f"{part}_se", "se", 1)):
            column = f"{score}_{statistic}"
            table[name] = (
                factor * settings[column].to_numpy() if column in settings else math.nan
            )
    return table


def order_methods(study: Study, rows: tuple[Published, ...]) -> list[str]:
    """The study's methods: those with no published figure first, the others as published."""
    listed = dict.fromkeys(row.method for row in rows)
    return [
        *(m for m in study.styles if m not in listed),
        *(m for m in listed if m in study.styles),
    ]


def _format_likelihoods(study: Study, table: pd.DataFrame) -> str:
    shown = {
        "method": True,
        "β": table["beta"].nunique() > 1,
        **dict.fromkeys(PARTS, True),
        "n": True,
        "failed": bool(table["failures"].any()),
    }
    columns = [name for name, there in shown.items() if there]
    lines = []
    for row in table.to_dict("records"):
        beta = row["beta"] if isinstance(row["beta"], str) else f"{row['beta']:g}"
        cells = {
            "method": row["method"],
            "β": beta,
            "n": str(row["n"]),
            "failed": str(row["failures"]),
        }
        cells |= {
            part: plain_text.format_estimate(row[part], row[f"{part}_se"])
            for part in PARTS
        }
        lines.append([cells[name] for name in columns])
    return (
        "\n\n".join(
            [
                f"# Likelihoods: {plain_text.escape_cell(study.heading)}",
                "Nats per image, mean ± standard error over n seeds. RE = −E[log p(x|z)] and "
                f"ELBO = −(RE + KL).\nLL: {_describe_estimator(study)}.",
                plain_text.format_markdown(columns, lines, ["method"]),
            ]
        )
        + "\n"
    )


def _format_published(
    study: Study, compared: pd.DataFrame, rows: tuple[Published, ...]
) -> str:
    notes = list(dict.fromkeys(filter(None, compared["note"])))
    lines = [
        [
            row["method"],
            row["score"],
            row["table"],
            plain_text.format_estimate(row["ours"], row["se"]),
            str(row["n"]),
            f"{row['published']:.2f}",
            f"{row['difference']:+.2f}",
            plain_text.format_number(row["difference_in_se"], "+.1f"),
            str(notes.index(row["note"]) + 1) if row["note"] else "",
        ]
        for row in compared.to_dict("records")
    ]
    columns = [
        "method",
        "score",
        "table",
        "ours",
        "n",
        "published",
        "difference",
        "in SE",
        "note",
    ]
    done = set(compared["method"])
    missing = dict.fromkeys(row.method for row in rows if row.method not in done)
    return (
        "\n\n".join(
            filter(
                None,
                [
                    f"# Published figures: {plain_text.escape_cell(study.heading)}",
                    _profile_warning(study),
                    "Nats per image, at β = 1; ours: mean ± standard error (SE) over n seeds; difference: "
                    "ours − published, and in our SE.\n`reconstruction` is E[log p(x|z)], the papers' RE with "
                    f"the other sign. Our `log_likelihood`: {_describe_estimator(study)}.",
                    plain_text.format_markdown(columns, lines, columns[:3]),
                    "\n".join(f"{i}. {note}" for i, note in enumerate(notes, start=1)),
                    f"No finished run at β = 1 of: {', '.join(map(plain_text.escape_cell, missing))}."
                    if missing
                    else "",
                    "Sources:\n"
                    + "\n".join(
                        f"- {s}" for s in dict.fromkeys(row.source for row in rows)
                    ),
                ],
            )
        )
        + "\n"
    )


def _profile_warning(study: Study) -> str:
    if study.profile == PAPER:
        return ""
    return (
        f"**These are runs of profile {plain_text.escape_cell(study.profile)}, not of {PAPER}: the "
        "differences say nothing about the published figures.**"
    )


def _describe_estimator(study: Study) -> str:
    """How the log-likelihood was estimated, as far as the configuration says."""
    config = study.records[0].config
    samples, images = (config.get(f"importance_{key}") for key in ("samples", "images"))
    return (
        "importance-weighted"
        + (f", K = {samples:,}" if samples else "")
        + (f", of {images:,} images (all if there are fewer)" if images else "")
    )
