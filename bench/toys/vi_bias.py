"""Biases of variational inference: what it orthogonalises, and what it prunes.

References: Stühmer et al. 2019 (ISA-VAE), Figure 1 and appendix B. The paper gives
neither weights, noise nor number of data points: those here are our own.
"""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from pydantic import Field
from torch import Tensor

from priorbench.bench.figures.canvas import make_page
from priorbench.bench.report.figures.style import LINES, PALETTE, use_style
from priorbench.bench.toys.component_analysis import (
    Ascent,
    Problem,
    ascend_free_energy,
    draw_sources,
    measure_components,
)
from priorbench.bench.toys.factor_analysis import (
    compute_free_energy,
    compute_log_likelihood,
    rotate,
)
from priorbench.bench.toys.outcome import Outcome, register
from priorbench.metrics.arguments import Count

LENGTHS = (2.0, 1.0)
"""Of the orthogonal weights of factor analysis, whose directions are PCA's."""

TURN = 0.5
"""Angle of the first of them, in radians."""

NOISE = 0.5
"""Standard deviation of the noise of factor analysis."""

BETAS = (1.0, 2.0, 5.0, 10.0)

DIRECTIONS = (20.0, 55.0, 120.0)
"""Of the three components of the ICA, degrees; they have length 1."""

PAPER_V = 3.5
SPARSER = (PAPER_V, 1.5, 1.0)
"""Degrees of freedom: the paper's, and those of sparser sources."""

ICA_NOISE = 0.02
STRENGTHS = (1.0, 5.0)
STOPPED = 44
"""Steps after which Fig. 1 is drawn."""

TRACED = (0.005, 0.02, 0.1)
"""Noises of which the ascent is drawn."""

SWEPT = (0.005, 0.02, 0.07, 0.2, 0.5, 1.0)
"""Noises, in units of the sources' scale, at which the ascent goes to the end."""

PRUNED = 0.05
"""Length, as a part of the longest's, below which we call a component pruned."""

Row = tuple[str, str, float, str, float]
COLUMNS = ("experiment", "setting", "x", "quantity", "value")


@register("vi_bias")
def show_vi_bias(
    points: Annotated[int, Field(ge=10)] = 200,
    steps: Annotated[int, Field(ge=STOPPED)] = 300,
    datasets: Count = 3,
) -> Outcome:
    """Biases of variational inference in factor analysis and ICA (ISA-VAE, Fig. 1).

    Args:
        points: data points of the ICA.
        steps: of the ascent of its free energy.
        datasets: of the sweep over the noise.
    """
    rows: list[Row] = []
    with use_style():
        figure = make_page(7.6)
        parts = figure.subfigures(3, 1, height_ratios=(2.2, 2.7, 2.7))
        top, middle, bottom = (
            part.subplots(1, count)
            for part, count in zip(parts, (4, 3, 2), strict=True)
        )
        rows += _draw_rotation(top[0])
        rows += _draw_overcomplete(top[1])
        rows += _draw_betas(top[2])
        rows += _draw_lengths(top[3])
        cases = [(s, b, PAPER_V, 0) for s in TRACED for b in STRENGTHS]
        ascent, problem = climb(cases, points, steps)
        first = cases.index((ICA_NOISE, STRENGTHS[0], PAPER_V, 0))
        _draw_directions(middle, problem.x[first].numpy(), ascent, first)
        rows += _draw_ascents(bottom[0], ascent, cases)
        swept = [
            (s, 1.0, v, d) for v in SPARSER for s in SWEPT for d in range(datasets)
        ]
        # β = 5 at a noise is β = 1 at √5 of it; one setting is climbed to confirm it
        end, _ = climb(swept, points, steps)
        rows += _draw_sweep(bottom[1], end, swept, datasets)
        for axes, letter in zip([*top, *middle, *bottom], "abcdefghi", strict=True):
            axes.set_title(f"({letter}) {axes.get_title()}")
    return Outcome(
        figure, pd.DataFrame(rows, columns=COLUMNS), _list_findings(rows, ascent, first)
    )


def make_weights() -> tuple[Tensor, Tensor, Tensor]:
    """Return W in PCA's directions, D, and the covariance S that W maximises for."""
    double = partial(torch.tensor, dtype=torch.float64)
    W = rotate(double(TURN)) * double(LENGTHS)
    D = double([NOISE**2, NOISE**2])
    return W, D, W @ W.T + torch.diag(D)


