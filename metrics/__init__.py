"""Metrics: functions of a model's codes and the ground-truth factors."""

from priorbench.metrics.active_latents import active_latents
from priorbench.metrics.information.aggregate_posterior import log_aggregate
from priorbench.metrics.base import Codes, Scores, get, names, register
from priorbench.metrics.elbo_decomposition import elbo_decomposition
from priorbench.metrics.mig_groups import mig_groups
from priorbench.metrics.mig_histogram import mig_histogram
from priorbench.metrics.mig import mig
from priorbench.metrics.information.quadrature import mutual_information
from priorbench.metrics.mig_sampled import mig_sampled

__all__ = [
    "Codes",
    "Scores",
    "active_latents",
    "elbo_decomposition",
    "get",
    "log_aggregate",
    "mig",
    "mig_groups",
    "mig_histogram",
    "mig_sampled",
    "mutual_information",
    "names",
    "register",
]
