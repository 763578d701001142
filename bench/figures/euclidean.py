"""Pictures of the priors on Euclidean space.

References: Stühmer et al. 2019 (ISA-VAE), Figures 2 and 3.
"""

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LightSource
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from mpl_toolkits.mplot3d import Axes3D

from priorbench.bench.figures import highest_density
from priorbench.bench.figures.canvas import make_page
from priorbench.bench.report.figures.style import PALETTE
from priorbench.priors.generalized_gaussian import GeneralizedGaussian
from priorbench.priors.lp_nested import LpNested

MASSES = (0.9, 0.5, 0.1)
SHADES = ("#d6e6f4", "#7fb5d9", "#2b73b3")  # from the outermost region to the innermost
TREES = (
    (2, 2, "normal"),
    (1, 1, "Laplace"),
    (9, 9, "sub-Gaussian"),
    (1, 9, "nested"),
    (9, 1, "nested"),
)
SURFACE_EXPONENTS = (1, 2, 9)
SLICES = ((0, 1, "slice $z_3 = 0$"), (1, 2, "slice $z_1 = 0$"))
_EXTENT = 4.1  # of the slices, standard deviations
_REACH = 2.1  # of the surfaces

EXPONENTS = {
    1.0: "$p = 1$, leptokurtic",
    2.0: "$p = 2$, normal",
    2.4: "$p = 2.4$, platykurtic",
    8.0: "$p = 8$, platykurtic",
}
_COLORS = dict(zip(EXPONENTS, (PALETTE[0], "0.3", PALETTE[1], PALETTE[2]), strict=True))
_LINES = dict(
    zip(EXPONENTS, ("-", (0, (4, 2)), "-", (0, (5, 1.2, 1, 1.2))), strict=True)
)
_SHOWN = 1500  # samples in a panel


def make_nested_prior(p0: float, p1: float) -> LpNested:
    r"""Make the prior of Eq. 6, with coordinates of unit variance on average.

    Its function is :math:`f = (|z_1|^{p_0} + \|(z_2, z_3)\|_{p_1}^{p_0})^{1/p_0}`.
    """
    return LpNested([float(p0), [0, [float(p1), [1, 2]]]], scale="unit")


def make_unit_prior(p: float, latent_dim: int) -> GeneralizedGaussian:
    """Make a generalized Gaussian of unit variance."""
    scale = GeneralizedGaussian(1, p).variance() ** (-p / 2)
    return GeneralizedGaussian(latent_dim, p, scale)


def draw_nested_contours() -> Figure:
    """Draw surfaces and slices of Lp-nested densities in three dimensions (Fig. 2)."""
    figure = make_page(5.3)
    grid = figure.add_gridspec(3, len(TREES), height_ratios=(1.1, 1, 1))
    for column, (p0, p1, name) in enumerate(TREES):
        prior = make_nested_prior(p0, p1)
        solid = figure.add_subplot(grid[0, column], projection="3d")
        solid.set_title(f"$p_0 = {p0}$, $p_1 = {p1}$\n{name}", pad=12)
        _draw_surface(solid, prior)
        bounds = highest_density.estimate_levels(prior, MASSES)
        for row, (first, second, label) in enumerate(SLICES, start=1):
            axes = figure.add_subplot(grid[row, column])
            _draw_slice(axes, prior, first, second, bounds)
            axes.set_ylabel(
                f"{label}\n$z_{second + 1}$" if column == 0 else "", labelpad=1
            )
            axes.tick_params(labelleft=column == 0)
    figure.suptitle(
        "$L_p$-nested densities of unit variance, "
        "$f(z) = (|z_1|^{p_0} + (|z_2|^{p_1} + |z_3|^{p_1})^{p_0/p_1})^{1/p_0}$"
    )
    beside = figure.axes[0]
    beside.text2D(
        -0.3,
        0.5,
        "surface\n50% of the mass",
        transform=beside.transAxes,
        rotation=90,
        ha="center",
        va="center",
    )
    patches = []
    for mass, shade in zip(MASSES, SHADES, strict=True):
        label = f"{mass:.0%} of the probability mass"
        patches.append(
            Patch(facecolor=shade, edgecolor="0.25", linewidth=0.6, label=label)
        )
    figure.legend(handles=patches, loc="outside lower center", ncols=len(MASSES))
    return figure


