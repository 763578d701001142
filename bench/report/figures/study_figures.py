"""The figures of a study: MIG against reconstruction, and MIG's distribution over seeds.

References: Stühmer et al. 2019, "Independent Subspace Analysis for Unsupervised Learning of
Disentangled Representations", Figure 5.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from priorbench.bench.study.beta import Beta, make_sort_key, format_beta
from priorbench.bench.results.store import Record
from priorbench.bench.report.figures import labels, layout
from priorbench.bench.report.figures.style import WIDTH, Style, get_moment, escape_text

NEEDS = {
    "mig_vs_reconstruction": ("mig", "reconstruction"),
    "mig_distribution": ("mig",),
}
FEW = 5  # with fewer seeds a box says less than the points
_SLOT = 0.13  # inches a method needs in a panel
_LETTER = 0.066  # inches of a letter in a panel's title
_PANEL = 1.0  # height of a panel, inches
_OUTLINE = [
    withStroke(linewidth=2.8, foreground="white")
]  # sets a line off from points
_KEY = {
    True: "Points: seeds. Bars: median.",
    False: "Points: seeds. Boxes: median and quartiles, whiskers to the last seed within "
    "1.5 interquartile ranges.",
}


@dataclass(frozen=True)
class Study:
    """What the figures show: the runs and settings of one profile, and every method's style."""

    grid: str
    profile: str
    records: list[Record]
    settings: pd.DataFrame
    styles: dict[str, Style]

    @classmethod
    def of(
        cls, records: list[Record], settings: pd.DataFrame, chosen: dict[str, Style]
    ) -> "Study":
        """The part that is of the profile of the newest finished run.

        Args:
            records: one per profile, method, β and seed; at least one finished.
            settings: of these records.
            chosen: a style for every method of the folder, so that profiles agree on them.
        """
        newest = max((r for r in records if r.status == "finished"), key=get_moment)
        own = [r for r in records if r.profile == newest.profile]
        rows = settings[settings["profile"] == newest.profile].reset_index(drop=True)
        present = {r.method for r in own}
        return cls(
            newest.grid,
            newest.profile,
            own,
            rows,
            {m: s for m, s in chosen.items() if m in present},
        )

    def has(self, score: str) -> bool:
        """Whether any run of the study has ``score``."""
        return any(score in r.scores for r in self.records)

    def values(self, method: str, beta: Beta, score: str) -> np.ndarray:
        """The finite values of ``score`` in the runs of a setting, in the order of their seeds."""
        runs = [r for r in self.records if r.method == method and r.beta == beta]
        values = np.array(
            [
                r.scores[score]
                for r in sorted(runs, key=lambda r: r.seed)
                if score in r.scores
            ],
            dtype=float,
        )
        return values[np.isfinite(values)]

    @property
    def heading(self) -> str:
        """Grid, profile and number of seeds."""
        n = self.settings.loc[self.settings["n"] > 0, "n"]
        seeds = f"{n.min()}" if n.min() == n.max() else f"{n.min()}–{n.max()}"
        plural = "" if n.max() == 1 else "s"
        return f"{self.grid}, profile {self.profile}, {seeds} seed{plural}"

    @property
    def title(self) -> str:
        """The heading as Matplotlib shall draw it."""
        return escape_text(self.heading)

    def caption(self, text: str) -> str:
        """``text``, and on a line of its own how many runs failed if any did."""
        total, failed = len(self.records), int(self.settings["failures"].sum())
        return f"{text}\n{failed} of {total} runs failed." if failed else text


def draw_trade_off(study: Study) -> Figure:
    """Mean MIG against mean reconstruction, a line per method through its β (Fig. 5b)."""
    figure = layout.make_figure()
    axes = figure.add_subplot()
    curves = {}
    for method, style in study.styles.items():
        rows = study.settings[study.settings["method"] == method]  # ordered by β
        rows = rows.dropna(subset=["mig_mean", "reconstruction_mean"])
        if len(rows):
            curves[method] = rows
            _draw_curve(axes, rows, method, style)
    axes.margins(0.09)
    axes.set_xlabel(
        r"reconstruction $\mathbb{E}_{q(z|x)}[\log p(x|z)]$ (nats per image)"
    )
    axes.set_ylabel("MIG")
    axes.locator_params(nbins=6)
    entries = {escape_text(m): _legend_line(study.styles[m]) for m in curves}
    caption = study.caption(
        "Labels: β. Mean ± standard error over seeds. Up and right is better."
    )
    layout.compose_figure(figure, 2.9, study.title, caption, entries)
    labels.place_labels(axes, _list_marks(curves, study.styles), _list_lines(curves))
    return figure


