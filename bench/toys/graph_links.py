"""Prediction of links by variational graph autoencoders of the plane and the sphere.

References: Davidson et al. 2018 (S-VAE), Figure 3 and section 5.4; Kipf and Welling
2016 (VGAE).
"""

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
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, relu

from priorbench.bench.figures.canvas import make_page
from priorbench.bench.report.figures.style import LINES, MARKERS, PALETTE, use_style
from priorbench.bench.toys.graphs import (
    Graph,
    HeldOut,
    load_graph,
    make_blocks,
    split_links,
)
from priorbench.bench.toys.latent_spaces import KINDS, draw_codes, make_prior
from priorbench.bench.toys.outcome import Outcome, register
from priorbench.bench.toys.training import join_mean, summarise_seeds, track_methods
from priorbench.metrics.arguments import Count
from priorbench.priors.base import Prior, build_prior
from priorbench.priors.posteriors.base import Posterior

NODES, BLOCKS, INSIDE, OUTSIDE = 300, 6, 0.2, 0.008
"""The graph that is made: each node has about ten links in its block and two others."""

DIMENSIONS = (2, 5)
HIDDEN = 32
LEARNING_RATE = 0.03
SPREAD = 2.0
"""Standard deviation that logits of draws from the prior have at first."""

DRAWN = 100
CHECK = 10
"""Steps between two looks at the links to validate on."""


@dataclass(frozen=True)
class Fit:
    """A model at its best step.

    Attributes:
        codes: (N, latent_dim).
        valid: area under the ROC curve on the links to validate on.
        scores: of the links to test on, and the bound and KL of a node, in nats.
    """

    codes: Tensor
    valid: float
    scores: dict[str, float]


class GraphAutoencoder(nn.Module):
    """Encode nodes by two graph convolutions, decode pairs by inner products.

    p(link) = σ(exp(s) z_i · z_j + b) with learned s and b: the inner product of unit
    vectors alone could not say that a link is rare. s begins where draws from the prior
    give logits of the same spread in every space, b at the share of links.

    Args:
        prior: p(z) of a node.
        num_features: of a node.
        density: share of the pairs that are linked.
    """

    def __init__(self, prior: Prior, num_features: int, density: float) -> None:
        super().__init__()
        self.prior = prior
        out = prior.posterior.num_params(prior.latent_dim)
        self.first = nn.Linear(num_features, HIDDEN, bias=False)
        self.second = nn.Linear(HIDDEN, out, bias=False)
        for layer in (self.first, self.second):
            nn.init.xavier_uniform_(layer.weight)
        z = prior.sample((DRAWN,))
        spread = (z @ z.T)[~torch.eye(DRAWN, dtype=torch.bool)].std()
        self.log_scale = nn.Parameter((SPREAD / spread).log())
        self.bias = nn.Parameter(torch.tensor(density).logit())

    def encode(self, mixing: Tensor, features: Tensor) -> Posterior:
        """Return q(z) of each node.

        Args:
            mixing: D^{-1/2} (A + I) D^{-1/2}, (N, N).
            features: (N, num_features).
        """
        hidden = relu(mixing @ self.first(features))
        return self.prior.posterior(mixing @ self.second(hidden))

    def decode(self, z: Tensor) -> Tensor:
        """Return the logits of links, (N, N), of codes (N, latent_dim)."""
        return self.log_scale.exp() * (z @ z.T) + self.bias


def mix_neighbours(links: Tensor) -> Tensor:
    """Return D^{-1/2} (A + I) D^{-1/2} of links A, (N, N), with the degrees D."""
    joined = links.float() + torch.eye(len(links))
    root = joined.sum(1).rsqrt()
    return root[:, None] * joined * root


def train_model(graph: Graph, choice: Mapping[str, Any], seed: int, steps: int) -> Fit:
    """Train a model on the links that a seed leaves, and score the others.

    The loss is the negative bound over all pairs but those held out, per node. Kept is
    the step that predicts the links to validate on best.

    Args:
        graph: the whole graph.
        choice: name and arguments of the prior.
        seed: of the split, the initialisation and the noise.
        steps: of Adam.
    """
    training, valid, test = split_links(graph, seed)
    links = torch.from_numpy(training)
    known = torch.ones_like(links).triu(1)
    for held in (valid, test):
        known[tuple(held.pairs)] = False
    mixing, size = mix_neighbours(links), len(links)
    features = torch.eye(size)
    if graph.features is not None:
        features = torch.from_numpy(graph.features)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        prior = build_prior(**choice)
        density = float(links[known].float().mean())
        model = GraphAutoencoder(prior, features.shape[1], density)
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE)
    target, best = links[known].float(), None
    width = prior.posterior.noise_dim(prior.latent_dim)
    for step in range(1, steps + 1):
        q = model.encode(mixing, features)
        z = q.rsample(torch.randn(size, width, generator=generator))
        kl = prior.kl(q, z).sum() / size
        logits = model.decode(z)[known]
        misfit = binary_cross_entropy_with_logits(logits, target, reduction="sum")
        loss = misfit / size + kl
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % CHECK == 0 or step == steps:
            codes = model.encode(mixing, features).representation.detach()
            inner = (codes @ codes.T).numpy()
            auc = score_links(inner, valid)["auc"]
            if best is None or auc > best.valid:
                nats = {"elbo": -loss.item(), "kl": kl.item()}
                best = Fit(codes, auc, score_links(inner, test) | nats)
    assert best is not None
    return best


