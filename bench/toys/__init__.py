"""Small experiments of the papers, each a figure, a table and what they show."""

from priorbench.bench.toys import (
    digits_labels,
    digits_plane,
    graph_links,
    sphere_recovery,
    vi_bias,
)
from priorbench.bench.toys.outcome import Outcome, register, registry, write_outcome

__all__ = [
    "Outcome",
    "digits_labels",
    "digits_plane",
    "graph_links",
    "register",
    "registry",
    "sphere_recovery",
    "vi_bias",
    "write_outcome",
]