def draw_distribution(study: Study) -> Figure:
    """MIG of every seed, a panel per β and a place in it per method (Fig. 5a)."""
    figure = layout.make_figure()
    betas = sorted(
        {r.beta for r in study.records if "mig" in r.scores}, key=make_sort_key
    )
    methods = [
        m
        for m in study.styles
        if any(r.method == m and "mig" in r.scores for r in study.records)
    ]
    titles = [f"β = {format_beta(beta)}" for beta in betas]
    columns = _count_columns(titles, len(methods))
    rows = -(-len(betas) // columns)
    grid = figure.add_gridspec(rows, columns)
    first = None
    for i, (beta, title) in enumerate(zip(betas, titles, strict=True)):
        axes = figure.add_subplot(grid[divmod(i, columns)], sharey=first)
        first = first or axes
        _draw_panel(axes, study, beta, methods)
        axes.set_title(title, pad=3)
        axes.tick_params(labelleft=i % columns == 0)
    label = figure.supylabel("MIG", fontsize=8)
    few = bool((study.settings["n"] < FEW).all())
    entries = {escape_text(m): _legend_entry(study.styles[m], few) for m in methods}
    body = max(2.4, 0.3 + rows * (_PANEL + 0.25))
    layout.compose_figure(figure, body, study.title, study.caption(_KEY[few]), entries)
    label.set_y(
        (figure.axes[0].get_position().y1 + figure.axes[-1].get_position().y0) / 2
    )
    return figure


def _draw_curve(axes: Axes, rows: pd.DataFrame, method: str, style: Style) -> None:
    # a β for each group has no place on the way from one β to the next
    several = rows["beta"].map(lambda beta: isinstance(beta, str))
    for part, line in ((rows[~several], style.line), (rows[several], "none")):
        if len(part):
            axes.errorbar(
                part["reconstruction_mean"],
                part["mig_mean"],
                xerr=part["reconstruction_se"].fillna(0),
                yerr=part["mig_se"].fillna(0),
                elinewidth=0.7,
                label=escape_text(method),
                **(_line_style(style) | {"linestyle": line}),
            )


def _line_style(style: Style) -> dict:
    return {
        "color": style.stroke,
        "linestyle": style.line,
        "linewidth": 1.1,
        "marker": style.marker,
        "markersize": 4.2,
        "markerfacecolor": style.color,
        "markeredgecolor": style.ink,
        "markeredgewidth": 0.5,
    }


def _legend_line(style: Style) -> Line2D:
    return Line2D([], [], **_line_style(style))


def _legend_entry(style: Style, few: bool) -> Artist | tuple[Artist, ...]:
    """What the legend of the distributions shows: the points, and the box if there are any."""
    points = Line2D([], [], **(_line_style(style) | {"linestyle": "none"}))
    return points if few else (Patch(**_box_style(style)), points)


def _box_style(style: Style) -> dict:
    return {
        "facecolor": (style.color, 0.3),
        "edgecolor": style.ink,
        "hatch": style.hatch,
        "linewidth": 0.6,
    }


def _list_marks(
    curves: dict[str, pd.DataFrame], chosen: dict[str, Style]
) -> list[labels.Mark]:
    """Each method's first and last β before the ones between, so that these are surest."""
    ends, between = [], []
    for method, rows in curves.items():
        written = [
            beta if isinstance(beta, str) else format_beta(beta)
            for beta in rows["beta"]
        ]
        marks = [
            labels.Mark(x, y, beta, chosen[method].ink)
            for x, y, beta in zip(
                rows["reconstruction_mean"], rows["mig_mean"], written, strict=True
            )
        ]
        ends += marks[:1] + marks[1:][-1:]
        between += marks[1:-1]
    return ends + between


def _list_lines(curves: dict[str, pd.DataFrame]) -> list[np.ndarray]:
    """The curves and their error bars, in data coordinates."""
    lines = []
    for rows in curves.values():
        at = rows[["reconstruction_mean", "mig_mean"]].to_numpy(float)
        lines.append(at)
        errors = rows[["reconstruction_se", "mig_se"]].fillna(0).to_numpy(float)
        for way in np.eye(2):
            lines += [
                np.stack([a - e * way, a + e * way])
                for a, e in zip(at, errors, strict=True)
            ]
    return lines


def _count_columns(titles: list[str], methods: int) -> int:
    """Panels side by side: at most three, none narrower than its methods or its title need."""
    needed = max(_SLOT * (methods + 1), _LETTER * max(map(len, titles)))
    wanted = 2 if len(titles) == 4 else 3
    return max(1, min(len(titles), wanted, int((WIDTH - 0.5) / needed)))


def _draw_panel(axes: Axes, study: Study, beta: Beta, methods: list[str]) -> None:
    for i, method in enumerate(methods):
        values = study.values(method, beta, "mig")
        if len(values):
            _draw_seeds(axes, i, values, study.styles[method])
    axes.set_xlim(-0.7, len(methods) - 0.3)
    axes.set_xticks([])


def _draw_seeds(axes: Axes, at: int, values: np.ndarray, style: Style) -> None:
    """One method's seeds at one β: the points, over a box where there are enough of them."""
    few = len(values) < FEW
    if few:
        axes.plot(
            [at - 0.33, at + 0.33],
            [np.median(values)] * 2,
            color=style.ink,
            linewidth=1.4,
            solid_capstyle="butt",
            zorder=2,
            gid="median",
        )
    else:
        dark = {"color": style.ink, "linewidth": 0.6}
        axes.boxplot(
            [values],
            positions=[at],
            widths=0.72,
            showfliers=False,
            patch_artist=True,
            manage_ticks=False,
            whiskerprops=dark,
            capprops=dark,
            boxprops=_box_style(style),
            medianprops={
                "color": style.ink,
                "linewidth": 1.4,
                "zorder": 4,
                "path_effects": _OUTLINE,
            },
        )
    # The golden ratio's multiples spread evenly whatever the number of seeds.
    spread = ((np.arange(len(values)) * 0.6180339887 + 0.5) % 1 - 0.5) * 0.5
    axes.plot(
        at + spread,
        values,
        linestyle="none",
        marker=style.marker,
        gid="seeds",
        markersize=3.4 if few else 1.6,
        markerfacecolor=style.color,
        markeredgecolor=style.ink,
        markeredgewidth=0.4 if few else 0.2,
        zorder=3,
    )
