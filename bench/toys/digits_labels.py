"""Digits of which few have labels, by the two generative models M1 and M2.

References: Kingma et al. 2014 (M1, M2, M1+M2); Davidson et al. 2018 (S-VAE), section
5.3.
"""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from priorbench.bench.figures.canvas import make_page
from priorbench.bench.models.architectures import stack_layers
from priorbench.bench.report.figures.style import PALETTE, use_style
from priorbench.bench.scoring.evaluate import Subject
from priorbench.bench.toys.digits import Digits, fit_neighbours, load_digits
from priorbench.bench.toys.latent_spaces import KINDS, make_prior
from priorbench.bench.toys.outcome import Outcome, register
from priorbench.bench.toys.training import (
    CPU,
    encode_split,
    join_mean,
    summarise_seeds,
    track_methods,
    train_models,
)
from priorbench.bench.training.pixels import Pixels
from priorbench.metrics.arguments import Count
from priorbench.priors.base import Prior, build_prior
from priorbench.priors.posteriors.base import Posterior

CLASSES = 10
HIDDEN = (128,)
"""Widths of M1's layers, as in ``digits_plane``."""

PAIRS = ((KINDS[0], KINDS[0]), (KINDS[1], KINDS[1]), (KINDS[1], KINDS[0]))
"""Latent spaces of M1 and M2."""

WIDTH = 64
BATCH = 32
LEARNING_RATE = 3e-3
WEIGHT = 0.1
"""Of the classifier's likelihood, times the number of images (Kingma et al. 2014)."""


class LabelModel(nn.Module):
    """M2: a code z1 of M1 is made of a class y and of a latent z2.

    Args:
        code: p(z1) of M1; its posterior's family is that of p(z1 | y, z2).
        prior: p(z2).
    """

    def __init__(self, code: Prior, prior: Prior) -> None:
        super().__init__()
        self.code, self.prior = code, prior
        d1, d2 = code.latent_dim, prior.latent_dim
        sizes = {
            "classifier": (d1, CLASSES),
            "encoder": (d1 + CLASSES, prior.posterior.num_params(d2)),
            "decoder": (d2 + CLASSES, code.posterior.num_params(d1)),
        }
        for name, (before, after) in sizes.items():
            layers = stack_layers([before, WIDTH, after], nn.ReLU)
            self.add_module(name, layers)

    def bound(self, z1: Tensor, label: Tensor, generator: torch.Generator) -> Tensor:
        """Return the bound of log p(z1, y) in nats, (n,).

        Args:
            z1: (n, d1).
            label: y, one-hot (n, CLASSES).
            generator: of the draw of z2.
        """
        family = self.prior.posterior
        q: Posterior = family(self.encoder(torch.cat([z1, label], 1)))
        width = family.noise_dim(self.prior.latent_dim)
        z2 = q.rsample(torch.randn(len(z1), width, generator=generator))
        p = self.code.posterior(self.decoder(torch.cat([z2, label], 1)))
        return p.log_prob(z1) - np.log(CLASSES) - self.prior.kl(q, z2)

    def bound_all(self, z1: Tensor, generator: torch.Generator) -> Tensor:
        """Return the bound of log p(z1) in nats, (n,), over all classes."""
        log_q = self.classifier(z1).log_softmax(1)
        label = torch.eye(CLASSES).repeat(len(z1), 1)
        each = self.bound(z1.repeat_interleave(CLASSES, 0), label, generator)
        return (log_q.exp() * (each.unflatten(0, (-1, CLASSES)) - log_q)).sum(1)


