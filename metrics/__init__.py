"""Metrics: functions of a model's codes and the ground-truth factors."""

from priorbench.metrics.active_latents import active_latents
from priorbench.metrics.base import Codes, Metric, Scores, register, registry
from priorbench.metrics.elbo_decomposition import elbo_decomposition
from priorbench.metrics.mig import mig
from priorbench.metrics.mig_groups import mig_groups
from priorbench.metrics.mig_histogram import mig_histogram
from priorbench.metrics.mig_sampled import mig_sampled

__all__ = [
    "Codes",
    "Metric",
    "Scores",
    "active_latents",
    "elbo_decomposition",
    "mig",
    "mig_groups",
    "mig_histogram",
    "mig_sampled",
    "register",
    "registry",
]
