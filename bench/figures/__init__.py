"""Pictures of the priors, drawn from their own densities."""

from priorbench.bench.figures.write import SETS, write_figures

__all__ = ["SETS", "write_figures"]