def score_links(scores: np.ndarray, held: HeldOut) -> dict[str, float]:
    """Return the area under the ROC curve and the average precision.

    Args:
        scores: of all pairs, (N, N); higher where a link is likelier.
        held: pairs that are scored.
    """
    from sklearn import metrics  # takes a second to import

    values = scores[tuple(held.pairs)]
    return {
        "auc": float(metrics.roc_auc_score(held.linked, values)),
        "ap": float(metrics.average_precision_score(held.linked, values)),
    }


@register("graph_links")
def show_graph_links(
    folder: str | None = None,
    seeds: Count = 3,
    steps: Count = 250,
    dimensions: Annotated[Sequence[Count], Field(min_length=1)] = DIMENSIONS,
) -> Outcome:
    """Links of a graph, predicted in the plane and on the sphere (S-VAE, section 5.4).

    Args:
        folder: of a graph's files; None for a random graph of blocks.
        seeds: splits of the links, each with a model of each latent space.
        steps: of the optimiser.
        dimensions: d of R^d and S^d; those of the picture are 2.

    Raises:
        UserError: a file is missing or wrong.
    """
    made = folder is None
    graph = make_blocks(NODES, BLOCKS, INSIDE, OUTSIDE, 0)
    if folder is not None:
        graph = load_graph(Path(folder).expanduser())
    findings = [f"{len(graph.links):,} nodes, {graph.links.sum() // 2:,} links"]
    if graph.left_out:
        findings[0] += f"; {graph.left_out} left out, of nodes without features"
    rows, shown = [], {}
    for kind, d in track_methods([(kind, d) for d in dimensions for kind in KINDS]):
        name, prior = kind.replace("VAE", "VGAE"), make_prior(kind, d)
        fits = [train_model(graph, prior, seed, steps) for seed in range(seeds)]
        rows.append(_summarise_fits({"model": name, "d": d, "n": seeds}, fits))
        if d == 2:
            shown[name] = fits[0].codes
    if made:
        same = (graph.labels[:, None] == graph.labels).astype(float)
        same += np.random.default_rng(1).random(same.shape) / 2  # there are no ties
        held = [split_links(graph, seed)[2] for seed in range(seeds)]
        known = [Fit(torch.empty(0), np.nan, score_links(same, test)) for test in held]
        rows.append(_summarise_fits({"model": "true blocks", "n": seeds}, known))
    for row in rows:
        auc, ap = (join_mean(row[name], row[f"{name}_se"]) for name in ("auc", "ap"))
        where = f" d = {row['d']}" if "d" in row else ""
        findings.append(f"{row['model']}{where}: AUC {auc}; average precision {ap}")
    table = pd.DataFrame(rows)
    with use_style():
        figure = _draw_links(graph, shown, table)
    return Outcome(figure, table, findings)


def _summarise_fits(row: dict[str, Any], fits: Sequence[Fit]) -> dict[str, Any]:
    for name in fits[0].scores:
        values = [fit.scores[name] for fit in fits]
        row[name], row[f"{name}_se"] = summarise_seeds(values)
    return row


def _draw_links(
    graph: Graph, shown: Mapping[str, Tensor], table: pd.DataFrame
) -> Figure:
    """Draw the codes in two dimensions, and the scores over the dimensions."""
    figure = make_page(5.6 if shown else 2.4)
    below: Any = figure
    if shown:
        above, below = figure.subfigures(2, 1, height_ratios=(3.2, 2.4))
        for place, (name, codes) in enumerate(shown.items()):
            draw_codes(above, place, codes, graph.labels, f"{name}: {graph.name}")
    titles = {"auc": "area under the ROC curve", "ap": "average precision"}
    panels = below.subplots(1, 2)
    for axes, letter, (score, title) in zip(panels, "cd", titles.items(), strict=True):
        _draw_scores(axes, table, score)
        axes.set(title=f"({letter}) {title}", xlabel="$d$")
    panels[0].legend(loc="best")
    return figure


def _draw_scores(axes: Axes, table: pd.DataFrame, score: str) -> None:
    for i, (name, rows) in enumerate(table.groupby("model", sort=False)):
        look = {"color": PALETTE[i], "linestyle": LINES[i], "label": name}
        if rows["d"].isna().all():
            axes.axhline(rows[score].item(), linewidth=1, **look)
            continue
        axes.errorbar(
            rows["d"],
            rows[score],
            rows[f"{score}_se"],
            marker=MARKERS[i],
            markersize=3.5,
            linewidth=1.1,
            capsize=2,
            **look,
        )
    dimensions = sorted(table["d"].dropna().unique())
    axes.set_xscale("log")
    axes.set_xticks(dimensions, [f"{d:g}" for d in dimensions], minor=False)
    axes.minorticks_off()
