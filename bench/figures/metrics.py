"""Picture of the metrics: their scores of codes that are known to the last detail."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from priorbench.bench.figures.canvas import make_page
from priorbench.bench.report.figures.style import relative_luminance
from priorbench.metrics.synthetic import SIZES, synthetic_codes
from priorbench.metrics.table import score_all

METRICS = (
    "default",
    "mig_groups",
    "mig_histogram",
    "dci_fast",
    "beta_vae",
    "mcc",
    "explicitness",
    "linear_probe",
    "knn_probe",
    "d_lsbd",
)
"""Metrics and presets that are scored."""

FAMILIES: Mapping[str, Sequence[str]] = {
    "a latent knows one factor": (
        "mig_sup",
        "infom",
        "mi_disentanglement",
        "dci_fast_disentanglement",
        "modularity",
        "factor_vae",
        "beta_vae",
        "irs",
    ),
    "a factor is in one latent": (
        "mig",
        "mig_histogram",
        "infoc",
        "mi_completeness",
        "dci_fast_completeness",
        "sap",
        "sap_r2",
    ),
    "others": ("mcc", "d_lsbd"),
    "factors can be read": (
        "infoe",
        "dci_fast_informativeness",
        "explicitness",
        "linear_probe_1000",
        "knn_probe_1000",
    ),
}
"""The columns that are drawn, by what they measure."""

BEST_AT_ZERO = ("d_lsbd",)

ANGLES = (5, 15, 30, 45)
"""Degrees by which pairs of latents are rotated."""

OTHER_CASES = ("noise", "duplicated", "split", "shared", "dead", "circle")
"""Synthetic codes beside the perfect and the rotated ones."""

SHADES = colormaps["Blues"]
EMPTY = "0.93"


def draw_metrics_on_known_codes() -> Figure:
    """Draw the scores of all synthetic codes, a row for each."""
    columns = [column for family in FAMILIES.values() for column in family]
    scores = score_known_codes()[columns]
    return draw_heat_map(scores, FAMILIES)


def score_known_codes(
    metrics: Sequence[str] = METRICS, sizes: Sequence[int] = SIZES
) -> pd.DataFrame:
    """Return the scores of all synthetic codes.

    Args:
        metrics: names of metrics and presets.
        sizes: number of values of each factor.

    Returns:
        A row for each code, a column for each score; NaN where a code has no such
        score. Codes of groups have a second row, in which each group is one code.
    """
    known = {"perfect": synthetic_codes("perfect", sizes=sizes)}
    for degrees in ANGLES:
        codes = synthetic_codes("rotated", degrees=degrees, sizes=sizes)
        known[f"rotated {degrees}°"] = codes
    for case in OTHER_CASES:
        known[case] = synthetic_codes(case, sizes=sizes)
    rows = {}
    for label, codes in known.items():
        scores = score_all(codes, metrics).set_index("column")["value"].dropna()
        of_groups = scores.index.str.endswith("_groups")
        rows[label] = scores[~of_groups]
        if of_groups.any() and len(codes.groups) < codes.z.shape[1]:
            rows[f"{label}, groups"] = scores[of_groups].rename(
                index=lambda column: column.removesuffix("_groups")
            )
    return pd.DataFrame(rows).T.reindex(rows)


def draw_heat_map(
    scores: pd.DataFrame, families: Mapping[str, Sequence[str]]
) -> Figure:
    """Draw scores as coloured cells with their values in them.

    Args:
        scores: from 0 to 1, a row for each code; a NaN is an empty cell.
        families: columns of each panel, by its title.
    """
    figure = make_page(0.21 * len(scores) + 2.1)
    panels = figure.subplots(
        1, len(families), sharey=True, width_ratios=list(map(len, families.values()))
    )
    figure.get_layout_engine().set(wspace=0.02)
    for axes, (title, columns) in zip(panels, families.items(), strict=True):
        _draw_panel(axes, scores[list(columns)])
        axes.set_title(title)
    panels[0].set_yticks(np.arange(len(scores)) + 0.5, scores.index)
    panels[0].invert_yaxis()
    figure.suptitle("Scores of synthetic codes, from 0 to 1; empty where there is none")
    return figure


def _draw_panel(axes: Axes, scores: pd.DataFrame) -> None:
    """Draw the cells of one family of scores."""
    goodness = scores.copy()
    for column in scores.columns.intersection(BEST_AT_ZERO):
        goodness[column] = 1 - goodness[column]
    axes.set_facecolor(EMPTY)
    axes.pcolormesh(
        goodness, cmap=SHADES, vmin=0, vmax=1, edgecolors="white", linewidth=1
    )
    for (i, j), value in np.ndenumerate(scores):
        if np.isnan(value):
            continue
        shade = SHADES(goodness.iloc[i, j])
        is_dark = relative_luminance(shade[:3]) < 0.2
        axes.text(
            j + 0.5,
            i + 0.5,
            f"{value:.2f}",
            ha="center",
            va="center",
            fontsize=6,
            color="white" if is_dark else "black",
        )
    names = [
        f"{column} (0 is best)" if column in BEST_AT_ZERO else column
        for column in scores.columns
    ]
    axes.set_xticks(np.arange(len(names)) + 0.5, names, rotation=90)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
