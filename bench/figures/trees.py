"""The trees of Lp-nested priors.

References: Stühmer et al. 2019 (ISA-VAE), Figure 4.
"""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from priorbench.bench.figures.canvas import make_page
from priorbench.bench.figures.euclidean import make_nested_prior
from priorbench.priors.lp_nested import ISA, LpNested, Node

Position = tuple[float, float]


def draw_trees() -> Figure:
    """Draw the tree of Eq. 6, and that of an ISA prior, Eq. 9 (Fig. 4)."""
    figure = make_page(1.6)
    left, right = figure.subplots(1, 2, width_ratios=(1, 2.6))
    draw_tree(left, make_nested_prior(1, 2))
    left.set_title("Eq. 6, here $p_0 = 1$, $p_1 = 2$")
    draw_tree(right, ISA([4, 4, 4]))
    right.set_title("independent subspaces, Eq. 9: three of four latents each")
    figure.suptitle("$L_p$-nested priors as trees: a node is the norm of its children")
    return figure


def draw_tree(axes: Axes, prior: LpNested) -> list[Position]:
    """Draw the tree of any Lp-nested prior: exponents at its nodes, latents below.

    Returns:
        Where each latent stands, in the order written: x from 0, and minus its depth.
    """
    exponents = [float(p) for p in prior.exponents()]
    places: list[Position] = []

    def draw_child(child: Node | int, depth: int) -> Position:
        if isinstance(child, int):
            at = (float(len(places)), -float(depth))
            places.append(at)
            _write(axes, at, f"$z_{{{child + 1}}}$", "none")
            return at
        below = [draw_child(grandchild, depth + 1) for grandchild in child.children]
        at = (sum(x for x, _ in below) / len(below), -float(depth))
        for x, y in below:
            axes.plot((at[0], x), (at[1], y), color="0.6", linewidth=0.8, zorder=1)
        _write(axes, at, f"$p = {exponents[child.index]:g}$", "0.4")
        return at

    draw_child(prior.root, 0)
    axes.margins(0.08, 0.15)
    axes.set_axis_off()
    return places


def _write(axes: Axes, at: Position, label: str, edge: str) -> None:
    """Write the label of a node on the lines that meet there."""
    box = {"boxstyle": "round,pad=0.25", "facecolor": "white", "edgecolor": edge}
    axes.text(*at, label, fontsize=7, ha="center", va="center", bbox=box, zorder=2)