def choose_labelled(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return rows of images whose labels are known, equally many of each class."""
    order = np.random.default_rng(seed).permutation(len(labels))
    share = count // CLASSES
    rows = [order[labels[order] == digit][:share] for digit in range(CLASSES)]
    return np.concatenate(rows)


def train_labels(
    subject: Subject, digits: Digits, kind: str, d: int, rows: np.ndarray, steps: int
) -> LabelModel:
    """Train M2 on draws of the codes of an M1.

    Args:
        subject: M1.
        digits: images and labels.
        kind: latent space of M2.
        d: its dimension.
        rows: of the training images with labels.
        steps: of Adam.
    """
    train = digits.dataset.split("train")
    images = Subject(subject.model, train, Pixels(train, CPU), subject.seed)
    q = images.encoded.posterior
    labels = torch.from_numpy(digits.labels["train"][rows]).long()
    generator = torch.Generator().manual_seed(subject.seed)
    code = subject.model.prior
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(subject.seed)
        model = LabelModel(code, build_prior(**make_prior(kind, d)))
    width = code.posterior.noise_dim(code.latent_dim)
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE)
    known = len(rows) / len(train)
    for _ in range(steps):
        batch = torch.randint(len(train), (BATCH,), generator=generator)
        chosen = torch.randint(len(rows), (BATCH,), generator=generator)
        both = torch.cat([batch, torch.from_numpy(rows)[chosen]])
        noise = torch.randn(len(both), width, generator=generator)
        free, z1 = q[both].rsample(noise).detach().chunk(2)
        label = labels[chosen]
        bounds = (1 - known) * model.bound_all(free, generator).mean()
        own = one_hot(label, CLASSES).to(z1.dtype)
        bounds = bounds + known * model.bound(z1, own, generator).mean()
        misfit = cross_entropy(model.classifier(z1), label)
        loss = WEIGHT * len(rows) * misfit - bounds
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


@register("digits_labels")
def show_digits_labels(
    folder: str | None = None,
    seeds: Count = 3,
    steps: Count = 250,
    labels: Annotated[Sequence[Annotated[int, Field(ge=10)]], Field(min_length=1)] = (
        100,
    ),
    d1: Count = 5,
    d2: Count = 5,
) -> Outcome:
    """Digits of which few have labels (S-VAE, section 5.3).

    Args:
        folder: of MNIST's four files; None for scikit-learn's digits.
        seeds: models of each kind, with labels of their own.
        steps: of the optimiser, of M1 and of M2.
        labels: numbers of images with labels.
        d1: dimension of M1's latent space.
        d2: that of M2's.

    Raises:
        UserError: a file is missing or damaged.
    """
    digits = load_digits(folder)
    firsts = {
        kind: train_models(
            make_prior(kind, d1),
            digits.dataset,
            {"name": "bernoulli"},
            HIDDEN,
            1.0,
            seeds,
            steps,
        )
        for kind in track_methods(KINDS)
    }
    rows = []
    for count in labels:
        for kind in KINDS:
            found = [score_neighbours(s, digits, count) for s in firsts[kind]]
            rows.append({"model": f"M1 {kind[0]}", "labels": count, "values": found})
        for first, second in track_methods(PAIRS):
            found = [
                score_labels(subject, digits, second, d2, count, steps)
                for subject in firsts[first]
            ]
            name = f"M1+M2 {first[0]}+{second[0]}"
            rows.append({"model": name, "labels": count, "values": found})
    for row in rows:
        row["n"] = seeds
        row["accuracy"], row["accuracy_se"] = summarise_seeds(row.pop("values"))
    findings = [
        f"{row['model']}, {row['labels']} labels: accuracy "
        f"{join_mean(row['accuracy'], row['accuracy_se'])}"
        for row in rows
    ]
    table = pd.DataFrame(rows)
    with use_style():
        figure = _draw_accuracies(table, digits.name)
    return Outcome(figure, table, findings)


@torch.no_grad()
def score_neighbours(subject: Subject, digits: Digits, count: int) -> float:
    """Return the accuracy of the nearest labelled codes of M1."""
    rows = choose_labelled(digits.labels["train"], count, subject.seed)
    codes = encode_split(subject, digits.dataset.split("train")).numpy()[rows]
    sphere = subject.model.prior.groups[0].on == "sphere"
    neighbours = fit_neighbours(codes, digits.labels["train"][rows], sphere)
    test = subject.encoded.posterior.representation.numpy()
    return float(neighbours.score(test, digits.labels["test"]))


def score_labels(
    subject: Subject, digits: Digits, kind: str, d: int, count: int, steps: int
) -> float:
    """Train M2 on codes of M1, and return the accuracy of its classifier."""
    rows = choose_labelled(digits.labels["train"], count, subject.seed)
    model = train_labels(subject, digits, kind, d, rows, steps)
    test = subject.encoded.posterior.representation
    with torch.no_grad():
        found = model.classifier(test).argmax(1).numpy()
    return float((found == digits.labels["test"]).mean())


def _draw_accuracies(table: pd.DataFrame, name: str) -> Figure:
    figure = make_page(2.6)
    axes = figure.subplots()
    models = list(table["model"].unique())
    for i, (count, rows) in enumerate(table.groupby("labels")):
        axes.errorbar(
            np.arange(len(models)) + 0.1 * i,
            rows["accuracy"],
            rows["accuracy_se"],
            color=PALETTE[i % len(PALETTE)],
            marker="o",
            linestyle="none",
            capsize=2,
            label=f"{count} labels",
        )
    axes.set_xticks(range(len(models)), models)
    axes.set_xlim(-0.5, len(models) - 0.5)
    axes.set(title=name, ylabel="accuracy")
    axes.legend(loc="best")
    return figure