def make_overcomplete(alpha: Tensor, rho: float = 1.0) -> Tensor:
    """Return the weights of Eq. 23, (..., 2, 3), all with the same covariance."""
    half = 0.5**0.5
    second = (1 - alpha.square()).clamp(min=0).sqrt()
    third = torch.full_like(alpha, rho)
    above = torch.stack([alpha, second, third], -1)
    below = torch.stack([alpha, second, -third], -1)
    return half * torch.stack([above, below], -2)


def climb(
    cases: Sequence[tuple[float, float, float, int]], points: int, steps: int
) -> tuple[Ascent, Problem]:
    """Climb the free energy of ICA from the true weights and sources.

    Args:
        cases: noise, β, degrees of freedom and number of the data set of each.
        points: data points.
        steps: of the ascent.
    """
    sigma, beta, v, _ = torch.tensor(cases, dtype=torch.float64).T
    angle = torch.deg2rad(torch.tensor(DIRECTIONS, dtype=torch.float64))
    W = torch.stack([angle.cos(), angle.sin()]).expand(len(cases), 2, -1)
    z = torch.stack([draw_sources(c[2], points, 3, c[3]) for c in cases])
    generators = [torch.Generator().manual_seed(c[3]) for c in cases]
    noise = torch.stack(
        [torch.randn(points, 2, generator=g, dtype=torch.float64) for g in generators]
    )
    x = z @ W.mT + sigma[:, None, None] * noise
    problem = Problem(x, sigma, v, beta)
    return ascend_free_energy(problem, W, z, steps), problem


def _draw_rotation(axes: Axes) -> list[Row]:
    """Draw B.3: log-likelihood and free energy over the rotation of the latents."""
    W, D, S = make_weights()
    degrees = torch.arange(0, 181, 3, dtype=torch.float64)
    turned = W @ rotate(torch.deg2rad(degrees))
    curves = {
        "log-likelihood": compute_log_likelihood(turned, D, S),
        "free energy": compute_free_energy(turned, D, S),
    }
    for i, (name, values) in enumerate(curves.items()):
        axes.plot(degrees, values, color=PALETTE[i], linestyle=LINES[i], label=name)
    axes.set(title="B.3: PCA's axes", xlabel="rotation (degrees)")
    axes.set(ylabel="nats per point", xticks=(0, 90, 180))
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.4 * (high - low))
    axes.legend(loc="upper center", handlelength=1.5, borderaxespad=0.1)
    return _list_rows("B.3", "beta=1", degrees, curves)


def _draw_overcomplete(axes: Axes) -> list[Row]:
    """Draw B.4: the same over the share of a component that is not needed."""
    _, D, _ = make_weights()
    alpha = torch.linspace(0, 1, 81, dtype=torch.float64)
    W = make_overcomplete(alpha)
    S = W[0] @ W[0].T + torch.diag(D)
    curves = {
        "log-likelihood": compute_log_likelihood(W, D, S),
        "free energy": compute_free_energy(W, D, S),
    }
    for i, values in enumerate(curves.values()):
        axes.plot(alpha, values, color=PALETTE[i], linestyle=LINES[i])
    axes.set(title="B.4: pruning", xlabel=r"weight $\alpha$ of Eq. 23")
    return _list_rows("B.4", "beta=1", alpha, curves)


def _draw_betas(axes: Axes) -> list[Row]:
    """Draw B.5: the free energy over the rotation at several β."""
    W, D, S = make_weights()
    degrees = torch.arange(0, 181, 3, dtype=torch.float64)
    turned = W @ rotate(torch.deg2rad(degrees))
    rows = []
    for i, beta in enumerate(BETAS):
        free = compute_free_energy(turned, D, S, beta)
        free = free - free[0]
        look = {"color": PALETTE[i], "linestyle": LINES[i]}
        axes.plot(degrees, free, **look, label=f"$\\beta = {beta:g}$")
        rows += _list_rows("B.5", f"beta={beta:g}", degrees, {"free energy": free})
    axes.set(title=r"B.5: the same at every $\beta$", xlabel="rotation (degrees)")
    axes.set(xticks=(0, 90, 180), ylabel=r"$F_\beta / \beta$ less its best")
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.5 * (high - low))
    axes.legend(
        loc="upper center", ncols=2, handlelength=1.4, columnspacing=0.8, fontsize=6.5
    )
    return rows


