"""Codes of handwritten digits in the plane and on the sphere.

References: Davidson et al. 2018 (S-VAE), Figure 2 and the accuracies of nearest
neighbours of section 5.2.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pydantic import Field

from priorbench.bench.figures.canvas import make_page
from priorbench.bench.report.figures.style import LINES, MARKERS, PALETTE, use_style
from priorbench.bench.scoring.evaluate import (
    Subject,
    score_elbo,
    score_log_likelihood,
)
from priorbench.bench.toys.digits import (
    NEIGHBOURS,
    Digits,
    fit_neighbours,
    load_digits,
)
from priorbench.bench.toys.latent_spaces import KINDS, draw_codes, make_prior
from priorbench.bench.toys.outcome import Outcome, register
from priorbench.bench.toys.training import (
    encode_split,
    join_mean,
    summarise_seeds,
    track_methods,
    train_models,
)
from priorbench.metrics.arguments import Count

DIMENSIONS = (2, 5, 10)
LABELS = (100, 600, 1000)
DRAWS = 10
"""Random sets of labels that the accuracy of a model is the mean of."""

HIDDEN = (128,)
"""One hidden layer: with two, S-VAEs of so few steps stay at the uniform posterior."""

IMPORTANCE = 200
SCORED = 500
"""Test images of the log-likelihood, at most."""

SHOWN = 3000
"""Test images in the picture, at most."""


@register("digits_plane")
def show_digits_plane(
    folder: str | None = None,
    seeds: Count = 3,
    steps: Count = 600,
    dimensions: Annotated[Sequence[Count], Field(min_length=1)] = DIMENSIONS,
) -> Outcome:
    """Digits in the plane and on the sphere, and their neighbours (S-VAE, Fig. 2).

    Args:
        folder: of MNIST's four files; None for scikit-learn's digits.
        seeds: models of each latent space.
        steps: of the optimiser.
        dimensions: d of R^d and S^d; those of the picture are 2.

    Raises:
        UserError: a file is missing or damaged.
    """
    digits = load_digits(folder)
    settings = [(kind, d) for d in dimensions for kind in KINDS]
    rows, findings, shown = [], [], {}
    for kind, d in track_methods(settings):
        prior, likelihood = make_prior(kind, d), {"name": "bernoulli"}
        subjects = train_models(
            prior, digits.dataset, likelihood, HIDDEN, 1.0, seeds, steps
        )
        scores = pd.DataFrame([score_model(subject, digits) for subject in subjects])
        row: dict[str, Any] = {"model": kind, "d": d, "n": seeds}
        for name in scores:
            row[name], row[f"{name}_se"] = summarise_seeds(scores[name])
        rows.append(row)
        told = [
            join_mean(row[name], row[f"{name}_se"])
            for name in ("log_likelihood", *map("knn_{}".format, LABELS))
        ]
        findings.append(
            f"{kind} d = {d}: log-likelihood {told[0]} nats; accuracy with "
            f"{', '.join(map(str, LABELS))} labels {', '.join(told[1:])}"
        )
        if d == 2:
            shown[kind] = subjects[0]
    table = pd.DataFrame(rows)
    with use_style():
        figure = _draw_digits(digits, shown, table)
    return Outcome(figure, table, findings)


@torch.no_grad()
def score_model(subject: Subject, digits: Digits) -> dict[str, float]:
    """Return the bound, the log-likelihood, in nats, and neighbours' accuracies."""
    estimate = score_log_likelihood(subject, IMPORTANCE, SCORED)
    scores = {"elbo": score_elbo(subject)["elbo"]}
    scores["log_likelihood"] = estimate["log_likelihood"]
    train = encode_split(subject, digits.dataset.split("train")).numpy()
    test = subject.encoded.posterior.representation.numpy()
    labels, sphere = digits.labels, subject.model.prior.groups[0].on == "sphere"
    for count in LABELS:
        generator = np.random.default_rng(subject.seed)
        accuracies = []
        for _ in range(DRAWS):
            rows = generator.permutation(len(train))[:count]
            classifier = fit_neighbours(train[rows], labels["train"][rows], sphere)
            accuracies.append(classifier.score(test, labels["test"]))
        scores[f"knn_{count}"] = float(np.mean(accuracies))
    return scores


def _draw_digits(
    digits: Digits, shown: Mapping[str, Subject], table: pd.DataFrame
) -> Figure:
    """Draw the codes in two dimensions, and the accuracies over the labels."""
    figure = make_page(5.6)
    above, below = figure.subfigures(2, 1, height_ratios=(3.2, 2.4))
    labels = digits.labels["test"][:SHOWN]
    for i, (kind, subject) in enumerate(shown.items()):
        codes = subject.encoded.posterior.representation[:SHOWN].detach()
        draw_codes(above, i, codes, labels, f"{kind}: {digits.name}")
    if shown:
        handles, names = above.axes[0].get_legend_handles_labels()
        above.legend(
            handles,
            names,
            loc="outside lower center",
            ncols=10,
            markerscale=2,
            handletextpad=0,
        )
    dimensions = table["d"].unique()
    panels = below.subplots(1, len(dimensions), sharey=True, squeeze=False)[0]
    for i, (axes, d) in enumerate(zip(panels, dimensions, strict=True)):
        _draw_accuracies(axes, table[table["d"] == d])
        axes.set_title(f"({'cdefghij'[i % 8]}) $d = {d}$")
    panels[0].set_ylabel(f"accuracy of {NEIGHBOURS} neighbours")
    panels[0].legend(loc="lower right")
    return figure


def _draw_accuracies(axes: Axes, table: pd.DataFrame) -> None:
    """Draw the accuracy over the number of labels, of each model."""
    for i, row in enumerate(table.to_dict("records")):
        axes.errorbar(
            LABELS,
            [row[f"knn_{n}"] for n in LABELS],
            [row[f"knn_{n}_se"] for n in LABELS],
            color=PALETTE[i],
            linestyle=LINES[i],
            marker=MARKERS[i],
            markersize=3.5,
            linewidth=1.1,
            capsize=2,
            label=row["model"],
        )
    axes.set(xlabel="labels", xscale="log", xlim=(85, 1200))
    axes.set_xticks(LABELS, map(str, LABELS), minor=False)
    axes.minorticks_off()
