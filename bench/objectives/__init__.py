"""The training objectives."""

from priorbench.bench.objectives.base import Objective, register, registry
from priorbench.bench.objectives.beta_tcvae import BetaTCVAE, make_stratified_weights
from priorbench.bench.objectives.beta_vae import BetaVAE
from priorbench.bench.objectives.capacity import Capacity
from priorbench.bench.objectives.factor_vae import FactorVAE

__all__ = [
    "BetaTCVAE",
    "BetaVAE",
    "Capacity",
    "FactorVAE",
    "Objective",
    "make_stratified_weights",
    "register",
    "registry",
]
