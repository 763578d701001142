"""Codes of handwritten digits in the plane and on the sphere.

References: Davidson et al. 2018 (S-VAE), Figure 2 and the accuracies of nearest
neighbours of section 5.2.
"""

import gzip
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
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
from priorbench.bench.toys.latent_spaces import KINDS, draw_codes, make_prior
from priorbench.bench.toys.outcome import Outcome, register
from priorbench.bench.toys.training import (
    encode_split,
    join_mean,
    summarise_seeds,
    track_methods,
    train_models,
)
from priorbench.datasets.arrays import from_splits
from priorbench.datasets.images import ImageDataset
from priorbench.errors import UserError
from priorbench.metrics.arguments import Count

DIMENSIONS = (2, 5, 10)
LABELS = (100, 600, 1000)
NEIGHBOURS = 5
DRAWS = 10
"""Random sets of labels that the accuracy of a model is the mean of."""

TRAIN = 1297
"""Of scikit-learn's 1,797 digits; 500 are left to test on."""

HIDDEN = (128,)
"""One hidden layer: with two, S-VAEs of so few steps stay at the uniform posterior."""

IMPORTANCE = 200
SCORED = 500
"""Test images of the log-likelihood, at most."""

SHOWN = 3000
"""Test images in the picture, at most."""

FILES = {
    ("train", "images"): "train-images-idx3-ubyte",
    ("train", "labels"): "train-labels-idx1-ubyte",
    ("test", "images"): "t10k-images-idx3-ubyte",
    ("test", "labels"): "t10k-labels-idx1-ubyte",
}
"""MNIST's files; each may end in .gz."""


@dataclass(frozen=True)
class Digits:
    """Images of digits in the splits "train" and "test", and their labels."""

    name: str
    dataset: ImageDataset
    labels: dict[str, np.ndarray]


def load_digits(folder: str | None) -> Digits:
    """Load MNIST from a folder of its files, or else scikit-learn's 8 × 8 digits.

    A pixel is on where it is at least half as bright as can be.

    Raises:
        UserError: a file is missing or damaged, or the files do not fit each other.
    """
    if folder is not None:
        return _load_mnist(Path(folder).expanduser())
    from sklearn import datasets  # takes a second to import

    loaded = datasets.load_digits()
    order = np.random.default_rng(0).permutation(len(loaded.images))
    parts = {"train": order[:TRAIN], "test": order[TRAIN:]}
    images = {key: loaded.images[rows] >= 8 for key, rows in parts.items()}
    labels = {key: loaded.target[rows] for key, rows in parts.items()}
    return Digits("8 × 8 digits", from_splits(images, "digits"), labels)


def _load_mnist(folder: Path) -> Digits:
    read = {key: _read_idx(folder, name) for key, name in FILES.items()}
    splits = {split: read[split, "images"] >= 128 for split in ("train", "test")}
    labels = {split: read[split, "labels"] for split in ("train", "test")}
    for split, images in splits.items():
        if images.ndim != 3 or labels[split].shape != images.shape[:1]:
            raise UserError(
                f"{folder}: {FILES[split, 'images']} must hold (N, H, W) images and "
                f"{FILES[split, 'labels']} N labels; got {images.shape} and "
                f"{labels[split].shape}"
            )
    return Digits("MNIST", from_splits(splits, "MNIST"), labels)


def _read_idx(folder: Path, name: str) -> np.ndarray:
    """Read a file of MNIST's format, plain or compressed.

    Two zero bytes, the type 8 (bytes), the number of dimensions, each dimension as a
    big-endian integer of four bytes, and the values.
    """
    found = [p for p in (folder / name, folder / f"{name}.gz") if p.is_file()]
    if not found:
        raise UserError(
            f"no {name} or {name}.gz in {folder}; put MNIST's four files there"
        )
    try:
        content = found[0].read_bytes()
        if found[0].suffix == ".gz":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"cannot read {found[0]}: {error}") from error
    dimensions = content[3] if content[:3] == b"\0\0\x08" and len(content) > 3 else 0
    start = 4 + 4 * dimensions
    shape = tuple(np.frombuffer(content[4:start], ">u4").tolist()) if dimensions else ()
    if not dimensions or len(content) != start + np.prod(shape, dtype=np.int64):
        raise UserError(
            f"{found[0]} is not an idx file of bytes, or is cut short; get it anew"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


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


def fit_neighbours(codes: np.ndarray, labels: np.ndarray, sphere: bool) -> Any:
    """Return scikit-learn's classifier by the vote of the nearest labelled codes.

    Args:
        codes: (n, latent_dim).
        labels: their digits, (n,).
        sphere: measure distances by the cosine in place of the Euclidean ones.
    """
    from sklearn.neighbors import KNeighborsClassifier  # takes a second to import

    metric = "cosine" if sphere else "euclidean"
    return KNeighborsClassifier(NEIGHBOURS, metric=metric).fit(codes, labels)


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
