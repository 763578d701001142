"""Metrics: functions of a model's codes and the ground-truth factors."""

from metrics.active import active_latents
from metrics.aggregate import log_aggregate
from metrics.base import Codes, Scores, get, names, register
from metrics.decomposition import elbo_decomposition
from metrics.groups import mig_groups
from metrics.histogram import mig_histogram
from metrics.mig import mig
from metrics.quadrature import mutual_information
from metrics.sampled import mig_sampled

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