def compute_best_lengths(beta: np.ndarray) -> np.ndarray:
    r"""Compute the weights' lengths at the best free energy, noise fixed, (..., 2).

    :math:`\sqrt{\max(0, λ_k - β σ^2)}`, λ the eigenvalues of the data's covariance.
    """
    eigenvalues = np.square(LENGTHS) + NOISE**2
    return np.sqrt(np.maximum(0, eigenvalues - beta[..., None] * NOISE**2))


def _draw_lengths(axes: Axes) -> list[Row]:
    """Draw what β does change: the lengths of the weights, until they are pruned."""
    beta = np.linspace(0, 20, 401)
    lengths = compute_best_lengths(beta)
    curves = {}
    for k, length in enumerate(lengths.T):
        name = f"component {k + 1}"
        axes.plot(beta, length, color=PALETTE[k], linestyle=LINES[k], label=name)
        curves[f"length of {name}"] = torch.from_numpy(length[::20])
    axes.set(title="B.5: but shorter", xlabel=r"$\beta$", ylabel="best length")
    axes.set_ylim(0, 3)
    axes.legend(loc="upper right", handlelength=1.5, borderaxespad=0.1)
    return _list_rows("B.5", "noise fixed", torch.from_numpy(beta[::20]), curves)


def _draw_directions(
    panels: Sequence[Axes], x: np.ndarray, ascent: Ascent, first: int
) -> None:
    """Draw Fig. 1: data, the true components, and those of β = 1 and 5."""
    titles = [f"B.8: data, $\\sigma = {ICA_NOISE}$, $v = {PAPER_V}$"]
    titles += [f"VI, $\\beta = {b:g}$" for b in STRENGTHS]
    kept = [ascent.weights[0, first], *ascent.weights[STOPPED, first : first + 2]]
    ends = [None, *ascent.W[first : first + 2]]
    for i, axes in enumerate(panels):
        axes.plot(*x.T, ".", color=PALETTE[6], markersize=3, markeredgewidth=0)
        _draw_components(axes, kept[0], color=PALETTE[0], linewidth=2.2, alpha=0.75)
        if i > 0:
            _draw_components(axes, kept[i], color=PALETTE[1], linewidth=1.6)
            _draw_components(
                axes, ends[i], color="black", linewidth=1.0, linestyle=LINES[2]
            )
        axes.set(title=titles[i], xlabel="$x_1$", aspect="equal")
        axes.set(
            xlim=(-4.4, 4.4), ylim=(-3.6, 3.6), xticks=(-4, 0, 4), yticks=(-3, 0, 3)
        )
    panels[0].set_ylabel("$x_2$", labelpad=-2)
    key = [
        Line2D([], [], color=PALETTE[0], linewidth=2.2, label="true"),
        Line2D([], [], color=PALETTE[1], label=f"after {STOPPED} steps"),
        Line2D(
            [], [], color="black", linestyle=LINES[2], label="at the end of the ascent"
        ),
    ]
    panels[0].figure.legend(handles=key, loc="outside lower center", ncols=3)


def _draw_components(axes: Axes, W: Tensor, **look: Any) -> None:
    """Draw each column of W as a line through the origin, twice its length each way."""
    for w in W.T.numpy():
        axes.plot(*np.outer(w, (-2, 2)), solid_capstyle="butt", **look)


def compute_shortest(W: Tensor) -> Tensor:
    """Compute the shortest component's length as a part of the longest's, (...)."""
    lengths, _ = measure_components(W)
    return lengths.amin(-1) / lengths.amax(-1)


def _draw_ascents(
    axes: Axes, ascent: Ascent, cases: Sequence[tuple[float, float, float, int]]
) -> list[Row]:
    """Draw the shortest component over the steps, for noises and β."""
    shortest = compute_shortest(ascent.weights)
    steps = torch.arange(len(shortest), dtype=torch.float64)
    rows = []
    for i, (sigma, beta, *_) in enumerate(cases):
        look = {"color": PALETTE[TRACED.index(sigma)]}
        look["linestyle"] = LINES[STRENGTHS.index(beta)]
        name = f"$\\sigma = {sigma:g}$, $\\beta = {beta:g}$"
        axes.plot(steps, shortest[:, i], **look, label=name)
        setting = f"sigma={sigma:g} beta={beta:g}"
        curves = {
            "shortest / longest component": shortest[:, i],
            "free energy / beta": ascent.free_energies[:, i],
        }
        rows += _list_rows("B.8 ascent", setting, steps, curves)
    axes.axvline(STOPPED, color="0.6", linewidth=0.6)
    axes.text(STOPPED * 1.04, 1.02, f"step {STOPPED}", fontsize=6.5, color="0.4")
    axes.set(xscale="log", xlim=(0.5, len(shortest) - 1), ylim=(-0.03, 1.1))
    axes.set(
        title="B.8: how long three components last, $v = 3.5$",
        xlabel="steps of the ascent",
    )
    axes.set_ylabel("shortest / longest component")
    axes.legend(loc="lower left", fontsize=6.5, handlelength=2.2)
    axes.xaxis.set_major_formatter("{x:g}")
    return rows


