"""Recovery of a hyperspherical latent space by Gaussian and spherical VAEs.

References: Davidson et al. 2018 (S-VAE), Figure 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure, SubFigure
from pydantic import Field
from scipy.linalg import orthogonal_procrustes
from scipy.stats import spearmanr
from torch import Tensor, nn

from priorbench.bench.figures.canvas import make_page
from priorbench.bench.models.architectures import stack_layers
from priorbench.bench.report.figures.style import PALETTE, use_style
from priorbench.bench.scoring.evaluate import (
    Subject,
    score_elbo,
    score_log_likelihood,
)
from priorbench.bench.toys.outcome import Outcome, register
from priorbench.bench.toys.training import (
    join_mean,
    summarise_seeds,
    track_methods,
    train_models,
)
from priorbench.datasets.arrays import from_splits
from priorbench.datasets.images import ImageDataset
from priorbench.metrics.arguments import Count
from priorbench.priors.base import Group
from priorbench.priors.hypersphere import HypersphereProduct
from priorbench.priors.posteriors.von_mises_fisher import VonMisesFisher

SIDE = 10
"""Of the image that the 100 dimensions are kept as."""

WIDTH = 32
"""Of the random network's hidden layer."""

HIDDEN = (64,)
"""Width of the encoders' one hidden layer."""

CLEAN = 0.25
"""Greatest distance of a noiseless value from the middle of [0, 1]."""

NOISE = 0.08
"""Standard deviation of the noise; 1 in 10,000 values has to be cut."""

CONCENTRATION = 6.0
"""κ of each component of the mixture."""

TEST = 600
IMPORTANCE = 200
"""Draws for each data point of the log-likelihood."""

ANGLES = (-np.pi, 0.0, np.pi)
ANGLE_NAMES = ("$-\\pi$", "0", "$\\pi$")

Summary = dict[str, tuple[float, float]]
"""Mean and standard error of each score over the seeds."""

SCORES = ("log_likelihood", "distances", "kl", "reconstruction")
"""Columns: nats per data point, but for the rank correlation of distances."""


@dataclass(frozen=True)
class Data:
    """Points of a sphere, and what the models see of them.

    Attributes:
        dataset: splits "train" and "test".
        z: true points of the test split, (n, d + 1).
        component: of the mixture, (n,); 0 for the uniform distribution.
    """

    dataset: ImageDataset
    z: Tensor
    component: Tensor


@dataclass(frozen=True)
class Method:
    """A latent space, with its name in the table and in the figure."""

    name: str
    label: str
    prior: dict[str, Any]
    beta: float = 1.0


def list_methods(sphere: int) -> list[Method]:
    """Return the methods that are compared on data of S^d, d = ``sphere``."""
    around = {"name": "normal", "latent_dim": sphere + 1}
    flat = {"name": "normal", "latent_dim": sphere}
    curved = {"name": "hypersphere", "dims": [sphere], "latent_dim": sphere + 1}
    torus = {"name": "hypersphere", "dims": [1, 1], "latent_dim": 4}
    methods = []
    for beta in (0.1, 1.0, 5.0):
        name, label = f"R^{sphere + 1}", f"$\\mathbb{{R}}^{sphere + 1}$"
        end = f"β = {beta:g}"
        methods.append(
            Method(f"N-VAE {name} {end}", f"N-VAE, {label}, {end}", around, beta)
        )
    plane = f"N-VAE, $\\mathbb{{R}}^{sphere}$, β = 1"
    return [
        *methods,
        Method(f"N-VAE R^{sphere} β = 1", plane, flat),
        Method(f"S-VAE S^{sphere} β = 1", f"S-VAE, $S^{sphere}$, β = 1", curved),
        Method("S-VAE S^1 x S^1 β = 1", "S-VAE, $S^1 \\times S^1$, β = 1", torus),
    ]