def draw_nested_surfaces() -> Figure:
    """Draw the surface of Eq. 6 for all combinations of two exponents (Fig. 2)."""
    figure = make_page(6.4)
    count = len(SURFACE_EXPONENTS)
    grid = figure.add_gridspec(count, count)
    for row, p0 in enumerate(SURFACE_EXPONENTS):
        for column, p1 in enumerate(SURFACE_EXPONENTS):
            axes = figure.add_subplot(grid[row, column], projection="3d")
            axes.set_title(f"$p_0 = {p0}$, $p_1 = {p1}$", pad=8)
            _draw_surface(axes, make_nested_prior(p0, p1))
    figure.suptitle(
        "Surfaces that hold half of the mass, "
        "$f(z) = (|z_1|^{p_0} + (|z_2|^{p_1} + |z_3|^{p_1})^{p_0/p_1})^{1/p_0}$"
    )
    return figure


def _draw_surface(axes: Axes3D, prior: LpNested) -> None:
    """Draw the surface that bounds half of the mass, and the coordinate axes."""
    x, y, z = highest_density.trace_surface(prior, 0.5)
    axes.plot_surface(
        x,
        y,
        z,
        rcount=len(x),
        ccount=x.shape[1],
        color=SHADES[1],
        linewidth=0,
        antialiased=False,
        lightsource=LightSource(azdeg=85, altdeg=40),
    )
    radius = np.abs(z[0, 0])  # where the surface meets every axis
    for i, axis in enumerate(np.eye(3), start=1):
        axes.plot(*np.outer(axis, (radius, radius + 0.6)), color="0.45", linewidth=0.8)
        axes.text(
            *(radius + 1.0) * axis, f"$z_{i}$", fontsize=7, ha="center", va="center"
        )
    axes.set(xlim=(-_REACH, _REACH), ylim=(-_REACH, _REACH), zlim=(-_REACH, _REACH))
    axes.set_box_aspect((1, 1, 1), zoom=1.3)
    axes.view_init(elev=22, azim=35)
    axes.set_axis_off()


def _draw_slice(
    axes: Axes, prior: LpNested, first: int, second: int, bounds: list[float]
) -> None:
    line, log_prob = highest_density.evaluate_plane(prior, first, second, _EXTENT)
    axes.contourf(line, line, log_prob, [*bounds, np.inf], colors=SHADES)
    axes.contour(
        line, line, log_prob, bounds, colors="0.25", linewidths=0.6, linestyles="solid"
    )
    axes.set(aspect="equal", xticks=(-3, 0, 3), yticks=(-3, 0, 3))
    axes.set_xlabel(f"$z_{first + 1}$", labelpad=1)


def draw_kurtosis() -> Figure:
    """Draw lepto- and platykurtic generalized Gaussians of unit variance (Fig. 3)."""
    figure = make_page(2.55)
    panels = figure.subplots(1, 4)
    z = torch.linspace(-4, 4, 801, dtype=torch.float64)
    for p, name in EXPONENTS.items():
        density = make_unit_prior(p, 1).log_prob(z[:, None]).exp()
        look = {"color": _COLORS[p], "linestyle": _LINES[p], "linewidth": 1.2}
        panels[0].plot(z, density, **look, label=name)
    panels[0].set_xlim(-4, 4)
    panels[0].set_ylim(0, None)
    panels[0].set_xlabel("$z$")
    panels[0].set_ylabel("density $p(z)$", labelpad=1)
    panels[0].set_title("one latent")
    panels[0].set_box_aspect(1)
    for axes, p in zip(panels[1:], (1.0, 2.4, 8.0), strict=True):
        _draw_samples(axes, p)
        axes.tick_params(labelleft=p == 1.0)
    panels[1].set_ylabel("$z_2$", labelpad=-3)
    figure.legend(handles=panels[0].get_lines(), loc="outside lower center", ncols=4)
    figure.suptitle(
        "Generalized Gaussian densities of unit variance; contours hold 50% and 90% "
        "of the probability mass"
    )
    return figure


def _draw_samples(axes: Axes, p: float) -> None:
    """Draw samples of two latents, and the contours of 50% and 90% of the mass."""
    axes.plot(
        *highest_density.draw_samples(make_unit_prior(p, 2), _SHOWN).T,
        linestyle="none",
        marker=".",
        markersize=1.5,
        color=_COLORS[p],
        alpha=0.5,
        markeredgewidth=0,
    )
    for q in (2.0, p):
        prior = make_unit_prior(q, 2)
        line, log_prob = highest_density.evaluate_plane(prior, 0, 1, 3.6)
        axes.contour(
            line,
            line,
            log_prob,
            highest_density.estimate_levels(prior, (0.9, 0.5)),
            colors=_COLORS[q],
            linestyles=[_LINES[2.0] if q == 2.0 else "-"],
            linewidths=1.1,
        )
    axes.set(
        aspect="equal",
        xlim=(-3.6, 3.6),
        ylim=(-3.6, 3.6),
        xticks=(-2, 0, 2),
        yticks=(-2, 0, 2),
        xlabel="$z_1$",
        title=f"two latents, $p = {p:g}$",
    )