def _draw_sweep(
    axes: Axes,
    end: Ascent,
    cases: Sequence[tuple[float, float, float, int]],
    datasets: int,
) -> list[Row]:
    """Draw the shortest component at the end of the ascent over the noise."""
    shape = (len(SPARSER), len(SWEPT), datasets)
    shortest = compute_shortest(end.W).reshape(shape)
    noise = torch.tensor(SWEPT, dtype=torch.float64)
    rows = []
    for i, v in enumerate(SPARSER):
        mean = shortest[i].mean(-1)
        look = {"color": PALETTE[i], "linestyle": LINES[i]}
        name = f"$v = {v:g}$"
        axes.plot(noise, mean, **look, marker="o", markersize=3, label=name)
        axes.plot(
            noise.repeat_interleave(datasets),
            shortest[i].flatten(),
            linestyle="none",
            marker=".",
            markersize=2.5,
            color=PALETTE[i],
            alpha=0.5,
        )
        curves = {"shortest / longest component": mean}
        rows += _list_rows("B.8 end", f"v={v:g}", noise, curves)
    axes.set(
        xscale="log",
        ylim=(-0.03, 1.25),
        title="B.8: what is left at the end, from the truth",
    )
    axes.set_xlabel(r"noise $\sqrt{\beta}\,\sigma$ (the sources' scale is 1)")
    axes.legend(loc="upper left", ncols=3, borderaxespad=0.1, columnspacing=1.2)
    axes.xaxis.set_major_formatter("{x:g}")
    return rows


def _list_rows(
    experiment: str, setting: str, x: Tensor, curves: dict[str, Tensor]
) -> list[Row]:
    """Return a row of the table for every point of every curve."""
    return [
        (experiment, setting, float(at), quantity, float(value))
        for quantity, values in curves.items()
        for at, value in zip(x, values, strict=True)
    ]


def _list_findings(rows: Sequence[Row], ascent: Ascent, first: int) -> list[str]:
    """Return what was found, in words."""
    table = pd.DataFrame(rows, columns=COLUMNS)

    def pick(experiment: str, setting: str, quantity: str) -> pd.Series:
        chosen = table[table.experiment.eq(experiment) & table.setting.eq(setting)]
        chosen = chosen[chosen.quantity.eq(quantity)]
        return chosen.set_index("x").value

    findings = []
    for experiment, what in (("B.3", "rotated by 45 degrees"), ("B.4", "unpruned")):
        free = pick(experiment, "beta=1", "free energy")
        exact = pick(experiment, "beta=1", "log-likelihood")
        findings.append(
            f"{experiment}: log-likelihood {exact.mean():.3f} nats everywhere; free "
            f"{free.max():.3f}, and {free.min():.3f} {what}"
        )
    gaps = [pick("B.5", f"beta={b:g}", "free energy").min() for b in BETAS]
    shown = ", ".join(f"{-gap:.3f}" for gap in gaps)
    findings.append(
        f"B.5: at β = {', '.join(map('{:g}'.format, BETAS))} it costs {shown}"
    )
    for i, beta in enumerate(STRENGTHS):
        for step in (STOPPED, len(ascent.weights) - 1):
            W = ascent.weights[step, first + i]
            lengths, angles = measure_components(W)
            kept = lengths > PRUNED * lengths.max()
            shown = ", ".join(f"{angle:.0f}°" for angle in angles[kept])
            findings.append(
                f"B.8: noise {ICA_NOISE}, β = {beta:g}, after {step} steps: "
                f"{int(kept.sum())} components, at {shown}; free energy / β "
                f"{ascent.free_energies[step, first + i]:.2f} nats"
            )
    for v in SPARSER:
        left = pick("B.8 end", f"v={v:g}", "shortest / longest component")
        shown = ", ".join(f"{noise:g}: {length:.2f}" for noise, length in left.items())
        findings.append(f"B.8: v = {v:g}, shortest / longest by noise √βσ: {shown}")
    return findings