@register("sphere_recovery")
def show_sphere_recovery(
    sphere: Literal[1, 2] = 2,
    data: Literal["mixture", "uniform"] = "mixture",
    seeds: Count = 3,
    steps: Count = 800,
    points: Annotated[int, Field(ge=64)] = 3000,
) -> Outcome:
    """Recovery of a sphere by Gaussian and hyperspherical VAEs (S-VAE, Fig. 1).

    Args:
        sphere: dimension of the sphere that the data come from.
        data: "mixture" of three von Mises–Fisher distributions, or "uniform".
        seeds: models of each method.
        steps: of the optimiser.
        points: to train on.
    """
    made = make_data(sphere, data, points)
    methods = list_methods(sphere)
    likelihood = {"name": "gaussian", "sigma": NOISE}
    rows, shown, findings = [], [], []
    for method in track_methods(methods):
        subjects = train_models(
            method.prior, made.dataset, likelihood, HIDDEN, method.beta, seeds, steps
        )
        scores = pd.DataFrame([score_recovery(subject, made.z) for subject in subjects])
        summary = {name: summarise_seeds(scores[name]) for name in SCORES}
        row: dict[str, Any] = {"method": method.name, "n": seeds}
        for name, (mean, se) in summary.items():
            row |= {name: mean, f"{name}_se": se}
        rows.append(row)
        shown.append((method, subjects[0], summary))
        findings.append(
            f"{method.name}: log-likelihood {join_mean(*summary['log_likelihood'])} "
            f"nats, distances kept {join_mean(*summary['distances'])}"
        )
    with use_style():
        figure = _draw_recovery(made, sphere, shown)
    return Outcome(figure, pd.DataFrame(rows), findings)


def make_data(sphere: int, kind: str, points: int) -> Data:
    """Draw points of S^d, and push them through a random network with noise.

    The network is fixed, of one hidden layer, with tanh. Its outputs are scaled into
    [0, 1], where the project's images lie, and kept to 1/255.

    Args:
        sphere: dimension d.
        kind: "mixture" or "uniform".
        points: of the train split; the test split has :data:`TEST`.
    """
    generator = torch.Generator().manual_seed(0)
    count = points + TEST
    component = torch.zeros(count, dtype=torch.int64)
    if kind == "uniform":
        z = HypersphereProduct([sphere]).sample((count,), generator).double()
    else:
        component = torch.randint(3, (count,), generator=generator)
        family = VonMisesFisher(dims=(sphere,))
        q = family.at(_list_means(sphere)[component], CONCENTRATION)
        noise_dim = family.noise_dim(sphere + 1)
        z = q.rsample(torch.randn(count, noise_dim, generator=generator).double())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = stack_layers([sphere + 1, WIDTH, SIDE**2, 1], nn.Tanh).double()[:-1]
        for layer in network[::2]:
            nn.init.normal_(layer.weight, std=1.5 / layer.in_features**0.5)
    with torch.no_grad():
        clean = network(z)  # from -1 to 1
    noise = torch.randn(clean.shape, generator=generator).double()
    x = 0.5 + CLEAN * clean + NOISE * noise
    images = x.clamp(0, 1).float().numpy().reshape(-1, SIDE, SIDE)
    splits = {"train": images[:points], "test": images[points:]}
    return Data(
        from_splits(splits, "points of a sphere"),
        z[points:],
        component[points:],
    )


def _list_means(sphere: int) -> Tensor:
    """Return three directions, 120° apart on a great circle of S^d, (3, d + 1)."""
    angle = torch.arange(3).double() * 2 * torch.pi / 3 + 0.5
    circle = torch.stack([angle.cos(), angle.sin()], -1)
    if sphere == 1:
        return circle
    tilt = torch.tensor([0.0, 0.6, -0.6]).double()  # off the equator, to be told apart
    return torch.cat([circle * tilt.cos()[:, None], tilt.sin()[:, None]], -1)


@torch.no_grad()
def score_recovery(subject: Subject, z: Tensor) -> dict[str, float]:
    """Return the scores of a model, :data:`SCORES`.

    Args:
        subject: the model and the test images.
        z: their true points.
    """
    codes = subject.encoded.posterior.representation
    true = measure_distances(z, [Group(range(z.shape[1]), on="sphere")])
    coded = measure_distances(codes, subject.model.prior.groups)
    elbo = score_elbo(subject)
    estimate = score_log_likelihood(subject, IMPORTANCE, len(subject.pixels))
    return {
        "log_likelihood": estimate["log_likelihood"],
        "distances": correlate_distances(true, coded),
        "kl": elbo["kl"],
        "reconstruction": elbo["reconstruction"],
    }


def measure_distances(z: Tensor, groups: Sequence[Group]) -> Tensor:
    """Measure the geodesic distances of points to each other, (n, n).

    On a sphere it is the angle; a product's is the root of the sum of the squares.

    Args:
        z: (n, latent_dim).
        groups: of the latents, with where they live.
    """
    total = z.new_zeros(len(z), len(z), dtype=torch.float64)
    for group in groups:
        part = z[:, list(group.coordinates)].double()
        distance = torch.cdist(part, part, compute_mode="donot_use_mm_for_euclid_dist")
        if group.on == "sphere":
            distance = 2 * torch.arcsin((distance / 2).clamp(max=1))
        total += distance.square()
    return total.sqrt()


