"""Metrics: functions of a model's codes and the ground-truth factors."""

from priorbench.metrics.active_latents import active_latents
from priorbench.metrics.base import Codes, Metric, Scores, register, registry
from priorbench.metrics.beta_vae import beta_vae
from priorbench.metrics.d_lsbd import d_lsbd
from priorbench.metrics.dci import dci
from priorbench.metrics.dci_fast import dci_fast
from priorbench.metrics.elbo_decomposition import elbo_decomposition
from priorbench.metrics.explicitness import explicitness
from priorbench.metrics.factor_vae import factor_vae
from priorbench.metrics.infoc import infoc
from priorbench.metrics.infoe import infoe
from priorbench.metrics.infom import infom
from priorbench.metrics.irs import irs
from priorbench.metrics.knn_probe import knn_probe
from priorbench.metrics.linear_probe import linear_probe
from priorbench.metrics.mcc import mcc
from priorbench.metrics.mi_completeness import mi_completeness
from priorbench.metrics.mi_disentanglement import mi_disentanglement
from priorbench.metrics.mig import mig
from priorbench.metrics.mig_groups import mig_groups
from priorbench.metrics.mig_histogram import mig_histogram
from priorbench.metrics.mig_sampled import mig_sampled
from priorbench.metrics.mig_sup import mig_sup
from priorbench.metrics.modularity import modularity
from priorbench.metrics.presets import PRESETS
from priorbench.metrics.sap import sap
from priorbench.metrics.sap_r2 import sap_r2
from priorbench.metrics.synthetic import synthetic_codes
from priorbench.metrics.table import score_all

__all__ = [
    "PRESETS",
    "Codes",
    "Metric",
    "Scores",
    "active_latents",
    "beta_vae",
    "d_lsbd",
    "dci",
    "dci_fast",
    "elbo_decomposition",
    "explicitness",
    "factor_vae",
    "infoc",
    "infoe",
    "infom",
    "irs",
    "knn_probe",
    "linear_probe",
    "mcc",
    "mi_completeness",
    "mi_disentanglement",
    "mig",
    "mig_groups",
    "mig_histogram",
    "mig_sampled",
    "mig_sup",
    "modularity",
    "register",
    "registry",
    "sap",
    "sap_r2",
    "score_all",
    "synthetic_codes",
]
