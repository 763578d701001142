"""Pictures of the priors and of the metrics, drawn from what they compute."""

from priorbench.bench.figures.write import SETS, write_figures

__all__ = ["SETS", "write_figures"]