def correlate_distances(first: Tensor, second: Tensor) -> float:
    """Return Spearman's rank correlation of two tables of distances, (n, n)."""
    rows, columns = np.triu_indices(len(first), 1)
    return float(spearmanr(first[rows, columns], second[rows, columns]).statistic)


def _draw_recovery(
    made: Data, sphere: int, shown: Sequence[tuple[Method, Subject, Summary]]
) -> Figure:
    """Draw the true points, each method's codes of them, and the scores."""
    figure = make_page(4.0)
    cells = figure.subfigures(2, 4).flatten()
    truth = [Group(range(sphere + 1), on="sphere")]
    panels = [(f"true points of $S^{sphere}$\n", made.z, truth)]
    for method, subject, summary in shown:
        codes = subject.encoded.posterior.representation.detach().double()
        mean, se = summary["distances"]
        title = f"{method.label}\ndistances kept {mean:.3f} ± {se:.3f}"
        panels.append((title, codes, subject.model.prior.groups))
    for i, (title, codes, groups) in enumerate(panels):
        _draw_codes(cells[i], codes, groups, made)
        cells[i].suptitle(f"({'abcdefg'[i]}) {title}", fontsize=7)
    cells[-1].suptitle("(h) mean ± standard error\n", fontsize=7)
    axes = cells[-1].add_subplot()
    for i, (_, _, summary) in enumerate(shown):
        x, y = summary["log_likelihood"], summary["distances"]
        axes.errorbar(x[0], y[0], y[1], x[1], fmt="none", color="0.4", linewidth=0.8)
        axes.plot(x[0], y[0], "o", color="black", markersize=3)
        # the last lies below its point, free of the others
        offset = (-8, 2) if i < len(shown) - 1 else (3, -9)
        axes.annotate(
            "bcdefg"[i],
            x[:1] + y[:1],
            offset,
            textcoords="offset points",
            weight="bold",
        )
    axes.set(xlabel="log-likelihood (nats)", ylabel="distances kept")
    axes.margins(0.15)
    return figure


def _draw_codes(
    part: SubFigure, codes: Tensor, groups: Sequence[Group], made: Data
) -> None:
    """Draw codes in the picture that their space has, coloured by the true points."""
    spheres = [len(g.coordinates) - 1 for g in groups if g.on == "sphere"]
    look: dict[str, Any] = {"s": 3, "linewidths": 0, **_color_points(made)}
    if spheres == [made.z.shape[1] - 1]:
        # only up to a rotation or reflection do codes on the sphere mean anything
        turn, _ = orthogonal_procrustes(codes, made.z)
        codes = codes @ torch.from_numpy(turn)
    if spheres == [2]:
        axes = part.add_subplot(projection="hammer")
        axes.scatter(codes[:, 1].atan2(codes[:, 0]), codes[:, 2].arcsin(), **look)
        axes.set(xticklabels=[], yticklabels=[])
    elif spheres == [1, 1]:
        axes = part.add_subplot(xlabel="angle 1")
        first, second = (codes[:, i + 1].atan2(codes[:, i]) for i in (0, 2))
        axes.scatter(first, second, **look)
        axes.set(aspect="equal", xlim=ANGLES[::2], ylim=ANGLES[::2])
        axes.set_xticks(ANGLES, ANGLE_NAMES)
        axes.set_yticks(ANGLES, ANGLE_NAMES)
        axes.set_ylabel("angle 2", labelpad=-4)
    elif codes.shape[1] == 3:
        axes = part.add_subplot(projection="3d")
        axes.scatter(*codes.T, **look, depthshade=False)
        axes.set(xticklabels=[], yticklabels=[], zticklabels=[])
        low, high = codes.amin(0), codes.amax(0)
        axes.set_box_aspect((high - low).tolist(), zoom=1.15)
    elif codes.shape[1] == 2:
        axes = part.add_subplot(xlabel="$z_1$")
        axes.scatter(*codes.T, **look)
        axes.set(aspect="equal")
        axes.locator_params(nbins=4)
        axes.set_ylabel("$z_2$")
        if spheres:
            axes.set(xlim=(-1.1, 1.1), ylim=(-1.1, 1.1))
    else:
        axes = part.add_subplot(xlabel="true angle")
        axes.scatter(made.z[:, 1].atan2(made.z[:, 0]), codes[:, 0], **look)
        axes.set_xticks(ANGLES, ANGLE_NAMES)
        axes.set_ylabel("$z$")


def _color_points(made: Data) -> dict[str, Any]:
    """Return Matplotlib's options of the colours: of components, or of longitude."""
    if made.component.any():
        return {"c": [PALETTE[i] for i in made.component]}
    longitude = made.z[:, 1].atan2(made.z[:, 0])
    return {"c": longitude, "cmap": "twilight_shifted"}
