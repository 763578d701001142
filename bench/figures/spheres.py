"""Pictures of the posteriors on spheres: their divergence from the uniform prior.

References: Davidson et al. 2019, Figure B.1; Pérez Rey 2019, "Disentanglement
with Hyperspherical Latent Spaces using Diffusion Variational Autoencoders", Eq. 3.
"""

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from priorbench.bench.figures.canvas import make_page
from priorbench.bench.report.figures.style import PALETTE
from priorbench.priors.diffusion_sphere import DiffusionSphere
from priorbench.priors.spheres.bessel import kl_uniform

COORDINATES = np.arange(2, 101)
CONCENTRATIONS = np.geomspace(0.1, 1e4, 241)
LEVELS = (1e-3, 1e-2, 0.1, 0.5, 1, 2, 5, 10, 20, 50, 100)

SPHERES = (3, 10, 20)
STEPS = 5
TIMES = (1e-2, 3.0)
CURVES = {
    "exact": ("heat kernel, exact", PALETTE[0], "-"),
    "walk": (f"random walk of {STEPS} steps, exact", PALETTE[1], (0, (5, 1.5))),
    "paper": ("Eq. 3 of the paper", "0.0", (0, (1, 1))),
}


def tabulate_von_mises_fisher_kl() -> np.ndarray:
    """Compute KL(vMF || uniform) in nats, (concentrations, coordinates)."""
    kappa = torch.tensor(CONCENTRATIONS)
    columns = [kl_uniform(kappa, int(m)) for m in COORDINATES]
    return torch.stack(columns, dim=-1).numpy()


def draw_von_mises_fisher_kl() -> Figure:
    """Draw the KL of von Mises–Fisher to the uniform prior over κ and m (Fig. B.1)."""
    figure = make_page(3.7)
    axes = figure.add_subplot(yscale="log")
    surface = (COORDINATES, CONCENTRATIONS, tabulate_von_mises_fisher_kl(), LEVELS)
    filled = axes.contourf(*surface, norm=LogNorm(), cmap="viridis", extend="both")
    colors = ["white" if level < 0.5 else "black" for level in LEVELS]
    lines = axes.contour(*surface, linewidths=0.6, colors=colors)
    axes.set(
        xlabel="number of coordinates $m$ of the sphere $S^{m-1}$",
        ylabel=r"concentration $\kappa$",
        xlim=(2, 100),
        ylim=(0.1, 1e4),
        title="KL(von Mises–Fisher $\\|$ uniform), nats",
    )
    axes.set_xticks([2, *range(10, 101, 10)])
    axes.grid(visible=False)
    # a label on every contour, at two abscissas in turn, so that neighbours stay apart
    points = []
    for i, path in enumerate(lines.get_paths()):
        x, y = path.vertices.T
        abscissa = 65 if i % 2 else 45
        nearest = np.abs(x - abscissa).argmin()
        points.append((x[nearest], y[nearest]))
    labels = axes.clabel(lines, fmt="%g", fontsize=7, manual=points, inline_spacing=3)
    for label in labels:
        label.set_rotation(0)
    bar = figure.colorbar(filled, ax=axes, ticks=LEVELS, format="%g", pad=0.01)
    bar.set_label("KL (nats)")
    bar.ax.minorticks_off()
    return figure


def compute_delta_vae_kl(d: int, kl: str, t: np.ndarray) -> np.ndarray:
    """Compute the KL of the ΔVAE posterior on S^d to the uniform prior.

    Args:
        d: dimension of the sphere.
        kl: which of :class:`DiffusionSphere`'s: "exact", "walk" or "paper".
        t: times, (n,).

    Returns:
        Divergences in nats, (n,).
    """
    family = DiffusionSphere(d, steps=STEPS, kl=kl).posterior
    pole = torch.eye(d + 1, dtype=torch.float64)[0]
    direction = pole.expand(len(t), -1)
    concentration = torch.tensor(1 / t)[:, None]
    q = family.at(direction, concentration)
    return q.kl_spheres()[:, 0].numpy()


def draw_delta_vae_kl() -> Figure:
    """Draw the exact KL of the heat kernel and of the random walk beside Eq. 3."""
    figure = make_page(2.7)
    panels = figure.subplots(1, len(SPHERES), sharey=True)
    for axes, d in zip(panels, SPHERES, strict=True):
        _draw_divergences(axes, d)
        axes.set_xlim(TIMES)
        axes.set_ylim(1e-2, 30)
        axes.set_xlabel("time $t$")
        axes.set_title(f"sphere $S^{{{d}}}$")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_major_formatter("{x:g}")
    panels[0].set_ylabel("KL (nats)")
    handles = panels[0].get_lines()[: len(CURVES) + 1]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    figure.suptitle(
        "KL of the ΔVAE posterior on $S^d$ to the uniform prior, over its time"
    )
    return figure


def _draw_divergences(axes: Axes, d: int) -> None:
    """Draw the curves of one sphere, and the minimum of Eq. 3."""
    t = np.geomspace(*TIMES, 241)
    for kl, (name, color, line) in CURVES.items():
        axes.loglog(
            t,
            compute_delta_vae_kl(d, kl, t),
            color=color,
            linestyle=line,
            linewidth=1.2,
            label=name,
        )
    lowest = np.array([2 / (d - 1)])
    axes.plot(
        lowest,
        compute_delta_vae_kl(d, "paper", lowest),
        linestyle="none",
        marker="o",
        markersize=4,
        color=CURVES["paper"][1],
        label="its minimum, $t = 2/(d-1)$",
    )
    axes.axvspan(lowest[0], TIMES[1], color="0.94", zorder=0, linewidth=0)
